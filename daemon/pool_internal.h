/* What the files of pool share: the pool itself. */
#pragma once

#include "pool.h"
#include "pool_origin.h"
#include "pool_socket.h"

struct pool {
    uv_loop_t *loop;
    const struct config *config;
    struct stats *stats;
    struct pool_ledger *ledger;
    CURLM *multi;
    CURLSH *sessions;
    uv_timer_t timer;
    uv_idle_t at_once;     /* libcurl wants to be called without delay */
    unsigned handles_open; /* of these and `nudge` */
    bool leaves_resets;    /* libcurl does not send an RST_STREAM at once */
    unsigned idle_turns;   /* how often it was called at once since anything happened */
    uv_timer_t nudge;
    struct pool_connection *nudged; /* connections on which a reset may lie unsent */
    struct pool_sockets sockets;
    struct pool_origins origins;
    struct pool_connection *by_id;  /* those whose socket is open */
    struct pool_connection *oldest; /* the same, in the order of their opening */
    void (*on_closed)(void *ctx);
    void *on_closed_ctx;
};

/* Does it carry a request now? */
bool pool_connection_is_used(const struct pool_connection *connection);

/* The far end has closed it. */
void pool_connection_set_closing(struct pool_connection *connection);

/* Its socket is being closed. The record goes when nobody uses it any more. */
void pool_connection_detach(struct pool *pool, struct pool_connection *connection);

/* Lets libcurl look at a socket as if it were readable. The connection may be gone after it. */
void pool_drive_socket(struct pool *pool, curl_socket_t fd);

/* Resets a connection that nobody uses; libcurl finds it closed and drops it. */
void pool_connection_reset(struct pool_socket *sock);
