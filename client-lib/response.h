/*
 * response: an answer, or the reason why there is none.
 *
 * It owns the message that it was read from; every string that it shows is a piece of that message,
 * ended by a NUL in place. Where there is no memory even for this, a static response stands in.
 */
#pragma once

#include "fetchpool_wire.h"
#include "inbox.h"

#include <stdbool.h>

struct fetchpool_response {
    int code;                   /* FETCHPOOL_OK or what went wrong */
    const char *error;          /* the sentence; in `letter`, in `sentence` or static */
    char *sentence;             /* owned; one of the library's own */
    struct letter letter;       /* owned; what came from the daemon */
    struct wire_response fetch; /* of a fetch; its fields are owned */
    struct wire_message query;  /* of a query; owned, its values are views into `letter` */
    uint64_t body_bytes;        /* of a streamed body, those that the caller has been given */
    struct letter last;         /* owned; the message with the trailers, if there are any */
    const struct wire_field *trailers; /* owned; views into `last` */
    size_t trailer_count;
};

/* A failure, with a sentence of the library's. Never NULL. */
struct fetchpool_response *response_failed(int code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Without memory before anything was sent, and for an answer: the classes differ. Never NULL. */
struct fetchpool_response *response_no_memory(void);
struct fetchpool_response *response_unreadable(void);

/*
 * The response that a message of the daemon's makes. Takes the letter and the message, which must
 * be a response. Never NULL: what is not as it should be becomes FETCHPOOL_BAD_REPLY.
 */
struct fetchpool_response *response_of(struct letter letter, struct wire_message *message,
                                       bool is_fetch);

/*
 * A failure that came after a part of the answer, which may be NULL: both in one response, without
 * a body. Takes both. Never NULL.
 */
struct fetchpool_response *response_after_head(struct fetchpool_response *head,
                                               struct fetchpool_response *failure);

/* What the end of a streamed body says; `view` is the message that it was read from. 0 or -ENOMEM,
 * which leaves the response as it was. */
int response_end(struct fetchpool_response *response, const struct wire_end *end,
                 struct letter view);
