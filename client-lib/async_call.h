/*
 * async_call: one request of the asynchronous half, from its submission to its on_done.
 *
 * It owns its exchange and its encoded message. Where it is at a time, and in whose list or table,
 * is said in hub.h.
 */
#pragma once

#include "buffer.h"
#include "exchange.h"

#include <stdbool.h>
#include <stdint.h>
/* uthash would end the process where there is no memory */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

/* Of a deadline: there is none. */
#define ASYNC_CALL_NEVER INT64_MAX

struct hub;

struct fetchpool_call {
    struct exchange exchange;
    struct hub *hub;
    struct buffer message; /* owned; until an answer begins, in case it has to be sent again */
    size_t timeout_at;     /* in the message; 0: it names none */
    fetchpool_on_done on_done;
    void *ctx;
    bool is_pending; /* not on any link */
    int attempts;
    bool is_unread; /* the last attempt came to nothing, and the daemon cannot have acted on it */
    struct fetchpool_response *refusal; /* owned; the last attempt's: "I am shutting down" */
    uint64_t message_end;               /* where it ends in the bytes of its link */
    bool is_cancel_sent;
    int64_t stop_deadline; /* until when the daemon may say that it has heard so */
    struct fetchpool_call *prev, *next;
    UT_hash_handle hh; /* of its link: by id */
};

/* Encoded, with that id; its error is the message's. NULL without memory. */
struct fetchpool_call *async_call_create(uint32_t id, const struct fetchpool_request *request);
void async_call_destroy(struct fetchpool_call *call);

/* Its last attempt came to nothing, has done nothing, and leaves time for another. */
bool async_call_may_repeat(const struct fetchpool_call *call);

/* Until when it may wait to be sent. Behind others, on a socket that is there, one that names no
 * timeout waits for ever, the first time. */
int64_t async_call_last_start(const struct fetchpool_call *call, bool is_connected);

/* Ends it as the caller is told: gives the response to on_done, and destroys it. */
void async_call_conclude(struct fetchpool_call *call);
