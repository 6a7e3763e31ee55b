/* log_sink: see log_sink.h. What stderr is, is the process's own, hence file-wide. */
#include "log_sink.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION /* the line that writes all lines is of no use to anybody */
#include <systemd/sd-journal.h>

#include "log_output.h"
#include "log_record.h"

/* Fields of one entry: as many as struct log_about has, and those that every entry has. */
#define MOST_FIELDS 24

static struct {
    enum { UNKNOWN, TERMINAL, TEXT, JOURNAL } kind;
    struct log_output output;
} sink;

/* "DEVICE:INODE" of the stream that systemd made. Somebody may have put another in its place. */
static bool is_journal(void)
{
    const char *text = getenv("JOURNAL_STREAM");
    struct stat status;
    char *end;
    if (!text || fstat(STDERR_FILENO, &status) < 0)
        return false;
    unsigned long long device = strtoull(text, &end, 10);
    if (end == text || *end != ':')
        return false;
    text = end + 1;
    unsigned long long inode = strtoull(text, &end, 10);
    return end != text && !*end && device == status.st_dev && inode == status.st_ino;
}

static void look(void)
{
    if (sink.kind != UNKNOWN)
        return;
    log_output_init(&sink.output, STDERR_FILENO);
    sink.kind = isatty(STDERR_FILENO) ? TERMINAL : is_journal() ? JOURNAL : TEXT;
}

bool log_sink_has_fields(void)
{
    look();
    return sink.kind == JOURNAL;
}

/* ---- The journal ---------------------------------------------------------------------------- */

static int add(struct iovec *fields, int count, const char *text)
{
    fields[count] = (struct iovec){(char *)text, strlen(text)}; // NOLINT: it is only read
    return count + 1;
}

static int send_entry(const char *record, size_t length)
{
    struct iovec fields[MOST_FIELDS];
    char priority[] = "PRIORITY=0";
    priority[sizeof priority - 2] = record[0];
    int count = add(fields, 0, priority);
    count = add(fields, count, "SYSLOG_IDENTIFIER=fetchpoold");
    count = add(fields, count, "SYSLOG_FACILITY=3"); /* daemon, as of lines of text */
    for (size_t at = 1; at < length && count < MOST_FIELDS; at += strlen(record + at) + 1)
        count = add(fields, count, record + at);
    return sd_journal_sendv(fields, count);
}

/* ---- Text ----------------------------------------------------------------------------------- */

static int write_text(const char *record)
{
    char line[LOG_LINE_BYTES];
    const char *text = record + LOG_RECORD_TEXT_AT;
    int length = sink.kind == TERMINAL ? snprintf(line, sizeof line, "%s\n", text)
                                       : snprintf(line, sizeof line, "<%c>%s\n", record[0], text);
    if (length >= (int)sizeof line) {
        length = sizeof line;
        line[length - 1] = '\n';
    }
    return length > 0 ? log_output_write(&sink.output, line, (size_t)length) : 0;
}

/* Where the journal does not take it, its stream may. */
int log_sink_write(const char *record, size_t length)
{
    look();
    if (sink.kind == JOURNAL && send_entry(record, length) == 0)
        return 0;
    return write_text(record);
}
