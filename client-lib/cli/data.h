/*
 * data: bytes that options name: a request's body from -d and its kin, and whole files (@file,
 * PEM files). "-" is standard input.
 */
#pragma once

#include "buffer.h"

#include <stdbool.h>

/* Appends a whole file. 0 or a negative errno; -EFBIG for more than fits the buffer. */
int data_read_file(struct buffer *buffer, const char *path);

enum data_kind {
    DATA_TEXT,   /* -d: a file loses its CR, LF and NUL bytes */
    DATA_BINARY, /* --data-binary: a file as it is */
    DATA_RAW     /* --data-raw: @ means nothing */
};

/* Adds one option's data to the body, behind an '&' if it is not the first. As above. */
int data_add(struct buffer *body, bool is_first, const char *argument, enum data_kind kind);

/* So that the bytes can be used as a string; the NUL does not count. 0 or -ENOMEM. */
int data_end_string(struct buffer *buffer);
