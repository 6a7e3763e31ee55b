/* What the files of server share: the server itself. */
#pragma once

#include <uv.h>

#include "access.h"
#include "credential.h"
#include "descriptors.h"
#include "fetch.h"
#include "listener.h"
#include "loop_meter.h"
#include "memory_keeper.h"
#include "offence.h"
#include "pool.h"
#include "server.h"
#include "session.h"
#include "stats.h"
#include "supervisor.h"
#include "transfer_spare.h"
#include "warm.h"

enum server_state { SERVER_RUNNING, SERVER_DRAINING, SERVER_CLOSING, SERVER_ENDED };

struct server {
    const struct server_setup *setup;
    struct config *config; /* its place is for good, what stands there changes at a reload */
    enum server_state state;
    uv_loop_t loop;
    uv_signal_t on_term, on_int, on_hup;
    uv_timer_t timer; /* of draining, then of closing */
    struct loop_meter meter;
    struct supervisor supervisor;
    struct listener *listener;
    struct origin_table origins;
    struct dispatch dispatch;
    struct pool *pool;
    struct descriptors descriptors;
    uv_timer_t accept_timer; /* tries again after a failure */
    struct stats stats;
    struct offence_log *offences;
    struct conn_shared *shared;
    struct credential_table *credentials;
    struct access_log *access; /* NULL: none yet; it may be one that nothing is written to */
    struct fetch_context fetches;
    struct stall_list stalls;
    struct url_memo urls;
    struct transfer_spares spares;
    struct memory_keeper memory;
    struct session_set sessions;
    struct warm *warm;
    bool has_client_waiting;
    char pool_id[17];
    size_t connections_held; /* when the pool was closed */
};

/* ---- server.c ------------------------------------------------------------------------------- */

/* A client is at the door. */
void server_on_client(void *ctx, uv_stream_t *stream);
/* SIGTERM and SIGINT. */
void server_on_signal(uv_signal_t *handle, int number);
/* Begins the orderly end. Nothing if it has begun. */
void server_drain(struct server *server);
/* Closes all that server_start() opened. */
void server_end(struct server *server);
void server_on_accept_timer(uv_timer_t *timer);
void server_on_session_gone(void *ctx);
void server_on_fetch_end(void *ctx);

/* ---- server_start.c ------------------------------------------------------------------------- */

/* 0, or a negative errno after a line in the log. */
int server_start(struct server *server);
/* Whatever the limits say, one whole answer fits. */
uint64_t server_most_unread(const struct config *config);

/* ---- server_reload.c ------------------------------------------------------------------------ */

/* SIGHUP. */
void server_on_hangup(uv_signal_t *handle, int number);
/* What root and the daemon's own user may ask for. */
extern const struct session_admin server_admin;
