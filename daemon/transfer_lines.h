/*
 * transfer_lines: the header lines of a request as libcurl takes them, in one piece of memory: one
 * for each line, and two for its text, is what curl_slist_append() would take. They may hold
 * credentials, so that it is wiped before it is given back.
 */
#pragma once

#include <curl/curl.h>

#include "fetchpool_wire.h"

/* Zeros are none. */
struct transfer_lines {
    struct curl_slist *first; /* and the others behind it, and then their text */
    size_t bytes;             /* all together */
    size_t count, most;
    char *end; /* of the text */
};

/* So many lines, and so many bytes of text with a NUL for each. 0 or -ENOMEM. */
int transfer_lines_init(struct transfer_lines *lines, size_t most, size_t text_bytes);
void transfer_lines_finish(struct transfer_lines *lines);

/* The name, the mark and the value; there must be room. */
void transfer_lines_add(struct transfer_lines *lines, struct wire_str name, const char *mark,
                        struct wire_str value);
