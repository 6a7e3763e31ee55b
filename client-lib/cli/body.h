/*
 * body: the request body that -d and its kin add up to.
 *
 * It is in memory, but for a large file that --data-binary names alone: that stays a file, and is
 * read while it is sent. It owns the bytes and the descriptor.
 */
#pragma once

#include "buffer.h"

#include <stdbool.h>
#include <stdint.h>

/*
 * The most that is sent within one message, and so can be sent again by the daemon, for a redirect
 * or over another connection. What is longer is streamed. A message takes 16 MiB; the rest is for
 * the URL, the header fields and what TLS options name.
 */
#define BODY_MESSAGE_BYTES ((uint64_t)15 << 20)

struct body {
    bool exists;
    struct buffer bytes;
    int file;           /* -1: the body is in `bytes` */
    uint64_t file_size; /* as it was when the file was opened */
    const char *file_name;
};

enum body_kind {
    BODY_TEXT,   /* -d: a file loses its CR, LF and NUL bytes */
    BODY_BINARY, /* --data-binary: a file as it is */
    BODY_RAW     /* --data-raw: @ means nothing */
};

void body_init(struct body *body);
void body_finish(struct body *body);

/* Adds one option's data, behind an '&' if it is not the first. 0 or a negative errno. */
int body_add(struct body *body, const char *argument, enum body_kind kind);

uint64_t body_length(const struct body *body);
