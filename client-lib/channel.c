/*
 * channel: see channel.h. The socket itself stays in blocking mode, for connect(2): on a Unix
 * socket whose backlog is full it waits, within SO_SNDTIMEO, where a non-blocking one would fail
 * with EAGAIN and could not be polled. That wait is how a request survives a restart of a daemon
 * whose socket systemd holds. Every other call passes MSG_DONTWAIT and waits in poll(2).
 */
#include "channel.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "deadline.h"

static int set_connect_timeout(int fd, int left_ms)
{
    struct timeval timeout = {.tv_sec = left_ms / 1000,
                              .tv_usec = (suseconds_t)(left_ms % 1000) * 1000};
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) < 0)
        return -errno;
    return 0;
}

/* A Unix socket's connect(2) that a signal interrupted has changed nothing: it is just repeated. */
static int connect_before(int fd, const struct sockaddr_un *address, int64_t deadline)
{
    for (;;) {
        int left_ms = deadline_left_ms(deadline);
        if (left_ms == 0)
            return -ETIMEDOUT;
        int result = set_connect_timeout(fd, left_ms);
        if (result < 0)
            return result;
        if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0)
            return 0;
        if (errno != EINTR)
            return errno == EAGAIN ? -ETIMEDOUT : -errno;
    }
}

static int open_socket(int *out_fd, const char *path, int64_t deadline)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);
    if (length >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, length + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int result = connect_before(fd, &address, deadline);
    if (result < 0)
        close(fd);
    else
        *out_fd = fd;
    return result;
}

int channel_create(struct channel **out_channel, const char *path, int64_t deadline)
{
    struct channel *channel = malloc(sizeof *channel);
    if (!channel)
        return -ENOMEM;
    *channel = (struct channel){.fd = -1};
    inbox_init(&channel->inbox);
    int result = open_socket(&channel->fd, path, deadline);
    if (result < 0)
        channel_destroy(channel);
    else
        *out_channel = channel;
    return result;
}

void channel_destroy(struct channel *channel)
{
    if (!channel)
        return;
    if (channel->fd >= 0)
        close(channel->fd);
    inbox_finish(&channel->inbox);
    free(channel);
}

bool channel_is_quiet(const struct channel *channel)
{
    struct pollfd poller = {.fd = channel->fd, .events = POLLIN};
    if (channel->inbox.length > 0)
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

static void count_down(struct msghdr *message, size_t sent)
{
    while (message->msg_iovlen > 0 && sent >= message->msg_iov->iov_len) {
        sent -= message->msg_iov->iov_len;
        message->msg_iov++;
        message->msg_iovlen--;
    }
    if (message->msg_iovlen > 0) {
        message->msg_iov->iov_base = (char *)message->msg_iov->iov_base + sent;
        message->msg_iov->iov_len -= sent;
    }
}

int channel_send(struct channel *channel, struct iovec *pieces, size_t count, int64_t deadline)
{
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = count};
    while (message.msg_iovlen > 0) {
        ssize_t sent = sendmsg(channel->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        int result = 0;
        if (sent >= 0)
            count_down(&message, (size_t)sent);
        else if (errno == EAGAIN)
            result = wait_for(channel, POLLOUT, deadline);
        else if (errno != EINTR)
            result = -errno;
        if (result < 0)
            return result;
    }
    return 0;
}

/* Puts what has come into the inbox. 0 if there may be more to take now. It waits first, since an
 * answer is hardly ever there at once. */
static int receive_some(struct channel *channel, int64_t deadline)
{
    uint8_t *space;
    size_t size;
    int result = inbox_space(&channel->inbox, &space, &size);
    if (result == 0)
        result = wait_for(channel, POLLIN, deadline);
    if (result < 0)
        return result;
    ssize_t received = recv(channel->fd, space, size, MSG_DONTWAIT);
    if (received == 0)
        return -ENODATA;
    if (received > 0) {
        inbox_filled(&channel->inbox, (size_t)received);
        return 0;
    }
    return errno == EINTR || errno == EAGAIN ? 0 : -errno;
}

int channel_receive(struct channel *channel, struct letter *out_letter, int64_t deadline)
{
    for (;;) {
        int result = inbox_take(&channel->inbox, out_letter);
        if (result == 0)
            result = receive_some(channel, deadline);
        else if (result > 0)
            return 0;
        if (result < 0)
            return result;
    }
}
