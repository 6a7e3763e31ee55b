/* log_record: see log_record.h. */
#include "log_record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "character.h"

/* What would end a line or steer a terminal, and what is not UTF-8. */
static void clean(char *text, size_t length)
{
    for (size_t i = 0, count; i < length; i += count) {
        count = character_length(text + i, length - i);
        if (count == 0) {
            text[i] = '?';
            count = 1;
        }
    }
}

static size_t clip(int length, size_t room)
{
    if (length < 0)
        return 0;
    return (size_t)length < room ? (size_t)length : room - 1;
}

/* In text, priority and newline stand around the message: they count as part of the line. */
#define AROUND_BYTES 4

void log_record_begin(struct log_record *record, enum log_level level, const char *format,
                      va_list values)
{
    size_t room = LOG_LINE_BYTES - AROUND_BYTES + 1;
    record->bytes[0] = (char)('0' + (int)level);
    memcpy(record->bytes + 1, LOG_RECORD_MESSAGE, sizeof LOG_RECORD_MESSAGE - 1);
    char *text = record->bytes + LOG_RECORD_TEXT_AT;
    size_t length = clip(vsnprintf(text, room, format, values), room);
    text[length] = '\0';
    clean(text, length);
    record->length = LOG_RECORD_TEXT_AT + length + 1;
}

__attribute__((format(printf, 3, 4))) static void add(struct log_record *record, const char *name,
                                                      const char *format, ...)
{
    char value[LOG_VALUE_BYTES];
    va_list values;
    va_start(values, format);
    size_t length = clip(vsnprintf(value, sizeof value, format, values), sizeof value);
    va_end(values);
    value[length] = '\0';
    clean(value, length);
    size_t name_length = strlen(name);
    if (name_length + 1 + length + 1 > sizeof record->bytes - record->length)
        return;
    int added = sprintf(record->bytes + record->length, "%s=%s", name, value);
    record->length += (size_t)added + 1;
}

static void add_text(struct log_record *record, const char *name, const char *value)
{
    if (value)
        add(record, name, "%s", value);
}

static void add_url(struct log_record *record, const struct log_about *about)
{
    if (!about->url)
        return;
    size_t length = log_url_length(about->url, about->origin ? strlen(about->origin) : 0);
    add(record, "FETCHPOOL_URL", "%.*s", (int)length, about->url);
}

static void add_client(struct log_record *record, const struct log_about *about)
{
    add_text(record, "FETCHPOOL_CLIENT", about->client);
    add_text(record, "FETCHPOOL_TAG", about->tag);
    if (about->has_peer) {
        add(record, "FETCHPOOL_UID", "%lu", (unsigned long)about->uid);
        add(record, "FETCHPOOL_PID", "%ld", (long)about->pid);
    }
    if (about->has_request)
        add(record, "FETCHPOOL_REQUEST", "%" PRIu32, about->request);
}

static void add_outcome(struct log_record *record, const struct log_about *about)
{
    add_text(record, "FETCHPOOL_RULE", about->rule);
    if (about->code != 0)
        add(record, "FETCHPOOL_ERROR", "%d", about->code);
    add_text(record, "FETCHPOOL_ERROR_NAME", about->error);
    if (about->status != 0)
        add(record, "FETCHPOOL_STATUS", "%u", about->status);
    if (about->has_connection)
        add(record, "FETCHPOOL_CONNECTION", "%" PRIu64, about->connection);
    if (about->total_us != 0)
        add(record, "FETCHPOOL_TOTAL_US", "%" PRIu64, about->total_us);
    if (about->lost != 0)
        add(record, "FETCHPOOL_LOST", "%" PRIu64, about->lost);
}

void log_record_describe(struct log_record *record, const struct log_about *about)
{
    add_text(record, "FETCHPOOL_ORIGIN", about->origin);
    add_text(record, "FETCHPOOL_METHOD", about->method);
    add_url(record, about);
    add_client(record, about);
    add_outcome(record, about);
}
