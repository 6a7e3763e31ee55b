/* pool_socket: see pool_socket.h. */
#include "pool_socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- Addresses ------------------------------------------------------------------------------ */

static int port_of(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)address)->sin6_port);
    return ntohs(((const struct sockaddr_in *)address)->sin_port);
}

static void print_address(char *out_text, size_t size, const struct sockaddr *address)
{
    char host[INET6_ADDRSTRLEN] = "";
    bool is_v6 = address->sa_family == AF_INET6;
    const void *bytes = is_v6 ? (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr
                              : (const void *)&((const struct sockaddr_in *)address)->sin_addr;
    inet_ntop(address->sa_family, bytes, host, sizeof host);
    snprintf(out_text, size, is_v6 ? "[%s]:%d" : "%s:%d", host, port_of(address));
}

static int local_port_of(curl_socket_t fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {0};
    socklen_t length = sizeof address;
    if (getsockname(fd, &address.any, &length) < 0)
        return -1;
    return port_of(&address.any);
}

/* ---- Poll handles --------------------------------------------------------------------------- */

static void on_poll_closed(uv_handle_t *handle)
{
    struct pool_socket *sock = handle->data;
    struct pool_sockets *sockets = sock->sockets;
    sockets->open--;
    free(sock);
    sockets->events->on_gone(sockets->ctx);
}

/* Forgets a socket. The poll handle leaves epoll at once; its memory goes when libuv says so. */
static void forget(struct pool_socket *sock)
{
    HASH_DEL(sock->sockets->by_fd, sock);
    uv_close((uv_handle_t *)&sock->poll, on_poll_closed);
}

static struct pool_socket *find(struct pool_sockets *sockets, curl_socket_t fd)
{
    struct pool_socket *sock;
    HASH_FIND(hh, sockets->by_fd, &fd, sizeof fd, sock);
    return sock;
}

static struct pool_socket *add(struct pool_sockets *sockets, struct pool_shard *shard,
                               curl_socket_t fd)
{
    struct pool_socket *sock = calloc(1, sizeof *sock);
    if (!sock)
        return NULL;
    sock->sockets = sockets;
    sock->shard = shard;
    sock->fd = fd;
    sock->opened_ns = uv_hrtime();
    HASH_ADD(hh, sockets->by_fd, fd, sizeof sock->fd, sock);
    if (!sock->hh.tbl) {
        free(sock);
        return NULL;
    }
    if (uv_poll_init(sockets->loop, &sock->poll, fd) != 0) {
        HASH_DEL(sockets->by_fd, sock);
        free(sock);
        return NULL;
    }
    sock->poll.data = sock;
    sockets->open++;
    return sock;
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void arm(struct pool_socket *sock, int events)
{
    if (events == sock->armed)
        return;
    if (events == 0)
        uv_poll_stop(&sock->poll);
    else
        uv_poll_start(&sock->poll, events, on_poll);
    sock->armed = events;
}

/*
 * Something happened at a connection that nobody uses. If it is not its end, it is bytes: what they
 * are its owner finds out. They stay where they are, so that only the end is listened for from now
 * on, or the loop would spin.
 */
static void look_at_idle(struct pool_socket *sock, int status, int events)
{
    const struct pool_sockets *sockets = sock->sockets;
    char byte;
    bool is_closed = status < 0 || (events & UV_DISCONNECT);
    ssize_t received = is_closed ? 0 : recv(sock->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (received > 0) {
        arm(sock, UV_DISCONNECT);
        sockets->events->on_idle_input(sockets->ctx, sock);
    } else if (received == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
        arm(sock, 0);
        sockets->events->on_idle_close(sockets->ctx, sock);
    }
}

void pool_sockets_look_again(struct pool_socket *sock)
{
    if (sock->wanted == 0 && sock->armed == UV_DISCONNECT)
        arm(sock, UV_READABLE);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct pool_socket *sock = poll->data;
    struct pool_sockets *sockets = sock->sockets;
    if (status < 0)
        sock->armed = 0; /* libuv has stopped the handle */
    if (sock->wanted == 0) {
        look_at_idle(sock, status, events);
        return;
    }
    arm(sock, sock->wanted);
    if (events & UV_READABLE)
        sock->heard_ns = uv_hrtime();
    int flags = status < 0 ? CURL_CSELECT_ERR : 0;
    if (events & UV_READABLE)
        flags |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        flags |= CURL_CSELECT_OUT;
    sockets->events->on_ready(sockets->ctx, sock, flags); /* the socket may be gone after it */
}

void pool_sockets_want(struct pool_sockets *sockets, struct pool_shard *shard, curl_socket_t fd,
                       int what)
{
    struct pool_socket *sock = find(sockets, fd);
    if (what == CURL_POLL_REMOVE) {
        if (!sock)
            return;
        sock->wanted = 0;
        if (!sock->is_opened_by_pool) {
            sockets->events->on_close(sockets->ctx, sock);
            forget(sock);
        } else if (sock->armed & UV_WRITABLE)
            arm(sock, UV_READABLE);
        return;
    }
    if (!sock)
        sock = add(sockets, shard, fd);
    if (!sock)
        return; /* out of memory: the request's own deadline ends it */
    sock->wanted = (what & CURL_POLL_IN ? UV_READABLE : 0) |
                   (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    arm(sock, sock->wanted);
}

/* ---- TCP ------------------------------------------------------------------------------------ */

static void set_tcp_option(const struct pool_socket *sock, int option, uint64_t number)
{
    int value = number < INT_MAX ? (int)number : INT_MAX;
    /* A system that refuses has its own ways, and they hold. */
    (void)setsockopt(sock->fd, IPPROTO_TCP, option, &value, sizeof value);
}

/* tcp(7). TCP counts these in whole seconds. */
void pool_sockets_set_keepalive(struct pool_socket *sock, uint64_t keepalive_ms)
{
    int on = 1;
    uint64_t seconds = (keepalive_ms + 999) / 1000;
    if (seconds == 0)
        return;
    (void)setsockopt(sock->fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    set_tcp_option(sock, TCP_KEEPIDLE, seconds);
    set_tcp_option(sock, TCP_KEEPINTVL, seconds < 3 ? 1 : seconds / 3);
    set_tcp_option(sock, TCP_KEEPCNT, 3);
}

/* A far end that has no room answers the questions whether it has some; not answering several of
 * them is no answer at all. */
#define MOST_PROBES 2

struct pool_tcp pool_sockets_ask_tcp(const struct pool_socket *sock)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    int queued = 0;
    if (getsockopt(sock->fd, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
        return (struct pool_tcp){0};
    (void)ioctl(sock->fd, SIOCOUTQ, &queued);
    return (struct pool_tcp){
        .is_unacknowledged = info.tcpi_unacked > 0 || info.tcpi_probes > MOST_PROBES,
        .has_unsent = queued > 0,
        .acked_ms = info.tcpi_last_ack_recv,
    };
}

/* ---- Sockets -------------------------------------------------------------------------------- */

curl_socket_t pool_sockets_open(struct pool_sockets *sockets, struct pool_shard *shard,
                                const struct curl_sockaddr *address)
{
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                    address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    struct pool_socket *sock = add(sockets, shard, fd);
    if (!sock) {
        close(fd);
        return CURL_SOCKET_BAD;
    }
    sock->is_opened_by_pool = true;
    print_address(sock->peer, sizeof sock->peer, &address->addr);
    network_address_of(&sock->address, &address->addr);
    return fd;
}

void pool_sockets_close(struct pool_sockets *sockets, curl_socket_t fd)
{
    struct pool_socket *sock = find(sockets, fd);
    if (sock) {
        sockets->events->on_close(sockets->ctx, sock);
        forget(sock);
    }
    close(fd);
}

struct pool_socket *pool_sockets_find_new(struct pool_sockets *sockets, int local_port,
                                          const char *peer)
{
    struct pool_socket *sock, *next;
    HASH_ITER (hh, sockets->by_fd, sock, next) {
        if (sock->is_opened_by_pool && !sock->connection && strcmp(sock->peer, peer) == 0 &&
            local_port_of(sock->fd) == local_port)
            return sock;
    }
    return NULL;
}
