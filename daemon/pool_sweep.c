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

static uint64_t interval_ms(const struct pool *pool)
{
    uint64_t interval = pool->config->h2_ping_timeout_ms / SWEEP_SHARE;
    if (interval == 0 || interval > MOST_INTERVAL_MS)
        return MOST_INTERVAL_MS;
    return interval < LEAST_INTERVAL_MS ? LEAST_INTERVAL_MS : interval;
}

/* ---- Age ------------------------------------------------------------------------------------ */

static bool is_idle_too_long(const struct pool *pool, const struct pool_connection *connection,
                             uint64_t now)
{
    uint64_t idle_ms = pool_connection_idle_ms(connection, now);
    return connection->is_idle &&
           idle_ms >= idle_limit_get(&connection->origin->idle_limit,
                                     pool->config->pool_idle_timeout_ms, now / NS_PER_MS);
}

static void check_age(struct pool *pool, struct pool_connection *connection, uint64_t now)
{
    if (connection->state != POOL_CONNECTION_OPEN)
        return;
    if (is_idle_too_long(pool, connection, now))
        pool_connection_shut(pool, connection);
    else if ((now - connection->opened_ns) / NS_PER_MS >= pool->config->pool_lifetime_ms)
        pool_connection_drain(pool, connection);
}

/* ---- Silence -------------------------------------------------------------------------------- */

/* Since when nothing was heard, though something was asked; 0: it may be silent. While libcurl does
 * not read, because nobody takes what comes, nothing can be heard. */
static uint64_t silent_since_ns(const struct pool_connection *connection)
{
    const struct pool_socket *sock = connection->sock;
    if (!sock || connection->carried == 0 || !pool_connection_is_http_2(connection) ||
        connection->state == POOL_CONNECTION_CLOSING || !(sock->wanted & UV_READABLE))
        return 0;
    return sock->heard_ns > connection->asked_ns ? sock->heard_ns : connection->asked_ns;
}

/* Returns whether it is to be pinged. */
static bool check_silence(struct pool *pool, struct pool_connection *connection, uint64_t now)
{
    uint64_t timeout_ns = pool->config->h2_ping_timeout_ms * NS_PER_MS;
    uint64_t since_ns = silent_since_ns(connection);
    if (since_ns == 0 || timeout_ns == 0 || connection->sock->heard_ns > connection->pinged_ns)
        connection->pinged_ns = 0;
    if (since_ns == 0 || timeout_ns == 0)
        return false;
    if (connection->pinged_ns == 0)
        return now - since_ns >= timeout_ns / PING_AFTER_SHARE;
    if (now - connection->pinged_ns < timeout_ns / PING_ANSWER_SHARE)
        return false;
    connection->death = unanswered;
    pool_connection_reset(pool, connection);
    return false;
}

/* ---- All ------------------------------------------------------------------------------------ */

/* libcurl has one call for all connections; each that is pinged has to answer. */
static void note_pings(struct pool *pool, uint64_t now)
{
    struct pool_connection *connection;
    DL_FOREACH (pool->all, connection) {
        if (silent_since_ns(connection) != 0 && connection->pinged_ns == 0)
            connection->pinged_ns = now;
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
        pings = check_silence(pool, connection, now) || pings;
    }
    if (pings) {
        note_pings(pool, now);
        pool_upkeep_ping(pool);
    }
    if (pool->unclean > 0)
        pool_upkeep_tidy(pool);
    if (!pool->all)
        uv_timer_stop(timer);
}

void pool_sweep_wake(struct pool *pool)
{
    uint64_t interval = interval_ms(pool);
    if (!uv_is_active((uv_handle_t *)&pool->sweep))
        uv_timer_start(&pool->sweep, on_sweep, interval, interval);
}
