/*
 * access: the access log: a file with one JSON object a line for each fetch that ended, in UTF-8. A
 * thread writes it, see log_writer.h: lines that find no room are dropped, counted, and said to be
 * missing by a line {"time":…,"lost":…} where they would be.
 *
 * The file may be a FIFO: it is opened for reading, too, so that its reader may come and go.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "fetchpool_wire.h"

struct access_log;

/* One fetch. Borrowed. */
struct access_entry {
    bool is_warming; /* the daemon's own, to keep a connection: it has no client */
    uid_t uid;
    pid_t pid;
    bool has_request;
    uint32_t request;       /* the client's number for it */
    struct wire_str client; /* its name; absent: none, as below */
    struct wire_str tag;
    struct wire_str method;
    struct wire_str url; /* of which so much as may be shown is */
    struct wire_str origin;
    struct wire_str http;
    unsigned status; /* 0: no answer */
    int code;        /* 0, or an enum fetchpool_code */
    bool has_connection;
    bool is_reused;
    uint64_t connection;
    uint64_t bytes_in, bytes_out; /* of bodies, from and to origins */
    unsigned retries, redirects;
    struct fetchpool_timing timing;
};

/* Opens the file, or makes it (0640), and starts the thread. 0 or a negative errno. */
int access_log_open(struct access_log **out_log, const char *path, size_t buffer_bytes);

/* A file to go on in, which may be another one of the same name: a descriptor or a negative errno.
 */
int access_log_open_file(const char *path);
/* Takes the descriptor. What waits may still go to the file before. */
void access_log_go_on(struct access_log *log, int fd);

/* Could it be opened? 0 or a negative errno. Makes nothing. */
int access_log_probe(const char *path);

/* Writes what is left, unless its reader is stuck. NULL is fine, here and below. */
void access_log_close(struct access_log *log);

void access_log_write(struct access_log *log, const struct access_entry *entry);
uint64_t access_log_count_dropped(struct access_log *log);

/* The line that access_log_write() writes, with its newline: at most ACCESS_LINE_BYTES. Pure. Its
 * length. */
#define ACCESS_LINE_BYTES 16384
struct timespec;
size_t access_print(char out_line[ACCESS_LINE_BYTES], const struct access_entry *entry,
                    const struct timespec *now);
size_t access_print_lost(char out_line[ACCESS_LINE_BYTES], uint64_t lost,
                         const struct timespec *now);
