/*
 * call: one request to the daemon and the wait for its answer: encode, send, receive, and once
 * more if that can do no harm.
 *
 * It decides what may be sent again and which of the library's own codes a failure is. It knows
 * sockets only as channels and answers only as messages.
 *
 *                        .--- cannot connect ------------------------------> NO_DAEMON
 *     take or open a channel
 *                        '--- send --- not all of it went, or reset -------> again, else NO_DAEMON
 *                                '---- all went --- answer ----------------> it; 106: again
 *                                               '-- end of stream ---------> LOST
 *                                               '-- deadline --------------> DEADLINE
 *                                               '-- not the protocol ------> BAD_REPLY
 */
#pragma once

#include "buffer.h"
#include "client.h"

#include <stdbool.h>
#include <stdint.h>

struct call {
    struct fetchpool *client;
    uint32_t id;
    bool is_fetch;
    struct buffer message; /* owned; to be filled between call_init() and call_run() */
    int64_t started;
    uint32_t timeout_ms; /* 0: the daemon's own default */
    uint32_t grace_ms;   /* how much longer than that to wait for it to say so */
};

void call_init(struct call *call, struct fetchpool *client);
void call_finish(struct call *call);

/* Never NULL; the caller owns the response. */
struct fetchpool_response *call_run(struct call *call);
