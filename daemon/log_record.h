/*
 * log_record: one line of the log on its way to whoever writes it, as bytes: its level, its text,
 * its fields. Each is NAME=VALUE with a NUL behind it, as sd_journal_sendv(3) wants them; the text
 * is the field MESSAGE, and the first. Pure.
 */
#pragma once

#include <stdarg.h>

#include "log.h"

/* A line, and what is known of a request. Fields that find no room are left out. */
#define LOG_RECORD_BYTES (LOG_LINE_BYTES + 4096)

/* Of a field's value; it is cut. */
#define LOG_VALUE_BYTES 1024

#define LOG_RECORD_MESSAGE "MESSAGE="
#define LOG_RECORD_TEXT_AT (1 + sizeof LOG_RECORD_MESSAGE - 1) /* behind the level and this */

struct log_record {
    size_t length;
    char bytes[LOG_RECORD_BYTES]; /* the first is the level's digit */
};

void log_record_begin(struct log_record *record, enum log_level level, const char *format,
                      va_list values) __attribute__((format(printf, 3, 0)));
void log_record_describe(struct log_record *record, const struct log_about *about);
