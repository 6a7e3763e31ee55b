/*
 * pool_sweep: what is done about connections from time to time: those that are too old or were
 * idle for too long go, those that are silent while something is asked of them are pinged, those
 * that libcurl has to look at are shown to it.
 */
#include "pool_internal.h"

#include <utlist.h>

#define LEAST_INTERVAL_MS 25
#define MOST_INTERVAL_MS  1000

/*
 * Of h2_ping_timeout: a quarter for silence before a ping, a half for its answer, and an eighth for
 * each of the two turns of the sweep that notice: what went dark is found within the whole.
 */
#define PING_AFTER_SHARE  4
#define PING_ANSWER_SHARE 2
#define SWEEP_SHARE       8

static const char unanswered[] = "it did not answer a ping ([pool] h2_ping_timeout)";
static const char unacknowledged[] = "what was sent was not acknowledged ([pool] tcp_user_timeout)";

static uint64_t lesser_but_0(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

static uint64_t interval_ms(const struct pool *pool)
{
    uint64_t interval = lesser_but_0(pool->config->h2_ping_timeout_ms,
                                     pool->config->tcp_user_timeout_ms) /
                        SWEEP_SHARE;
    if (interval == 0 || interval > MOST_INTERVAL_MS)
        return MOST_INTERVAL_MS;
    return interval < LEAST_INTERVAL_MS ? LEAST_INTERVAL_MS : interval;
}

/* ---- Age ------------------------------------------------------------------------------------ */

static void check_age(struct pool *pool, struct pool_connection *connection, uint64_t now)
{
    if (connection->state != POOL_CONNECTION_OPEN)
        return;
    if (connection->is_idle && pool_connection_is_stale(pool, connection, now))
        pool_connection_shut(pool, connection);
    else if (pool_connection_is_outlived(pool, connection, now))
        pool_connection_drain(pool, connection);
}

/* ---- Silence -------------------------------------------------------------------------------- */

static void give_up(struct pool *pool, struct pool_connection *connection, const char *why)
{
    connection->death = why;
    pool_connection_reset(pool, connection);
}

/*
 * TCP_USER_TIMEOUT itself would also end a connection whose far end is there and has no room, as
 * where it takes an upload slowly. So TCP is asked, from time to time.
 */
static void check_acknowledgement(struct pool *pool, struct pool_connection *connection,
                                  const struct pool_tcp *tcp, uint64_t now)
{
    uint64_t timeout_ns = pool->config->tcp_user_timeout_ms * NS_PER_MS;
    uint64_t acked_ns = now - tcp->acked_ms * NS_PER_MS;
    if (!tcp->is_unacknowledged || timeout_ns == 0) {
        connection->unacked_ns = 0;
        return;
    }
    if (connection->unacked_ns == 0 || acked_ns > connection->unacked_ns)
        connection->unacked_ns = connection->unacked_ns == 0 ? now : acked_ns;
    if (now - connection->unacked_ns >= timeout_ns)
        give_up(pool, connection, unacknowledged);
}

/* May it be asked for a sign of life? Before its first answer it may turn out to speak HTTP/1.1:
 * then no ping is sent, and none is waited for. */
static bool may_ping(const struct pool_connection *connection)
{
    return connection->kind != POOL_HTTP_1 && (!connection->http[0] || connection->http[0] == '2');
}

/*
 * Since when nothing was heard, though something was asked; 0: it may be silent. While libcurl does
 * not read, because nobody takes what comes, nothing can be heard; and a ping that stands behind
 * bytes which wait for room at the far end has not been asked yet.
 */
static uint64_t silent_since_ns(const struct pool_connection *connection,
                                const struct pool_tcp *tcp)
{
    const struct pool_socket *sock = connection->sock;
    if (!may_ping(connection) || !(sock->wanted & UV_READABLE) || tcp->has_unsent)
        return 0;
    return sock->heard_ns > connection->asked_ns ? sock->heard_ns : connection->asked_ns;
}

/* Returns whether it is to be pinged. */
static bool check_silence(struct pool *pool, struct pool_connection *connection,
                          const struct pool_tcp *tcp, uint64_t now)
{
    uint64_t timeout_ns = pool->config->h2_ping_timeout_ms * NS_PER_MS;
    uint64_t since_ns = silent_since_ns(connection, tcp);
    if (since_ns == 0 || timeout_ns == 0 || connection->sock->heard_ns > connection->pinged_ns)
        connection->pinged_ns = 0;
    if (since_ns == 0 || timeout_ns == 0)
        return false;
    if (connection->pinged_ns == 0)
        return now - since_ns >= timeout_ns / PING_AFTER_SHARE;
    if (pool_connection_is_http_2(connection) &&
        now - connection->pinged_ns >= timeout_ns / PING_ANSWER_SHARE)
        give_up(pool, connection, unanswered);
    return false;
}

/* Returns whether it is to be pinged; it is marked as such. */
static bool check_life(struct pool *pool, struct pool_connection *connection, uint64_t now)
{
    if (!connection->sock || connection->carried == 0 ||
        connection->state == POOL_CONNECTION_CLOSING) {
        connection->unacked_ns = 0;
        return false;
    }
    struct pool_tcp tcp = pool_sockets_ask_tcp(connection->sock);
    check_acknowledgement(pool, connection, &tcp, now);
    if (connection->state == POOL_CONNECTION_CLOSING || !check_silence(pool, connection, &tcp, now))
        return false;
    connection->pinged_ns = now;
    connection->has_ping = true;
    return true;
}

/* ---- All ------------------------------------------------------------------------------------ */

static struct pool_connection *find_unsent_ping(const struct pool *pool)
{
    struct pool_connection *connection;
    DL_FOREACH (pool->all, connection) {
        if (connection->has_ping && connection->sock)
            return connection;
    }
    return NULL;
}

/* libcurl has one call that makes a ping for each connection, and leaves it lying until something
 * else happens there. What is driven may end any of them, so each time they are looked through. */
static void send_pings(struct pool *pool)
{
    struct pool_connection *connection;
    pool_upkeep_ping(pool);
    while ((connection = find_unsent_ping(pool))) {
        connection->has_ping = false;
        pool_drive_socket(connection->sock, CURL_CSELECT_IN);
    }
}

static void on_sweep(uv_timer_t *timer)
{
    struct pool *pool = timer->data;
    uint64_t now = uv_hrtime();
    struct pool_connection *connection, *next;
    bool pings = false;
    DL_FOREACH_SAFE (pool->all, connection, next) {
        check_age(pool, connection, now);
        pings = check_life(pool, connection, now) || pings;
    }
    if (pings)
        send_pings(pool);
    if (pool->unclean > 0)
        pool_upkeep_tidy(pool);
    pool_shard_trim(pool);
    if (!pool->all && pool->shard_count <= pool->config->threads)
        uv_timer_stop(timer);
}

void pool_sweep_wake(struct pool *pool)
{
    uint64_t interval = interval_ms(pool);
    if (!uv_is_active((uv_handle_t *)&pool->sweep))
        uv_timer_start(&pool->sweep, on_sweep, interval, interval);
}
