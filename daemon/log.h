/*
 * log: lines on stderr for whoever runs the daemon. On a terminal they are plain; else each begins
 * with the `<N>` priority that journald reads. Ground floor: knows nothing of ours.
 *
 * One line is one write(2). A line longer than LOG_LINE_BYTES is cut. Bytes that would end a line
 * or steer a terminal are written as '?': parts of a line may come from a client.
 */
#pragma once

#include <stdbool.h>

#define LOG_LINE_BYTES 2048

/* The numbers are syslog's. */
enum log_level {
    LOG_LEVEL_ERROR = 3,
    LOG_LEVEL_WARNING = 4,
    LOG_LEVEL_NOTICE = 5,
    LOG_LEVEL_INFO = 6,
    LOG_LEVEL_DEBUG = 7
};

/* Lines above this level are dropped. The default is LOG_LEVEL_INFO. */
void log_set_level(enum log_level level);
bool log_is_on(enum log_level level);

/* "error", "warning", "notice", "info" or "debug"; false for anything else. */
bool log_level_parse(const char *text, enum log_level *out_level);
const char *log_level_name(int level);

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
