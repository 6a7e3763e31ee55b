/*
 * call: one request to the daemon and the wait for its answer: send, receive, stream both ways, and
 * once more if that can do no harm.
 *
 * It decides what may be sent again. What messages mean is the exchange's; sockets it knows only as
 * channels.
 *
 *                        .--- cannot connect ------------------------------> NO_DAEMON
 *     take or open a channel
 *                        '--- send --- not all of it went, or reset -------> again, else NO_DAEMON
 *                                '---- all went --- answer ----------------> it; 106: again
 *                                               '-- end of stream ---------> LOST
 *                                               '-- deadline --------------> DEADLINE
 *                                               '-- a function stops ------> STOPPED
 *                                               '-- not the protocol ------> BAD_REPLY
 *
 * "Again" only while none of the caller's functions has been called.
 */
#pragma once

#include "buffer.h"
#include "client.h"
#include "exchange.h"

struct call {
    struct fetchpool *client;
    struct exchange exchange;
    struct buffer message; /* owned; to be filled between call_init() and call_run() */
    size_t timeout_at;     /* in the message; 0: it names none */
};

/* Of a request, or of a query where that is NULL. */
void call_init(struct call *call, struct fetchpool *client,
               const struct fetchpool_request *request);
void call_finish(struct call *call);

/* Never NULL; the caller owns the response. */
struct fetchpool_response *call_run(struct call *call);
