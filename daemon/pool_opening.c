/* pool_opening: from the attempt to open a connection to its first request, or its failure. */
#include "pool_internal.h"

#include <errno.h>
#include <string.h>

#include <utlist.h>

/* An attempt that was given up after so long counts as one that failed: the client's patience
 * alone, which may be a millisecond, says nothing of the origin. */
#define LONG_ATTEMPT_MS 1000

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

void pool_connection_note_failure(struct pool *pool, struct pool_connection *connection, int code,
                                  const char *text, bool is_refusal)
{
    struct breaker_limits limits = breaker_limits(pool);
    uint64_t now = uv_hrtime();
    if (connection->state != POOL_CONNECTION_OPENING || connection->is_proxied)
        return;
    origin_note_failure(connection->origin, code, text, now);
    if (is_refusal)
        breaker_note_failure(&connection->origin->breaker, &limits, now / NS_PER_MS);
    connection->has_failed = is_refusal;
}

void pool_opening_end(struct pool *pool, struct pool_connection *connection)
{
    struct breaker *breaker = &connection->origin->breaker;
    struct breaker_limits limits = breaker_limits(pool);
    uint64_t now_ms = uv_hrtime() / NS_PER_MS;
    if (connection->has_failed || connection->is_proxied)
        return;
    if (now_ms - connection->began_ns / NS_PER_MS >= LONG_ATTEMPT_MS)
        breaker_note_failure(breaker, &limits, now_ms);
    else
        breaker_note_abandoned(breaker, now_ms);
}

static size_t most_streams(const struct pool *pool, const struct pool_connection *connection)
{
    size_t most = pool->config->streams_per_connection;
    if (connection->kind == POOL_HTTP_1 || connection->is_cautious)
        return 1;
    if (connection->kind == POOL_HTTP_2 || connection->origin->http[0] == '2')
        return most;
    return most < 2 ? most : 2; /* the second shows whether there can be more */
}

/*
 * The port alone would not do to find the socket: Linux gives one to several sockets with different
 * peers. And an attempt may have opened several, of which one won.
 */
int pool_opening_succeed(struct pool *pool, struct pool_connection *connection, int local_port,
                         const char *peer)
{
    struct pool_socket *sock = pool_sockets_find_new(&pool->sockets, local_port, peer);
    if (!sock)
        return -ENOTCONN;
    sock->connection = connection;
    connection->sock = sock;
    connection->opened_ns = sock->opened_ns;
    memcpy(connection->peer, sock->peer, sizeof connection->peer);
    pool_sockets_set_patience(sock, pool->config->tcp_user_timeout_ms,
                              pool->config->tcp_keepalive_ms);
    pool_connection_end_look_up(pool, connection);
    pool_connection_set_state(pool, connection, POOL_CONNECTION_OPEN);
    connection->is_cautious = request_limit_is_seen(&connection->origin->request_limit,
                                                    uv_hrtime() / NS_PER_MS);
    connection->most_streams = most_streams(pool, connection);
    pool->stats->connections_opened++;
    if (!connection->is_proxied) {
        breaker_note_success(&connection->origin->breaker);
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
