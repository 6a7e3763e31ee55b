/*
 * upload: a request body that is read while it is sent: from the file of -T, from standard input,
 * or from what -d holds. It owns the descriptor that it opened, and the complaint about a failure.
 *
 * A file's length is announced, and so has to hold: one that grows or shrinks meanwhile ends the
 * transfer before the origin has all of what was announced.
 */
#pragma once

#include "body.h"
#include "complaint.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress;

struct upload {
    bool exists;
    int fd; /* -1: `bytes` */
    bool owns_fd;
    bool may_be_late; /* a pipe, a terminal, a socket: not to be waited for in upload_read() */
    bool is_late;     /* upload_read() has said so (FETCHPOOL_READ_LATER) */
    const uint8_t *bytes;
    uint64_t size; /* or FETCHPOOL_SIZE_UNKNOWN */
    uint64_t sent; /* handed to the library */
    const char *name;
    struct complaint complaint; /* why it could not be read; exit code 0: it could */
    struct progress *progress;
};

/* A file, or "-". 0 or a negative errno. */
int upload_open_file(struct upload *out_upload, const char *path);

/* From the beginning of the body, which is borrowed. 0 or a negative errno. */
int upload_open_body(struct upload *out_upload, const struct body *body);

/* Somebody types it: the same terminal shows what is typed. */
bool upload_is_typed(const struct upload *upload);

void upload_close(struct upload *upload);

/* The library's on_read; ctx is the upload. It never waits for what may be late. */
ptrdiff_t upload_read(void *ctx, void *buffer, size_t size);
