/*
 * channel: one Unix socket to the daemon, blocking with a deadline.
 *
 * It owns the descriptor and what has been received but not taken. It moves whole messages and
 * remembers what the daemon said about this socket; it knows nothing of calls, retries or threads:
 * one thread has it at a time. It never raises SIGPIPE and is not inherited over exec.
 */
#pragma once

#include "inbox.h"

#include <stdbool.h>
#include <stdint.h>

struct iovec;

struct channel {
    int fd;
    struct inbox inbox;
    bool is_greeted;            /* hello was sent */
    bool is_leaving;            /* the daemon said goaway: no new request here */
    uint64_t daemon_timeout_ms; /* its default for a whole request, from hello; 0: not known */
};

/*
 * Connects to the socket at `path`. 0 and a channel that the caller ends with channel_destroy(), or
 * -ENAMETOOLONG, -ETIMEDOUT if the daemon does not accept before the deadline, or what socket(2)
 * or connect(2) said.
 */
int channel_create(struct channel **out_channel, const char *path, int64_t deadline);
void channel_destroy(struct channel *channel);

/* Nothing has come since the last answer was taken: it may carry another request. Never waits. */
bool channel_is_quiet(const struct channel *channel);

/*
 * Sends all of the pieces, which it counts down as they go. 0; -ETIMEDOUT; or what sendmsg(2) said,
 * such as -EPIPE. After an error the daemon has not got all the bytes; there may still be an answer
 * to receive.
 */
int channel_send(struct channel *channel, struct iovec *pieces, size_t count, int64_t deadline);

/*
 * Receives the next message, which the caller frees. 0; -ETIMEDOUT; -ENODATA at the end of the
 * stream; -ECONNRESET if the daemon closed it with bytes of ours unread; -EBADMSG (the reason is
 * in inbox.scanner); -ENOMEM; or what else recv(2) said.
 */
int channel_receive(struct channel *channel, struct letter *out_letter, int64_t deadline);
