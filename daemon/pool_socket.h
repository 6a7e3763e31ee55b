/*
 * pool_socket: the sockets that libcurl uses, and their poll handles in the loop.
 *
 * libcurl stops asking about a socket after every request and asks again at the next. The poll
 * handle of a socket that the pool opened stays registered meanwhile: that saves the system calls,
 * and shows when the far end closes an idle connection. It goes when libcurl closes the socket.
 * Sockets that libcurl opened for itself (the wake-up pairs of its name look-ups) are closed behind
 * our back, so theirs goes as soon as libcurl stops asking.
 *
 * It knows sockets only; what they mean to a connection is its owner's, in `connection`.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <curl/curl.h>
#include <uthash.h>
#include <uv.h>

#include "pool.h"

struct pool_sockets;
struct pool_shard;

struct pool_socket {
    struct pool_sockets *sockets;
    struct pool_shard *shard; /* who uses it */
    curl_socket_t fd;
    uv_poll_t poll;
    int wanted; /* what libcurl waits for: UV_READABLE | UV_WRITABLE, 0 for nothing */
    int armed;  /* what the poll handle waits for */
    bool is_opened_by_pool;
    uint64_t opened_ns;
    uint64_t heard_ns; /* when there was last something to read */
    char peer[POOL_PEER_BYTES];
    struct network_address address;     /* the same */
    struct pool_connection *connection; /* NULL until it has carried a request */
    int ready_flags;                    /* what is ready; 0: it is in no list of those that are */
    struct pool_socket *ready_prev, *ready_next;
    int lane_flags; /* the same, for the slow lane */
    struct pool_socket *lane_prev, *lane_next;
    UT_hash_handle hh;
};

struct pool_sockets_events {
    /* libcurl has something to do at this socket. */
    void (*on_ready)(void *ctx, struct pool_socket *sock, int curl_flags);
    /* The far end closed a connection that nobody was using. */
    void (*on_idle_close)(void *ctx, struct pool_socket *sock);
    /* It sent something unasked over one. Until pool_sockets_look_again() only its end is
     * listened for. */
    void (*on_idle_input)(void *ctx, struct pool_socket *sock);
    /* libcurl closes the socket; it dies behind this call. */
    void (*on_close)(void *ctx, struct pool_socket *sock);
    /* A poll handle is gone. When `open` is 0 the set may be freed. */
    void (*on_gone)(void *ctx);
};

struct pool_sockets {
    uv_loop_t *loop;
    const struct pool_sockets_events *events;
    void *ctx;
    struct pool_socket *by_fd;
    size_t open; /* poll handles that are not gone yet */
};

/* Opens a socket for libcurl: for CURLOPT_OPENSOCKETFUNCTION. CURL_SOCKET_BAD if that fails. */
curl_socket_t pool_sockets_open(struct pool_sockets *sockets, struct pool_shard *shard,
                                const struct curl_sockaddr *address);

/* Closes one that pool_sockets_open() opened: for CURLOPT_CLOSESOCKETFUNCTION. */
void pool_sockets_close(struct pool_sockets *sockets, curl_socket_t fd);

/* After how long without a segment TCP asks whether its far end is there; 0: never. Milliseconds.
 */
void pool_sockets_set_keepalive(struct pool_socket *sock, uint64_t keepalive_ms);

/* What TCP knows of a socket. */
struct pool_tcp {
    bool is_unacknowledged; /* its far end has yet to acknowledge bytes, or questions */
    bool has_unsent;        /* bytes wait for room at the far end, or for those */
    uint64_t acked_ms;      /* how long ago it last acknowledged anything */
};

struct pool_tcp pool_sockets_ask_tcp(const struct pool_socket *sock);

/* What was unasked has been read. */
void pool_sockets_look_again(struct pool_socket *sock);

/* What libcurl waits for at a socket: for CURLMOPT_SOCKETFUNCTION, with its `what`. */
void pool_sockets_want(struct pool_sockets *sockets, struct pool_shard *shard, curl_socket_t fd,
                       int what);

/*
 * The socket with this local port and this peer that has no connection yet; NULL if there is none.
 * The port alone would not do: Linux gives one to several sockets with different peers.
 */
struct pool_socket *pool_sockets_find_new(struct pool_sockets *sockets, int local_port,
                                          const char *peer);
