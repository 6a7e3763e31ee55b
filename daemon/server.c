/*
 * server: clients at the door, and the end; see server.h. How it starts is in server_start.c, what
 * it does when its configuration has changed in server_reload.c.
 */
#include "server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "log.h"
#include "log_writer.h"
#include "server_internal.h"

/* How long after a failed accept the next one is tried. */
#define ACCEPT_PAUSE_MS 1000

/* How long the last answers may take to leave after everything has ended. */
#define CLOSING_MS 2000

/* What the end takes at most when nothing runs any more: the last answers, both logs, and a second
 * for the rest. */
#define AFTER_DRAIN_MS (CLOSING_MS + 2 * LOG_WRITER_FLUSH_MS + 1000)

/* ---- Clients -------------------------------------------------------------------------------- */

/* A client that could not be accepted for want of memory still waits at the door, and keeps it shut
 * for those behind it: so it is tried again. */
static void accept_client(struct server *server)
{
    int result = session_accept(&server->sessions, listener_get_server(server->listener));
    server->has_client_waiting = result == -ENOMEM;
    if (result < 0)
        log_write(LOG_LEVEL_WARNING, "a client could not be accepted: %s", strerror(-result));
    if (server->has_client_waiting)
        uv_timer_start(&server->accept_timer, server_on_accept_timer, ACCEPT_PAUSE_MS, 0);
}

static void accept_waiting(struct server *server)
{
    if (server->state == SERVER_RUNNING && server->has_client_waiting &&
        server->sessions.count < server->descriptors.clients)
        accept_client(server);
}

void server_on_accept_timer(uv_timer_t *timer)
{
    accept_waiting(timer->data);
}

/* While one waits, libuv takes no further one from the kernel. */
void server_on_client(void *ctx, uv_stream_t *stream)
{
    struct server *server = ctx;
    (void)stream;
    if (server->sessions.count < server->descriptors.clients)
        accept_client(server);
    else
        server->has_client_waiting = true;
}

static void close_clients(struct server *server);

void server_on_session_gone(void *ctx)
{
    struct server *server = ctx;
    if (server->state == SERVER_CLOSING && server->sessions.count == 0)
        server_end(server);
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

void server_end(struct server *server)
{
    set_state(server, SERVER_ENDED);
    warm_close(server->warm);
    server->connections_held = pool_connection_count(server->pool);
    transfer_spares_clear(&server->spares);
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
    supervisor_close(&server->supervisor);
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
        server_end(server);
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

void server_on_fetch_end(void *ctx)
{
    struct server *server = ctx;
    memory_keeper_note(&server->memory);
    if (server->state == SERVER_DRAINING && server->sessions.in_flight == 0)
        close_clients(server);
}

void server_drain(struct server *server)
{
    if (server->state != SERVER_RUNNING)
        return;
    log_write(LOG_LEVEL_NOTICE, "shutting down: %zu requests are running, up to %llu ms for them",
              server->sessions.in_flight, (unsigned long long)server->config->drain_timeout_ms);
    supervisor_say_stopping(&server->supervisor, server->config->drain_timeout_ms + AFTER_DRAIN_MS);
    if (server->has_client_waiting) /* libuv has taken it from the kernel: no other daemon can */
        accept_client(server);
    listener_close(server->listener);
    server->listener = NULL;
    session_set_drain(&server->sessions); /* some end by it, and are not the last of a drain */
    set_state(server, SERVER_DRAINING);
    warm_close(server->warm);
    server->warm = NULL;
    if (server->sessions.in_flight == 0)
        close_clients(server);
    else
        uv_timer_start(&server->timer, on_drain_timeout, server->config->drain_timeout_ms, 0);
}

void server_on_signal(uv_signal_t *handle, int number)
{
    struct server *server = handle->data;
    switch (server->state) {
    case SERVER_RUNNING:
        server_drain(server);
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

/* ---- Life ----------------------------------------------------------------------------------- */

static void finish(struct server *server)
{
    uv_loop_close(&server->loop);
    access_log_close(server->access);
    origin_table_finish(&server->origins);
    url_memo_finish(&server->urls);
    offence_log_destroy(server->offences);
    credential_table_destroy(server->credentials);
    free(server->shared);
    free(server);
}

static int run(const struct server_setup *setup)
{
    struct server *server = calloc(1, sizeof *server);
    if (!server || uv_loop_init(&server->loop) != 0 || pool_set_up_process() != 0) {
        log_write(LOG_LEVEL_ERROR, "cannot start: out of memory or descriptors");
        free(server);
        return 1;
    }
    server->setup = setup;
    server->config = setup->config;
    uv_loop_configure(&server->loop, UV_METRICS_IDLE_TIME);
    int result = server_start(server);
    uv_run(&server->loop, UV_RUN_DEFAULT);
    if (result == 0)
        log_write(LOG_LEVEL_INFO, "stopped: closed %zu connections after %llu requests",
                  server->connections_held, (unsigned long long)server->stats.requests);
    finish(server);
    return result == 0 ? 0 : 1;
}

int server_run(const struct server_setup *setup)
{
    const struct config *config = setup->config;
    signal(SIGPIPE, SIG_IGN);
    if (!config->core_dumps)
        prctl(PR_SET_DUMPABLE, 0); /* nor may others of our user look into our memory */
    int result = log_start(config->log_buffer_bytes);
    if (result < 0) {
        log_write(LOG_LEVEL_ERROR, "cannot start: the thread of the log: %s", strerror(-result));
        return 1;
    }
    result = run(setup);
    log_stop();
    return result;
}
