/*
 * channel: one Unix socket to the daemon.
 *
 * It owns the descriptor, what has been received but not taken, and what is still to be sent. It
 * moves bytes and shows whole messages, and remembers what the daemon said about this socket; it
 * knows nothing of requests, retries or threads: one thread has it at a time. It never raises
 * SIGPIPE and is not inherited over exec.
 */
#pragma once

#include "door.h"
#include "inbox.h"
#include "outbox.h"

#include <stdbool.h>
#include <stdint.h>

struct wire_message;

/* The id of every channel's first message, hello. Requests have others: see client_next_id(). */
#define CHANNEL_HELLO_ID 0

struct channel {
    int fd;
    struct inbox inbox;
    struct outbox outbox;
    int send_error;             /* 0, or why nothing can be sent any more */
    bool is_greeted;            /* hello was sent */
    bool is_leaving;            /* the daemon said goaway: no new request here */
    uint64_t daemon_timeout_ms; /* its default for a whole request, from hello; 0: not known */
    uint64_t max_requests;      /* at once on this channel, from hello; 0: not known */
};

/*
 * Connects. 0 and a channel that the caller ends with channel_destroy(), or -ENOMEM, or as
 * door_connect().
 */
int channel_create(struct channel **out_channel, const struct door *door, int64_t deadline,
                   struct wire_why *why);

/* The same without waiting: -EAGAIN if the daemon does not accept right now. */
int channel_create_now(struct channel **out_channel, const struct door *door, struct wire_why *why);
void channel_destroy(struct channel *channel);

/* Nothing has come since the last answer was taken: it may carry another request. Never waits. */
bool channel_is_quiet(const struct channel *channel);

/* Writes hello into the outbox, unless that was done before. It is optional: no error. */
void channel_greet(struct channel *channel, const char *name);

/* What the daemon says about the channel itself: the answer to hello, and goaway. */
void channel_take_note(struct channel *channel, const struct wire_message *message);

/*
 * Sends what is in the outbox and then the message, without copying it. 0; -ETIMEDOUT; -ENOMEM if
 * something did not fit into the outbox; or what sendmsg(2) said, such as -EPIPE. After an error
 * the daemon has not got all the bytes; there may still be an answer to receive.
 */
int channel_send(struct channel *channel, const struct buffer *message, int64_t deadline);

/* Sends what it can of the outbox without waiting. 0 if nothing is left, -EAGAIN, or as above. */
int channel_flush(struct channel *channel);

/* Waits until there is something to receive, or to send if the outbox is not empty. 0, -ETIMEDOUT
 * or what poll(2) said. */
int channel_wait(const struct channel *channel, int64_t deadline);

/*
 * Receives what is there, once, without waiting. 0; -EAGAIN if nothing is; -ENODATA at the end of
 * the stream; -ECONNRESET if the daemon closed it with bytes of ours unread; -ENOMEM; or what else
 * recv(2) said.
 */
int channel_receive(struct channel *channel);
