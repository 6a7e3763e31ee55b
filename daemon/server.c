/* server: see server.h. */
#include "server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "descriptors.h"
#include "fetch.h"
#include "listener.h"
#include "log.h"
#include "loop_meter.h"
#include "memory_keeper.h"
#include "offence.h"
#include "pool.h"
#include "session.h"
#include "stats.h"
#include "transfer.h"
#include "warm.h"

/* How long after a failed accept the next one is tried. */
#define ACCEPT_PAUSE_MS 1000

/* How long the last answers may take to leave after everything has ended. */
#define CLOSING_MS 2000

enum server_state { SERVER_RUNNING, SERVER_DRAINING, SERVER_CLOSING, SERVER_ENDED };

struct server {
    const struct config *config;
    enum server_state state;
    uv_loop_t loop;
    uv_signal_t on_term, on_int, on_hup;
    uv_timer_t timer; /* of draining, then of closing */
    struct loop_meter meter;
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
    struct fetch_context fetches;
    struct stall_list stalls;
    struct memory_keeper memory;
    struct session_set sessions;
    struct warm warm;
    bool has_client_waiting;
    char pool_id[17];
    size_t connections_held; /* when the pool was closed */
};

/* ---- Clients -------------------------------------------------------------------------------- */

static void on_accept_timer(uv_timer_t *timer);

/* A client that could not be accepted for want of memory still waits at the door, and keeps it shut
 * for those behind it: so it is tried again. */
static void accept_client(struct server *server)
{
    int result = session_accept(&server->sessions, listener_get_server(server->listener));
    server->has_client_waiting = result == -ENOMEM;
    if (result < 0)
        log_write(LOG_LEVEL_WARNING, "a client could not be accepted: %s", strerror(-result));
    if (server->has_client_waiting)
        uv_timer_start(&server->accept_timer, on_accept_timer, ACCEPT_PAUSE_MS, 0);
}

static void accept_waiting(struct server *server)
{
    if (server->state == SERVER_RUNNING && server->has_client_waiting &&
        server->sessions.count < server->descriptors.clients)
        accept_client(server);
}

static void on_accept_timer(uv_timer_t *timer)
{
    accept_waiting(timer->data);
}

/* While one waits, libuv takes no further one from the kernel. */
static void on_client(void *ctx, uv_stream_t *stream)
{
    struct server *server = ctx;
    (void)stream;
    if (server->sessions.count < server->descriptors.clients)
        accept_client(server);
    else
        server->has_client_waiting = true;
}

static void end(struct server *server);
static void close_clients(struct server *server);

static void on_session_gone(void *ctx)
{
    struct server *server = ctx;
    if (server->state == SERVER_CLOSING && server->sessions.count == 0)
        end(server);
    if (server->state == SERVER_DRAINING && server->sessions.in_flight == 0)
        close_clients(server);
    accept_waiting(server);
}

/* ---- End ------------------------------------------------------------------------------------ */

static void set_state(struct server *server, enum server_state state)
{
    server->state = state;
}

static void on_pool_closed(void *ctx)
{
    (void)ctx; /* the loop ends by itself when its last handle is gone */
}

static void end(struct server *server)
{
    set_state(server, SERVER_ENDED);
    warm_close(&server->warm);
    server->connections_held = pool_connection_count(server->pool);
    pool_close(server->pool, on_pool_closed, server);
    dispatch_close(&server->dispatch);
    conn_shared_close(server->shared);
    stall_list_close(&server->stalls);
    memory_keeper_close(&server->memory);
    uv_close((uv_handle_t *)&server->accept_timer, NULL);
    uv_close((uv_handle_t *)&server->timer, NULL);
    uv_close((uv_handle_t *)&server->on_term, NULL);
    uv_close((uv_handle_t *)&server->on_int, NULL);
    uv_close((uv_handle_t *)&server->on_hup, NULL);
    loop_meter_stop(&server->meter);
}

static void on_closing_timeout(uv_timer_t *timer)
{
    struct server *server = timer->data;
    log_write(LOG_LEVEL_WARNING, "%zu clients did not read their last answers",
              server->sessions.count);
    session_set_abort_all(&server->sessions);
}

/* Nothing runs any more: the clients go. */
static void close_clients(struct server *server)
{
    set_state(server, SERVER_CLOSING);
    uv_timer_start(&server->timer, on_closing_timeout, CLOSING_MS, 0);
    session_set_close_all(&server->sessions);
    if (server->sessions.count == 0)
        end(server);
}

static void cancel_rest(struct server *server, const char *why)
{
    log_write(LOG_LEVEL_NOTICE, "%s: cancelling %zu requests", why, server->sessions.in_flight);
    session_set_cancel_all(&server->sessions, "the daemon is shutting down");
    if (server->state == SERVER_DRAINING)
        close_clients(server);
}

static void on_drain_timeout(uv_timer_t *timer)
{
    cancel_rest(timer->data, "the drain timeout has passed");
}

static void on_fetch_end(void *ctx)
{
    struct server *server = ctx;
    memory_keeper_note(&server->memory);
    if (server->state == SERVER_DRAINING && server->sessions.in_flight == 0)
        close_clients(server);
}

static void drain(struct server *server)
{
    set_state(server, SERVER_DRAINING);
    log_write(LOG_LEVEL_NOTICE, "shutting down: %zu requests are running, up to %llu ms for them",
              server->sessions.in_flight, (unsigned long long)server->config->drain_timeout_ms);
    sd_notify(0, "STOPPING=1");
    listener_close(server->listener);
    server->listener = NULL;
    session_set_drain(&server->sessions);
    warm_close(&server->warm);
    if (server->sessions.in_flight == 0)
        close_clients(server);
    else
        uv_timer_start(&server->timer, on_drain_timeout, server->config->drain_timeout_ms, 0);
}

static void on_signal(uv_signal_t *handle, int number)
{
    struct server *server = handle->data;
    switch (server->state) {
    case SERVER_RUNNING:
        drain(server);
        break;
    case SERVER_DRAINING:
        cancel_rest(server, number == SIGINT ? "a second SIGINT" : "a second SIGTERM");
        break;
    case SERVER_CLOSING:
        session_set_abort_all(&server->sessions);
        break;
    case SERVER_ENDED:
        break;
    }
}

/* By custom it asks a daemon to read its configuration again, and would end one that knows it not.
 */
static void on_hangup(uv_signal_t *handle, int number)
{
    struct server *server = handle->data;
    struct credential_table *credentials;
    struct wire_why why;
    (void)number;
    if (credential_table_read(&credentials, server->config, &why) < 0) {
        log_write(LOG_LEVEL_ERROR, "SIGHUP: %s; the credentials stay as they were", why.text);
        return;
    }
    credential_table_destroy(server->credentials);
    server->credentials = credentials;
    server->fetches.credentials = credentials;
    log_write(LOG_LEVEL_NOTICE, "SIGHUP: the files of credentials were read again; a changed "
                                "configuration holds from the next start on");
}

/* ---- Start ---------------------------------------------------------------------------------- */

static int make_pool_id(struct server *server)
{
    uint64_t number;
    if (getrandom(&number, sizeof number, 0) != sizeof number)
        return -errno;
    snprintf(server->pool_id, sizeof server->pool_id, "%016llx", (unsigned long long)number);
    return 0;
}

/* Whatever the limits say, one whole answer fits. */
static uint64_t most_unread(const struct config *config)
{
    uint64_t one = config->max_body_bytes + 2 * config->max_response_header_bytes +
                   config->max_url_bytes + 4096;
    return config->max_unread_bytes > one ? config->max_unread_bytes : one;
}

/* The pool, and who brings requests to it. */
static int create_pool(struct server *server)
{
    struct pool_setup setup = {
        .loop = &server->loop,
        .config = server->config,
        .stats = &server->stats,
        .origins = &server->origins,
        .most_sockets = server->descriptors.origins,
        .on_change = dispatch_note_change,
        .set_terms = transfer_set_terms,
        .ctx = &server->dispatch,
    };
    int result = pool_create(&server->pool, &setup);
    if (result < 0)
        return result;
    dispatch_open(&server->dispatch, &server->loop, server->config, &server->origins, server->pool);
    return 0;
}

static int create_parts(struct server *server)
{
    const struct config *config = server->config;
    server->shared = calloc(1, sizeof *server->shared);
    server->offences = offence_log_create();
    if (!server->shared || !server->offences)
        return -ENOMEM;
    conn_shared_open(server->shared, &server->loop);
    server->shared->max_message_bytes = config->max_message_bytes;
    server->shared->max_line_bytes = config->max_line_bytes;
    server->shared->frame_timeout_ms = config->frame_timeout_ms;
    stall_list_open(&server->stalls, &server->loop, config->paused_memory_bytes,
                    config->paused_memory_total_bytes);
    server->shared->max_unread_bytes = most_unread(config);
    int result = make_pool_id(server);
    if (result == 0)
        result = create_pool(server);
    if (result < 0)
        return result;
    server->fetches = (struct fetch_context){
        .loop = &server->loop,
        .dispatch = &server->dispatch,
        .config = config,
        .stats = &server->stats,
        .stalls = &server->stalls,
        .credentials = server->credentials,
    };
    if (getrandom(server->fetches.salt, sizeof server->fetches.salt, 0) !=
        sizeof server->fetches.salt)
        return -errno;
    server->sessions = (struct session_set){
        .shared = server->shared,
        .fetches = &server->fetches,
        .offences = server->offences,
        .meter = &server->meter,
        .pool_id = server->pool_id,
        .started_ns = uv_hrtime(),
        .clients_per_user = server->descriptors.clients_per_user,
        .on_gone = on_session_gone,
        .on_fetch_end = on_fetch_end,
        .ctx = server,
    };
    return 0;
}

static void start_handles(struct server *server)
{
    memory_keeper_open(&server->memory, &server->loop);
    uv_timer_init(&server->loop, &server->timer);
    uv_timer_init(&server->loop, &server->accept_timer);
    server->accept_timer.data = server;
    uv_signal_init(&server->loop, &server->on_term);
    uv_signal_init(&server->loop, &server->on_int);
    uv_signal_init(&server->loop, &server->on_hup);
    server->timer.data = server->on_term.data = server->on_int.data = server;
    server->on_hup.data = server;
    uv_signal_start(&server->on_term, on_signal, SIGTERM);
    uv_signal_start(&server->on_int, on_signal, SIGINT);
    uv_signal_start(&server->on_hup, on_hangup, SIGHUP);
    loop_meter_start(&server->meter, &server->loop);
}

static void announce(const struct server *server)
{
    const char *path = listener_get_path(server->listener);
    log_write(LOG_LEVEL_INFO, "fetchpoold %s, libcurl/%s, listening on %s, pool %s",
              FETCHPOOL_VERSION, pool_library_number(), path, server->pool_id);
    sd_notifyf(0, "READY=1\nSTATUS=listening on %s", path);
}

/* To clients, and to the origins that are to be kept warm. */
static int open_doors(struct server *server, const char *socket_path)
{
    struct listener_error error;
    struct wire_why why = {"out of memory"};
    int result = warm_open(&server->warm, &server->loop, &server->fetches, &why);
    if (result < 0) {
        log_write(LOG_LEVEL_ERROR, "cannot start: an [origin] that is to be warm: %s", why.text);
        return result;
    }
    result = listener_open(&server->listener, &server->loop, socket_path, on_client, server,
                           &error);
    if (result < 0)
        log_write(LOG_LEVEL_ERROR, "%s", error.text);
    return result;
}

static int start(struct server *server, const char *socket_path)
{
    struct wire_why why;
    int result = credential_table_read(&server->credentials, server->config, &why);
    if (result < 0) {
        log_write(LOG_LEVEL_ERROR, "cannot start: %s", why.text);
        return result;
    }
    descriptors_share(&server->descriptors, server->config);
    result = create_parts(server);
    if (result < 0) {
        log_write(LOG_LEVEL_ERROR, "cannot start: %s", strerror(-result));
        return result;
    }
    start_handles(server);
    result = open_doors(server, socket_path);
    if (result < 0) {
        end(server);
        return result;
    }
    announce(server);
    return 0;
}

static void finish(struct server *server)
{
    uv_loop_close(&server->loop);
    origin_table_finish(&server->origins);
    offence_log_destroy(server->offences);
    credential_table_destroy(server->credentials);
    free(server->shared);
    free(server);
}

int server_run(const struct config *config, const char *socket_path)
{
    signal(SIGPIPE, SIG_IGN);
    if (!config->core_dumps)
        prctl(PR_SET_DUMPABLE, 0); /* nor may others of our user look into our memory */
    struct server *server = calloc(1, sizeof *server);
    if (!server || uv_loop_init(&server->loop) != 0 || pool_set_up_process() != 0) {
        log_write(LOG_LEVEL_ERROR, "cannot start: out of memory or descriptors");
        free(server);
        return 1;
    }
    server->config = config;
    uv_loop_configure(&server->loop, UV_METRICS_IDLE_TIME);
    int result = start(server, socket_path);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    if (result == 0)
        log_write(LOG_LEVEL_INFO, "stopped: closed %zu connections after %llu requests",
                  server->connections_held, (unsigned long long)server->stats.requests);
    finish(server);
    return result == 0 ? 0 : 1;
}
