/*
 * pool_connection: the table of a pool's connections; see pool.h. A record is made when a
 * connection first carries a request and ends when its socket is closed and nobody uses it any
 * more, whichever comes last.
 */
#include "pool_internal.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#define NS_PER_MS 1000000

struct pool_connection {
    int64_t id; /* libcurl's CURLINFO_CONN_ID */
    uint64_t number;
    struct pool_socket *sock; /* NULL: closed */
    char *origin;
    const char *http; /* a static string */
    char peer[POOL_PEER_BYTES];
    bool is_closing; /* the far end has closed it */
    uint64_t opened_ns;
    uint64_t idle_since_ns;
    uint64_t requests;
    uint64_t streams;
    bool is_nudged;           /* in the list of those that are to be */
    uint64_t nudged_ns;       /* since when */
    uint64_t nudged_requests; /* how many it had carried then */
    struct pool_connection *nudged_prev, *nudged_next;
    struct pool_connection *prev, *next;
    UT_hash_handle hh;
};

static void connection_free(struct pool_connection *connection)
{
    free(connection->origin);
    free(connection);
}

static struct pool_connection *connection_add(struct pool *pool, int64_t id, const char *origin,
                                              struct pool_socket *sock)
{
    struct pool_connection *connection = calloc(1, sizeof *connection);
    char *copy = strdup(origin);
    if (!connection || !copy) {
        free(connection);
        free(copy);
        return NULL;
    }
    connection->id = id;
    connection->number = pool->ledger->next_connection;
    connection->sock = sock;
    connection->origin = copy;
    connection->http = "";
    connection->opened_ns = sock->opened_ns;
    connection->idle_since_ns = uv_hrtime();
    memcpy(connection->peer, sock->peer, sizeof connection->peer);
    HASH_ADD(hh, pool->by_id, id, sizeof connection->id, connection);
    if (!connection->hh.tbl) {
        connection_free(connection);
        return NULL;
    }
    DL_APPEND(pool->oldest, connection);
    pool->ledger->next_connection++;
    sock->connection = connection;
    pool->stats->connections_opened++;
    return connection;
}

/* ---- Resets that lie unsent ----------------------------------------------------------------- */

#define NUDGE_STEP_MS 10

static void leave_nudged(struct pool *pool, struct pool_connection *connection)
{
    if (!connection->is_nudged)
        return;
    connection->is_nudged = false;
    DL_DELETE2(pool->nudged, connection, nudged_prev, nudged_next); // NOLINT: it is in it
    if (!pool->nudged)
        uv_timer_stop(&pool->nudge);
}

/* What is done about one. Returns whether it is done with; it may be gone then. */
static bool nudge(struct pool *pool, struct pool_connection *connection)
{
    bool has_new_request = connection->requests != connection->nudged_requests;
    bool is_late = uv_hrtime() - connection->nudged_ns >= (uint64_t)POOL_NUDGE_MS * NS_PER_MS;
    struct pool_socket *sock = connection->sock;
    if (!has_new_request && connection->streams == 0 && !is_late)
        return false;
    leave_nudged(pool, connection);
    if (has_new_request)
        return true;
    if (connection->streams > 0)
        pool_drive_socket(pool, sock->fd);
    else
        pool_connection_reset(sock);
    return true;
}

static void on_nudge(uv_timer_t *timer)
{
    struct pool *pool = timer->data;
    struct pool_connection *connection = pool->nudged;
    while (connection) {
        /* What is driven may change the list anywhere: then it is begun anew. */
        connection = nudge(pool, connection) ? pool->nudged : connection->nudged_next;
    }
}

void pool_connection_nudge(struct pool *pool, struct pool_connection *connection)
{
    if (!connection->sock || !pool->leaves_resets)
        return; /* HTTP/1.1 is told by the end of its connection */
    connection->nudged_ns = uv_hrtime();
    connection->nudged_requests = connection->requests;
    if (connection->is_nudged)
        return;
    connection->is_nudged = true;
    DL_APPEND2(pool->nudged, connection, nudged_prev, nudged_next);
    if (!uv_is_active((uv_handle_t *)&pool->nudge))
        uv_timer_start(&pool->nudge, on_nudge, NUDGE_STEP_MS, NUDGE_STEP_MS);
}

/* ---- Records -------------------------------------------------------------------------------- */

void pool_connection_set_closing(struct pool_connection *connection)
{
    connection->is_closing = true;
}

void pool_connection_detach(struct pool *pool, struct pool_connection *connection)
{
    leave_nudged(pool, connection);
    HASH_DEL(pool->by_id, connection);
    DL_DELETE(pool->oldest, connection);
    connection->sock = NULL;
    if (connection->streams == 0)
        connection_free(connection);
}

struct pool_connection *pool_connection_find(struct pool *pool, CURL *easy, const char *origin,
                                             int local_port, const char *peer)
{
    struct pool_connection *connection;
    curl_off_t foreign_id = -1;
    curl_easy_getinfo(easy, CURLINFO_CONN_ID, &foreign_id);
    int64_t id = foreign_id;
    HASH_FIND(hh, pool->by_id, &id, sizeof id, connection);
    if (connection)
        return connection;
    struct pool_socket *sock = pool_sockets_find_new(&pool->sockets, local_port, peer);
    return sock ? connection_add(pool, id, origin, sock) : NULL;
}

bool pool_connection_is_used(const struct pool_connection *connection)
{
    return connection->streams > 0;
}

bool pool_connection_use(struct pool *pool, struct pool_connection *connection)
{
    bool is_reused = connection->requests > 0;
    if (is_reused)
        pool->stats->handshakes_saved++;
    connection->requests++;
    connection->streams++;
    return is_reused;
}

void pool_connection_release(struct pool_connection *connection)
{
    connection->streams--;
    connection->idle_since_ns = uv_hrtime();
    if (connection->streams == 0 && !connection->sock)
        connection_free(connection);
}

void pool_connection_set_http(struct pool *pool, struct pool_connection *connection,
                              const char *http)
{
    connection->http = http;
    pool_origins_note(&pool->origins, connection->origin, http);
}

bool pool_speaks_http_1(const struct pool *pool, const char *origin)
{
    return pool_origins_speaks_http_1(&pool->origins, origin);
}

struct pool_connection_info pool_connection_info(const struct pool_connection *connection)
{
    uint64_t now = uv_hrtime();
    bool is_idle = connection->streams == 0;
    return (struct pool_connection_info){
        .id = connection->number,
        .origin = connection->origin,
        .http = connection->http,
        .state = connection->is_closing ? "closing"
                 : is_idle              ? "idle"
                                        : "active",
        .peer = connection->peer,
        .age_ms = (now - connection->opened_ns) / NS_PER_MS,
        .idle_ms = is_idle ? (now - connection->idle_since_ns) / NS_PER_MS : 0,
        .requests = connection->requests,
        .streams = connection->streams,
    };
}

size_t pool_connection_count(const struct pool *pool)
{
    return HASH_COUNT(pool->by_id);
}

void pool_each_connection(const struct pool *pool,
                          void (*on_connection)(void *ctx, const struct pool_connection_info *info),
                          void *ctx)
{
    const struct pool_connection *connection;
    DL_FOREACH (pool->oldest, connection) {
        struct pool_connection_info info = pool_connection_info(connection);
        on_connection(ctx, &info);
    }
}
