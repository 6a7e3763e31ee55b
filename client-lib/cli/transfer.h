/*
 * transfer: one URL of the command line, from the request to the exit code.
 *
 * It owns the response while the transfer is shown. It knows what the options mean for a request
 * and for what is shown of an answer; what the daemon does with it is the library's matter.
 */
#pragma once

#include "options.h"

#include <stddef.h>
#include <stdint.h>

struct transfer {
    const struct options *options;
    size_t index;                        /* which of the URLs */
    char *url;                           /* owned; with a scheme */
    char *file;                          /* owned; where the body went; NULL: standard output */
    const char *method;                  /* the one that was sent */
    struct fetchpool_response *response; /* owned */
    uint64_t elapsed_us;                 /* as this process saw it */
    size_t body_bytes_shown;
    int exit_code;
    char *complaint; /* owned; the sentence that belongs to the exit code; NULL: none */
};

/* Fetches the URL, shows what the options ask for, says what went wrong. Returns the exit code. */
int transfer_run(struct fetchpool *client, const struct options *options, size_t index);
