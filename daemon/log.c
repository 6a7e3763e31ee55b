/* log: see log.h. Level, reader and thread are the process's own, hence file-wide. */
#include "log.h"

#include <stdarg.h>
#include <string.h>

#include "log_record.h"
#include "log_sink.h"
#include "log_writer.h"

static struct {
    enum log_level highest;
    enum log_urls urls;
    struct log_writer *writer; /* NULL: lines are written at once */
} settings = {.highest = LOG_LEVEL_INFO, .urls = LOG_URLS_PATH};

/* ---- Names ---------------------------------------------------------------------------------- */

struct choice {
    const char *name;
    int value;
};

static const struct choice levels[] = {
    {"error", LOG_LEVEL_ERROR}, {"warning", LOG_LEVEL_WARNING}, {"notice", LOG_LEVEL_NOTICE},
    {"info", LOG_LEVEL_INFO},   {"debug", LOG_LEVEL_DEBUG},
};

static const struct choice url_parts[] = {
    {"origin", LOG_URLS_ORIGIN},
    {"path", LOG_URLS_PATH},
    {"full", LOG_URLS_FULL},
};

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

/* NULL: there is none. */
static const struct choice *find(const struct choice *choices, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, choices[i].name) == 0)
            return &choices[i];
    }
    return NULL;
}

static const char *name_of(const struct choice *choices, size_t count, int value)
{
    for (size_t i = 0; i < count; i++) {
        if (choices[i].value == value)
            return choices[i].name;
    }
    return "unknown";
}

bool log_level_parse(const char *text, enum log_level *out_level)
{
    const struct choice *choice = find(levels, COUNT_OF(levels), text);
    if (choice)
        *out_level = (enum log_level)choice->value;
    return choice != NULL;
}

const char *log_level_name(int level)
{
    return name_of(levels, COUNT_OF(levels), level);
}

bool log_urls_parse(const char *text, enum log_urls *out_urls)
{
    const struct choice *choice = find(url_parts, COUNT_OF(url_parts), text);
    if (choice)
        *out_urls = (enum log_urls)choice->value;
    return choice != NULL;
}

const char *log_urls_name(int urls)
{
    return name_of(url_parts, COUNT_OF(url_parts), urls);
}

/* ---- Settings ------------------------------------------------------------------------------- */

void log_set_level(enum log_level level)
{
    settings.highest = level;
}

bool log_is_on(enum log_level level)
{
    return level <= settings.highest;
}

void log_set_urls(enum log_urls urls)
{
    settings.urls = urls;
}

size_t log_url_length(const char *url, size_t origin_length)
{
    switch (settings.urls) {
    case LOG_URLS_ORIGIN:
        return origin_length;
    case LOG_URLS_PATH:
        return strcspn(url, "?#");
    case LOG_URLS_FULL:
        break;
    }
    return strlen(url);
}

/* ---- Lines ---------------------------------------------------------------------------------- */

static void write_line(enum log_level level, const struct log_about *about, const char *format,
                       va_list values)
{
    struct log_record record;
    log_record_begin(&record, level, format, values);
    if (about && log_sink_has_fields())
        log_record_describe(&record, about);
    if (settings.writer)
        log_writer_put(settings.writer, record.bytes, record.length);
    else
        log_sink_write(record.bytes, record.length); /* nobody is left to be told of a failure */
}

void log_write(enum log_level level, const char *format, ...)
{
    va_list values;
    if (!log_is_on(level))
        return;
    va_start(values, format);
    write_line(level, NULL, format, values);
    va_end(values);
}

void log_write_about(enum log_level level, const struct log_about *about, const char *format, ...)
{
    va_list values;
    if (!log_is_on(level))
        return;
    va_start(values, format);
    write_line(level, about, format, values);
    va_end(values);
}

/* ---- The thread ----------------------------------------------------------------------------- */

static int write_record(void *ctx, const char *record, size_t length)
{
    (void)ctx;
    return log_sink_write(record, length);
}

__attribute__((format(printf, 2, 3))) static void begin(struct log_record *record,
                                                        const char *format, ...)
{
    va_list values;
    va_start(values, format);
    log_record_begin(record, LOG_LEVEL_WARNING, format, values);
    va_end(values);
}

/* Whatever the level: who reads the log must know that some of it is not there. */
static int say_lost(void *ctx, uint64_t count)
{
    struct log_record record;
    struct log_about about = {.lost = count};
    (void)ctx;
    begin(&record, "%llu lines of the log were lost here: they were not read in time",
          (unsigned long long)count);
    if (log_sink_has_fields())
        log_record_describe(&record, &about);
    return log_sink_write(record.bytes, record.length);
}

int log_start(size_t buffer_bytes)
{
    struct log_writer_setup setup = {
        .name = "log",
        .ring_bytes = buffer_bytes,
        .most_record_bytes = LOG_RECORD_BYTES,
        .write = write_record,
        .say_lost = say_lost,
    };
    log_sink_has_fields(); /* which looks at the environment: not the thread's to do */
    return log_writer_create(&settings.writer, &setup);
}

/* A writer whose reader is stuck stays, and takes no more. */
void log_stop(void)
{
    if (!settings.writer || !log_writer_close(settings.writer))
        return;
    log_writer_destroy(settings.writer);
    settings.writer = NULL;
}

uint64_t log_count_dropped(void)
{
    return settings.writer ? log_writer_count_dropped(settings.writer) : 0;
}
