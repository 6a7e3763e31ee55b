/*
 * channel: see channel.h. The socket may be in blocking mode, for connect(2): see door.c. So every
 * call here passes MSG_DONTWAIT, and waits in poll(2).
 */
#include "channel.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "deadline.h"
#include "fetchpool_wire.h"

static int create(struct channel **out_channel, const struct door *door, const int64_t *deadline,
                  struct wire_why *why)
{
    struct channel *channel = malloc(sizeof *channel);
    if (!channel)
        return -ENOMEM;
    *channel = (struct channel){.fd = -1};
    inbox_init(&channel->inbox);
    outbox_init(&channel->outbox);
    int result = door_connect(door, &channel->fd, deadline, why);
    if (result < 0)
        channel_destroy(channel);
    else
        *out_channel = channel;
    return result;
}

int channel_create(struct channel **out_channel, const struct door *door, int64_t deadline,
                   struct wire_why *why)
{
    return create(out_channel, door, &deadline, why);
}

int channel_create_now(struct channel **out_channel, const struct door *door, struct wire_why *why)
{
    return create(out_channel, door, NULL, why);
}

void channel_destroy(struct channel *channel)
{
    if (!channel)
        return;
    if (channel->fd >= 0)
        close(channel->fd);
    inbox_finish(&channel->inbox);
    outbox_finish(&channel->outbox);
    free(channel);
}

/* ---- Hello and goaway ------------------------------------------------------------------------ */

void channel_greet(struct channel *channel, const char *name)
{
    if (channel->is_greeted)
        return;
    struct wire_hello hello = {.client = wire_str_of(name),
                               .version = wire_str_of(fetchpool_version())};
    wire_hello_encode(&channel->outbox.bytes, CHANNEL_HELLO_ID, &hello);
    if (channel->outbox.bytes.error < 0)
        buffer_truncate(&channel->outbox.bytes, 0); /* it is optional: requests go without */
    channel->is_greeted = true;
}

/* A limit that makes no sense is as good as none. */
static uint64_t limit_in(const struct fetchpool_value *limits, const char *name)
{
    int64_t number = fetchpool_value_integer(fetchpool_value_get(limits, name));
    return number > 0 && number <= UINT32_MAX ? (uint64_t)number : 0;
}

void channel_take_note(struct channel *channel, const struct wire_message *message)
{
    if (message->kind == WIRE_RESPONSE && message->id == CHANNEL_HELLO_ID) {
        const struct fetchpool_value *limits = fetchpool_value_get(message->result, "limits");
        channel->daemon_timeout_ms = limit_in(limits, "timeout");
        channel->max_requests = limit_in(limits, "requests_per_client");
    } else if (message->kind == WIRE_NOTIFICATION && wire_str_is(message->method, "goaway")) {
        channel->is_leaving = true;
    }
}

/* ---- Waiting --------------------------------------------------------------------------------- */

bool channel_is_quiet(const struct channel *channel)
{
    struct pollfd poller = {.fd = channel->fd, .events = POLLIN};
    if (!inbox_is_empty(&channel->inbox))
        return false;
    return poll(&poller, 1, 0) == 0;
}

/* 0 when the socket is ready or has an error to tell, -ETIMEDOUT, or -errno. */
static int wait_for(const struct channel *channel, short events, int64_t deadline)
{
    struct pollfd poller = {.fd = channel->fd, .events = events};
    for (;;) {
        int left_ms = deadline_left_ms(deadline);
        if (left_ms == 0)
            return -ETIMEDOUT;
        int ready = poll(&poller, 1, left_ms);
        if (ready > 0)
            return 0;
        if (ready < 0 && errno != EINTR)
            return -errno;
    }
}

int channel_wait(const struct channel *channel, int64_t deadline)
{
    bool has_more = channel->send_error == 0 && outbox_waiting(&channel->outbox) > 0;
    return wait_for(channel, has_more ? POLLIN | POLLOUT : POLLIN, deadline);
}

/* ---- Sending --------------------------------------------------------------------------------- */

/* Sends what it can of both without waiting. 0 or -EAGAIN, or why nothing will go any more. */
static int send_some(struct channel *channel, struct iovec *rest)
{
    struct outbox *outbox = &channel->outbox;
    size_t waiting = outbox_waiting(outbox);
    struct iovec pieces[2] = {*rest};
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 1};
    if (waiting > 0) {
        pieces[0] = (struct iovec){outbox->bytes.data + outbox->sent, waiting};
        pieces[1] = *rest;
        message.msg_iovlen = 2;
    }
    ssize_t sent = sendmsg(channel->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0)
        return errno == EINTR ? 0 : -errno;
    size_t first = (size_t)sent < waiting ? (size_t)sent : waiting;
    size_t second = (size_t)sent - first;
    outbox_sent(outbox, first);
    outbox->gone += second;
    rest->iov_base = (char *)rest->iov_base + second;
    rest->iov_len -= second;
    return 0;
}

static int send_all(struct channel *channel, struct iovec *rest)
{
    int result = channel->outbox.bytes.error;
    if (channel->send_error < 0)
        return channel->send_error;
    while (result == 0 && outbox_waiting(&channel->outbox) + rest->iov_len > 0)
        result = send_some(channel, rest);
    if (result != -EAGAIN)
        channel->send_error = result;
    return result;
}

int channel_send(struct channel *channel, const struct buffer *message, int64_t deadline)
{
    struct iovec rest = {.iov_base = message->data, .iov_len = message->length};
    for (;;) {
        int result = send_all(channel, &rest);
        if (result == -EAGAIN)
            result = wait_for(channel, POLLOUT, deadline);
        else
            return result;
        if (result < 0)
            return result;
    }
}

int channel_flush(struct channel *channel)
{
    struct iovec nothing = {.iov_base = (char[]){0}, .iov_len = 0};
    return send_all(channel, &nothing);
}

/* ---- Receiving ------------------------------------------------------------------------------- */

int channel_receive(struct channel *channel)
{
    uint8_t *space;
    size_t size;
    int result = inbox_space(&channel->inbox, &space, &size);
    if (result < 0)
        return result;
    ssize_t received = recv(channel->fd, space, size, MSG_DONTWAIT);
    if (received == 0)
        return -ENODATA;
    if (received < 0)
        return errno == EINTR ? -EAGAIN : -errno;
    inbox_filled(&channel->inbox, (size_t)received);
    return 0;
}
