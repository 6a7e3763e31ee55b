/*
 * url_memo: what libcurl's parser found of authorities, so that the next URL with the same one need
 * not be parsed: "https://example.com:8443" is what it was, whatever plain path follows.
 *
 * It is no parser of its own: it knows only what url.c has found, for the very same bytes, and of
 * paths only those in which there is nothing to interpret (RFC 3986's unreserved, delimiters, no
 * percent sign and no fragment), which url.c leaves as they are. Bounded; what was found last
 * replaces what was found before. Pure but for memory.
 */
#pragma once

#include <stddef.h>

#include "fetchpool_wire.h"
#include "url.h"

#define URL_MEMO_PLACES 256

struct url_memo {
    struct url_known *places[URL_MEMO_PLACES]; /* by a hash of the text; owned */
};

/* Zeros are an empty one. */
void url_memo_finish(struct url_memo *memo);

/* As url_parse(), and with the same outcome. NULL is fine: nothing is remembered. */
int url_memo_parse(struct url_memo *memo, struct url *out_url, struct wire_str text,
                   size_t max_bytes, struct wire_why *why);
