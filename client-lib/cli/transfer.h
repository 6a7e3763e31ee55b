/*
 * transfer: one URL of the command line, from the request to the exit code.
 *
 * It owns the response while the transfer is shown, and both of its ends: the answer that comes
 * (download) and the body that goes (upload). What the daemon does is the library's matter.
 */
#pragma once

#include "complaint.h"
#include "download.h"
#include "options.h"
#include "upload.h"

#include <stddef.h>
#include <stdint.h>

struct transfer {
    const struct options *options;
    size_t index;       /* which of the URLs */
    char *url;          /* owned; with a scheme */
    char *file;         /* owned; where the body went; NULL: standard output */
    const char *method; /* the one that was sent */
    struct upload upload;
    struct download download;
    struct fetchpool_response *response; /* owned */
    uint64_t elapsed_us;                 /* as this process saw it */
    struct complaint complaint;          /* with the exit code */
};

/* Fetches the URL, shows what the options ask for, says what went wrong. Returns the exit code. */
int transfer_run(struct fetchpool *client, const struct options *options, size_t index);
