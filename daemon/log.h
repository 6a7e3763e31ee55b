/*
 * log: lines for whoever runs the daemon. Where stderr is the journal's, each is an entry with
 * fields; else it is a line of text, with the `<N>` priority in front unless stderr is a terminal.
 * Ground floor: knows nothing of ours.
 *
 * Between log_start() and log_stop() whoever has a line only copies it: a thread writes it, so that
 * a reader that has stopped holds up nobody. What finds no room is dropped and counted, and the
 * next line that is written says how many. Before, the line is written at once.
 *
 * A line of text is one write(2). One longer than LOG_LINE_BYTES is cut. Bytes that would end a
 * line or steer a terminal, and those that are not UTF-8, are written as '?': parts of a line may
 * come from a client.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

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

/* ---- What may be said of a URL -------------------------------------------------------------- */

enum log_urls { LOG_URLS_ORIGIN, LOG_URLS_PATH, LOG_URLS_FULL };

/* The default is LOG_URLS_PATH. */
void log_set_urls(enum log_urls urls);

/* "origin", "path" or "full"; false for anything else. */
bool log_urls_parse(const char *text, enum log_urls *out_urls);
const char *log_urls_name(int urls);

/* How much of an absolute URL, from its beginning, may be shown; `origin_length` is how much of it
 * says no more than where to: "https://example.com". */
size_t log_url_length(const char *url, size_t origin_length);

/* ---- Lines ---------------------------------------------------------------------------------- */

/* What a line is about: the fields of its entry in the journal. Borrowed. */
struct log_about {
    const char *origin; /* NULL, here and below: it says nothing of that */
    const char *method;
    const char *url; /* of which so much as may be shown is */
    const char *tag;
    const char *client; /* its name */
    const char *rule;   /* of a policy */
    const char *error;  /* a code's name */
    int code;           /* 0: none */
    unsigned status;    /* of HTTP; 0: none */
    bool has_peer;      /* the next two */
    uid_t uid;
    pid_t pid;
    bool has_request;
    uint32_t request; /* the client's number for it */
    bool has_connection;
    uint64_t connection;
    uint64_t total_us; /* that it took; 0: not known */
    uint64_t lost;     /* lines; 0: not about that */
};

void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
void log_write_about(enum log_level level, const struct log_about *about, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- The thread ----------------------------------------------------------------------------- */

/* From now on nobody waits for the reader. 0 or a negative errno: nothing has changed then. */
int log_start(size_t buffer_bytes);

/* Writes what is left. If the reader does not move, some is lost, and so is what comes after; else
 * lines are written at once again. */
void log_stop(void);

/* Lines that were lost since log_start(). From any thread. */
uint64_t log_count_dropped(void);
