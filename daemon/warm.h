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

struct warm;

/*
 * For the origins of `config`, which is borrowed, and so is what it points to; nothing is asked
 * before warm_start(). 0, -ENOMEM, or -EINVAL for a URL that is none, with the reason.
 */
int warm_open(struct warm **out_warm, uv_loop_t *loop, const struct fetch_context *fetches,
              const struct config *config, struct wire_why *why);
void warm_start(struct warm *warm);

/* Asks for no more; what runs is abandoned. Dead to the caller at once. NULL is nothing. */
void warm_close(struct warm *warm);
