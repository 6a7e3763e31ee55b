/* server_start: makes the parts of the server, and opens its doors; see server.h. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "log.h"
#include "metrics.h"
#include "server_internal.h"
#include "transfer.h"

static int make_pool_id(struct server *server)
{
    uint64_t number;
    if (getrandom(&number, sizeof number, 0) != sizeof number)
        return -errno;
    snprintf(server->pool_id, sizeof server->pool_id, "%016llx", (unsigned long long)number);
    return 0;
}

/* Whatever the limits say, one whole answer fits. */
uint64_t server_most_unread(const struct config *config)
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
        .on_turn = dispatch_on_turn,
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
    server->shared->max_unread_bytes = server_most_unread(config);
    /* After the conns: libuv calls what was started last first, and what a turn of the pool writes
     * is to be sent in the same turn. */
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
        .urls = &server->urls,
        .spares = &server->spares,
        .credentials = server->credentials,
        .access = server->access,
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
        .started_at_ms = metrics_now_ms(),
        .clients_per_user = server->descriptors.clients_per_user,
        .on_gone = server_on_session_gone,
        .on_fetch_end = server_on_fetch_end,
        .admin = &server_admin,
        .ctx = server,
    };
    return 0;
}

/* For `systemctl status`. */
static void describe(void *ctx, char out_status[SUPERVISOR_STATUS_BYTES])
{
    const struct server *server = ctx;
    snprintf(out_status, SUPERVISOR_STATUS_BYTES,
             "%s: %zu clients, %zu requests in flight, %zu connections to origins",
             server->state == SERVER_RUNNING ? "serving" : "shutting down", server->sessions.count,
             server->sessions.in_flight,
             server->state == SERVER_ENDED ? 0 : pool_connection_count(server->pool));
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
    uv_signal_start(&server->on_term, server_on_signal, SIGTERM);
    uv_signal_start(&server->on_int, server_on_signal, SIGINT);
    uv_signal_start(&server->on_hup, server_on_hangup, SIGHUP);
    loop_meter_start(&server->meter, &server->loop);
    supervisor_open(&server->supervisor, &server->loop, describe, server);
}

static void announce(struct server *server)
{
    const char *path = listener_get_path(server->listener);
    log_write(LOG_LEVEL_INFO, "fetchpoold %s, libcurl/%s, listening on %s, pool %s",
              FETCHPOOL_VERSION, pool_library_number(), path, server->pool_id);
    supervisor_say_ready(&server->supervisor);
}

/* To clients, and to the origins that are to be kept warm. */
static int open_doors(struct server *server)
{
    struct listener_error error;
    struct wire_why why = {"out of memory"};
    int result = warm_open(&server->warm, &server->loop, &server->fetches, server->config, &why);
    if (result < 0) {
        log_write(LOG_LEVEL_ERROR, "cannot start: an [origin] that is to be warm: %s", why.text);
        return result;
    }
    result = listener_open(&server->listener, &server->loop, server->setup->socket_path,
                           server_on_client, server, &error);
    if (result < 0)
        log_write(LOG_LEVEL_ERROR, "%s", error.text);
    return result;
}

static int open_access_log(struct server *server)
{
    const struct config *config = server->config;
    if (!config->access_log)
        return 0;
    int result = access_log_open(&server->access, config->access_log, config->log_buffer_bytes);
    if (result < 0)
        log_write(LOG_LEVEL_ERROR, "cannot start: [daemon] access_log %s: %s", config->access_log,
                  strerror(-result));
    return result;
}

int server_start(struct server *server)
{
    struct wire_why why;
    int result = credential_table_read(&server->credentials, server->config, &why);
    if (result < 0) {
        log_write(LOG_LEVEL_ERROR, "cannot start: %s", why.text);
        return result;
    }
    descriptors_share(&server->descriptors, server->config);
    result = open_access_log(server);
    if (result < 0)
        return result;
    result = create_parts(server);
    if (result < 0) {
        log_write(LOG_LEVEL_ERROR, "cannot start: %s", strerror(-result));
        return result;
    }
    start_handles(server);
    result = open_doors(server);
    if (result < 0) {
        server_end(server);
        return result;
    }
    warm_start(server->warm);
    announce(server);
    return 0;
}
