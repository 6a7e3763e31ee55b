/*
 * download: the answer of one transfer, shown as it comes: the head if it is asked for, the body
 * piece by piece. It owns the output, which is opened when the head is there, and not before: an
 * error until then touches no file.
 */
#pragma once

#include "options.h"
#include "output.h"

struct progress;

struct download {
    const struct options *options;
    const char *file; /* NULL: standard output */
    bool is_bodiless; /* the method was HEAD: nothing follows the head */
    struct progress *progress;
    struct output output;
    bool is_open;
    bool is_refused;     /* by -f: the body is not shown */
    uint64_t body_bytes; /* shown */
    int error;           /* negative errno of the output; 0: none */
};

/* The library's on_headers and on_body; ctx is the download. */
int download_head(void *ctx, const struct fetchpool_response *head);
int download_body(void *ctx, const void *bytes, size_t length);

/* The output takes its name, or nothing has happened to it. A failure of that is in `error`. */
void download_end(struct download *download, bool is_whole);
