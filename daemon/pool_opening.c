/* pool_opening: from the attempt to open a connection to its first request, or its failure. */
#include "pool_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <utlist.h>

#include "log.h"

void pool_connection_end_look_up(struct pool *pool, struct pool_connection *connection)
{
    if (!connection->is_looking_up)
        return;
    connection->is_looking_up = false;
    DL_DELETE2(pool->looking_up, connection, look_prev, look_next); // NOLINT: it is in it
    pool->look_ups--;
    pool_tell(pool, NULL); /* others may want the same name, or any */
}

static struct breaker_limits breaker_limits(const struct pool *pool)
{
    return (struct breaker_limits){pool->config->failing_least_ms, pool->config->failing_most_ms};
}

/* One line when it begins and one when it is over, whatever is tried meanwhile. */
static void note_breaker_failure(struct origin *origin, const struct breaker_limits *limits,
                                 uint64_t now_ms)
{
    struct log_about about = {.origin = origin->name};
    bool was_closed = origin->breaker.state == BREAKER_CLOSED;
    breaker_note_failure(&origin->breaker, limits, now_ms);
    if (was_closed && origin->breaker.state != BREAKER_CLOSED)
        log_write_about(LOG_LEVEL_INFO, &about, "%s cannot be reached: %s", origin->name,
                        origin->failed_text);
}

static void note_breaker_success(struct origin *origin)
{
    struct log_about about = {.origin = origin->name};
    if (origin->breaker.state != BREAKER_CLOSED)
        log_write_about(LOG_LEVEL_INFO, &about, "%s can be reached again", origin->name);
    breaker_note_success(&origin->breaker);
}

void pool_connection_note_reached(struct pool_connection *connection)
{
    connection->is_reached = true;
    if (!connection->is_proxied)
        note_breaker_success(connection->origin);
}

void pool_connection_note_failure(struct pool *pool, struct pool_connection *connection, int code,
                                  const char *text, bool is_refusal)
{
    struct breaker_limits limits = breaker_limits(pool);
    uint64_t now = uv_hrtime();
    if (connection->state != POOL_CONNECTION_OPENING || connection->is_proxied ||
        connection->only_looks_up)
        return;
    origin_note_failure(connection->origin, code, text, now);
    if (is_refusal)
        note_breaker_failure(connection->origin, &limits, now / NS_PER_MS);
    connection->has_failed = is_refusal;
}

/*
 * Given up by whoever waited for it. That says something of the origin only if it had as long as
 * the configuration gives, and if TCP did not get through: else it was the client's patience, or
 * its own terms for TLS.
 */
void pool_opening_end(struct pool *pool, struct pool_connection *connection)
{
    struct origin *origin = connection->origin;
    struct breaker_limits limits = breaker_limits(pool);
    uint64_t now_ms = uv_hrtime() / NS_PER_MS;
    uint64_t took_ms = now_ms - connection->began_ns / NS_PER_MS;
    if (connection->has_failed || connection->is_proxied || connection->only_looks_up)
        return;
    if (took_ms < pool->config->connect_timeout_ms || connection->is_reached) {
        breaker_note_abandoned(&origin->breaker, now_ms);
        return;
    }
    snprintf(origin->failed_text, sizeof origin->failed_text, "connect to %s timed out",
             origin->name);
    note_breaker_failure(origin, &limits, now_ms);
}

static size_t most_streams(const struct pool *pool, const struct pool_connection *connection)
{
    size_t most = pool->config->streams_per_connection;
    if (connection->kind == POOL_HTTP_1 || connection->is_cautious || connection->is_alone)
        return 1;
    if (connection->kind == POOL_HTTP_2 || connection->origin->http[0] == '2')
        return most;
    return most < 2 ? most : 2; /* the second shows whether there can be more */
}

/*
 * The port alone would not do to find the socket: Linux gives one to several sockets with different
 * peers. And an attempt may have opened several, of which one won.
 */
int pool_opening_succeed(struct pool *pool, struct pool_connection *connection,
                         const struct pool_path *path)
{
    char peer[POOL_PEER_BYTES];
    snprintf(peer, sizeof peer, strchr(path->remote_ip, ':') ? "[%s]:%d" : "%s:%d", path->remote_ip,
             path->remote_port);
    struct pool_socket *sock = pool_sockets_find_new(&pool->sockets, path->local_port, peer);
    if (!sock)
        return -ENOTCONN;
    sock->connection = connection;
    connection->sock = sock;
    connection->opened_ns = sock->opened_ns;
    connection->ready_ns = uv_hrtime();
    memcpy(connection->peer, sock->peer, sizeof connection->peer);
    connection->address = sock->address;
    pool_sockets_set_keepalive(sock, pool->config->tcp_keepalive_ms);
    pool_connection_end_look_up(pool, connection);
    pool_connection_set_state(pool, connection, POOL_CONNECTION_OPEN);
    connection->is_cautious = request_limit_is_seen(&connection->origin->request_limit,
                                                    uv_hrtime() / NS_PER_MS);
    connection->most_streams = most_streams(pool, connection);
    pool->stats->connections_opened++;
    if (!connection->is_proxied) {
        note_breaker_success(connection->origin);
        origin_note_reached(connection->origin);
    }
    pool_tell(pool, connection->origin);
    return 0;
}

void pool_connection_note_opening(struct pool_connection *connection, uint64_t cost_us)
{
    origin_note_opening(connection->origin, cost_us);
}

void pool_connection_note_heard(struct pool *pool, struct pool_connection *connection)
{
    if (connection->heard_ns != 0)
        return;
    connection->heard_ns = uv_hrtime();
    pool_tell(pool, connection->origin);
}
