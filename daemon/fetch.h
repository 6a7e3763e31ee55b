/*
 * fetch: one request of one client, from its acceptance to its one answer: the transfers that it
 * takes (one, and one more for each redirect), its deadlines and its response body.
 *
 *                    create
 *                      |
 *          +--> FETCH_CONNECTING --+      nothing of this hop has been sent
 *          |           | on_sent   |
 *          |     FETCH_WAITING ----+      the origin may act on it; no answer yet
 *          |           | on_head   |
 *          |    FETCH_RECEIVING ---+      the body comes in
 *          |           | on_done   |
 *          +-- redirect|           | failure, deadline, cancel
 *                      v           v
 *                    FETCH_ENDED <-+      on_end has been called, or nobody wants it any more
 *
 * A fetch that waits for a connection which another is opening gives that up after [timeouts] share
 * and starts its transfer anew, to open one of its own: still FETCH_CONNECTING.
 *
 * Each state has one deadline of its own, beside the one of the whole fetch; a single timer stands
 * for whichever comes first. The fetch knows no client and no message: it is given a checked
 * request and answers with one outcome.
 */
#pragma once

#include <uv.h>

#include "config.h"
#include "pool.h"
#include "request.h"
#include "stats.h"

struct fetch;

/* What every fetch of a daemon works with. Borrowed. */
struct fetch_context {
    uv_loop_t *loop;
    struct pool *pool;
    struct pool *pool_apart; /* for requests with terms of their own: see request.h */
    const struct config *config;
    struct stats *stats;
};

struct fetch_outcome {
    int code;                             /* 0, or an enum fetchpool_code */
    const char *message;                  /* "" if the code is 0 */
    const struct wire_response *response; /* of code 0; views that live during the call */
    const struct request *request;        /* as the last redirect left it */
    uint64_t total_us;
};

struct fetch_events {
    /* More bytes of the body are to be held. 0, or the code that ends the fetch. */
    int (*on_hold)(void *ctx, size_t bytes);
    /* Called once, from the loop; the fetch is dead to the caller when it returns. */
    void (*on_end)(void *ctx, const struct fetch_outcome *outcome);
};

/*
 * Takes the request and starts. NULL if memory is exhausted; the request is gone then too. No event
 * comes before this has returned.
 */
struct fetch *fetch_create(const struct fetch_context *context, struct request *request,
                           const struct fetch_events *events, void *ctx);

/* How many bytes of its body it holds: the sum of what on_hold allowed. */
size_t fetch_get_held_bytes(const struct fetch *fetch);
const struct request *fetch_get_request(const struct fetch *fetch);

/* Ends it now with this reason; on_end is called with the code of its class before it returns. */
void fetch_cancel(struct fetch *fetch, int code_not_sent, int code_sent, const char *reason);

/* Ends it without a word: nobody is left to be told. */
void fetch_abandon(struct fetch *fetch);
