/*
 * exchange: one request in flight, and what each message of the daemon's means to it.
 *
 * It owns what has come of the answer, calls the caller's functions, and keeps both windows: what
 * the daemon may still send, and what may still be sent to it. The blocking and the asynchronous
 * calls both run it. It knows no sockets: messages come in opened, and go out into an outbox.
 *
 *     WAITING --- head of a streamed answer ---> STREAMING --- end, error ---> ENDED
 *        '------- answer, error ------------------------------------------------^
 *        '------- a function stops, cancel ----> STOPPING ---- end, error ------'
 *
 * In STOPPING no function is called and what comes is dropped; `response` already says why.
 */
#pragma once

#include "buffer.h"
#include "fetchpool_wire.h"
#include "functions.h"
#include "inbox.h"
#include "outbox.h"
#include "patience.h"

#include <stdbool.h>
#include <stdint.h>

struct fetchpool_request;

enum exchange_state { EXCHANGE_WAITING, EXCHANGE_STREAMING, EXCHANGE_STOPPING, EXCHANGE_ENDED };

struct exchange {
    uint32_t id;
    bool is_fetch;
    bool may_wait; /* the caller's upload may be late: FETCHPOOL_READ_LATER has a meaning */
    struct functions functions;
    struct patience patience;
    enum exchange_state state;
    struct fetchpool_response *response; /* owned; from STREAMING on, NULL before */
    bool is_called;                      /* one of the functions was called: never to be repeated */
    bool is_cancelled;                   /* what the daemon still says replaces `response` */
    int stop_errno;                      /* as the function that stopped it has left it */

    uint64_t window;    /* body bytes that the daemon may be ahead */
    uint64_t granted;   /* of these, how many it may still send */
    uint64_t consumed;  /* how many the caller has taken since the last grant */
    uint64_t received;  /* body bytes so far */
    bool is_paused;     /* by the caller: no on_body and no on_read */
    struct buffer held; /* what came meanwhile */
    size_t held_taken;
    bool is_whole; /* the daemon has said its end: all that is left is held */

    bool is_uploading;
    bool is_starved;      /* on_read has said FETCHPOOL_READ_LATER */
    uint64_t upload_size; /* WIRE_UNSET: unknown */
    uint64_t uploaded;
    uint64_t allowance; /* upload bytes that the daemon takes now */
};

/* Of a request, whose functions and numbers are copied; NULL for a query. */
void exchange_init(struct exchange *exchange, uint32_t id, const struct fetchpool_request *request);
void exchange_finish(struct exchange *exchange);

/* Back to its beginning, to be sent once more: nothing of an answer has come. */
void exchange_rewind(struct exchange *exchange);

/* The response, owned by the caller now. Only once it has ended. */
struct fetchpool_response *exchange_take_response(struct exchange *exchange);

/* ---- Messages in: 0, or -EBADMSG with the reason if the daemon does not keep to the protocol - */

/* The response with its id. Takes the letter and the message. */
int exchange_on_response(struct exchange *exchange, struct letter letter,
                         struct wire_message *message, struct wire_why *why);

/* A notification with its id, and the message that it was read from. */
int exchange_on_note(struct exchange *exchange, const struct wire_note *note, struct letter view,
                     struct wire_why *why);

/* ---- Messages out ---------------------------------------------------------------------------- */

/* Grants what the caller has taken, once that is worth a message. */
void exchange_put_grant(struct exchange *exchange, struct buffer *out);

/* Is there more to be read from the caller, and would the daemon take it? */
bool exchange_can_upload(const struct exchange *exchange);

/* Reads the next piece from the caller, straight into the outbox, or its end. */
void exchange_put_upload(struct exchange *exchange, struct outbox *out);

/* ---- The caller's hand ----------------------------------------------------------------------- */

/* Hands over what was held while it was paused, until it is paused again. */
void exchange_hand_over(struct exchange *exchange);

/* One of the functions does not want to go on, for this reason, which it takes; or by its word. */
void exchange_stop(struct exchange *exchange, struct fetchpool_response *failure);
void exchange_stop_by_function(struct exchange *exchange, const char *name);

/* Ends it from outside; what the daemon says about it still counts. */
void exchange_cancel(struct exchange *exchange);

/* Ends it at once: with what it has for a response already. */
void exchange_end(struct exchange *exchange);

/* Ends it at once: with this failure, and what had come of the answer before. Takes the failure. */
void exchange_fail(struct exchange *exchange, struct fetchpool_response *failure);
