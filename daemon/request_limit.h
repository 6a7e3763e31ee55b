/*
 * request_limit: how many requests an origin takes over one HTTP/2 connection. Some end a
 * connection after a number of them (nginx: keepalive_requests) by a GOAWAY, and what was on its
 * way beyond that has to be sent again; when the number is known, no more are sent.
 *
 * Two connections that end at the same number teach it for REQUEST_LIMIT_BELIEVED_MS. One alone is
 * believed for REQUEST_LIMIT_SUSPECTED_MS only, long enough to send again what it did not take: an
 * origin that refuses streams for another reason looks the same.
 *
 * Pure: time is given, in ms of any clock that does not go back.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define REQUEST_LIMIT_BELIEVED_MS  ((uint64_t)10 * 60 * 1000)
#define REQUEST_LIMIT_SUSPECTED_MS 1000
#define REQUEST_LIMIT_NONE         UINT64_MAX

struct request_limit_sight {
    uint64_t connection; /* its number, from 1, in the order of opening; 0: nothing was seen */
    uint64_t processed;
};

/* Zeros to begin with. */
struct request_limit {
    struct request_limit_sight latest, before; /* of the two connections opened last */
    uint64_t seen_at_ms;
};

/* A request on this connection was not processed; so many were, as far as is known by now. */
void request_limit_note(struct request_limit *limit, uint64_t connection, uint64_t processed,
                        uint64_t now_ms);

/* Has it refused any of late? */
bool request_limit_is_seen(const struct request_limit *limit, uint64_t now_ms);

/* At least 1, or REQUEST_LIMIT_NONE. */
uint64_t request_limit_get(const struct request_limit *limit, uint64_t now_ms);
