/*
 * warm: keeps connections to the origins that the configuration names open, from start-up on: opens
 * what is missing, and uses what would otherwise lie idle for too long. libcurl leaves a connection
 * of HTTP/1.1 open only behind an answer, so each takes a HEAD request.
 *
 * It is a client like others, with a user id that nobody has: its requests go through the same
 * queue, limits and counters.
 */
#pragma once

#include <uv.h>

#include "config.h"
#include "dispatch.h"
#include "fetch.h"

struct warm_origin;

struct warm {
    const struct fetch_context *fetches;
    uv_timer_t timer;
    struct warm_origin *origins;
    size_t count;
    struct stall_group group; /* its own, which never stalls */
};

/* 0, -ENOMEM, or -EINVAL for a URL that is none, with the reason. */
int warm_open(struct warm *warm, uv_loop_t *loop, const struct fetch_context *fetches,
              struct wire_why *why);

/* Asks for no more; what runs is abandoned. The memory is in use until the loop has closed its
 * handle. Nothing for one that was not opened. */
void warm_close(struct warm *warm);
