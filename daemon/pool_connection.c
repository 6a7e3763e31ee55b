/* pool_connection: see pool_connection.h. */
#include "pool_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <utlist.h>

/* ---- What it says of its origin -------------------------------------------------------------- */

bool pool_connection_is_typical(const struct pool_connection *connection)
{
    return !connection->terms && !connection->has_identity && !connection->is_private;
}

/* Does it show which version of HTTP the origin chooses? */
static bool is_telling(const struct pool_connection *connection)
{
    return connection->kind == POOL_EITHER && pool_connection_is_typical(connection);
}

/* ---- State ---------------------------------------------------------------------------------- */

static bool is_counted(const struct pool_connection *connection)
{
    return connection->state != POOL_CONNECTION_CLOSING;
}

bool pool_connection_is_used(const struct pool_connection *connection)
{
    return connection->streams > 0;
}

bool pool_connection_is_usable(const struct pool_connection *connection)
{
    return connection->state == POOL_CONNECTION_OPEN && !connection->is_private;
}

static void join_idle(struct pool *pool, struct pool_connection *connection)
{
    if (connection->is_idle)
        return;
    connection->is_idle = true;
    DL_APPEND2(pool->idle, connection, idle_prev, idle_next);
}

static void leave_idle(struct pool *pool, struct pool_connection *connection)
{
    if (!connection->is_idle)
        return;
    connection->is_idle = false;
    DL_DELETE2(pool->idle, connection, idle_prev, idle_next); // NOLINT: it is in it
}

void pool_connection_set_clean(struct pool *pool, struct pool_connection *connection)
{
    pool->unclean -= connection->is_unclean;
    connection->is_unclean = false;
}

void pool_connection_set_unclean(struct pool *pool, struct pool_connection *connection)
{
    pool->unclean += !connection->is_unclean;
    connection->is_unclean = true;
    if (pool_connection_is_typical(connection))
        pool_upkeep_wake(pool);
    else
        pool_sweep_wake(pool); /* libcurl looks at these once a second: see pool_upkeep.c */
}

void pool_connection_set_state(struct pool *pool, struct pool_connection *connection,
                               enum pool_connection_state state)
{
    bool was_counted = is_counted(connection);
    assert(state > connection->state);
    if (connection->state == POOL_CONNECTION_OPENING) {
        pool->opening--;
        connection->origin->opening--;
    }
    connection->state = state;
    if (was_counted && !is_counted(connection)) {
        pool->count--;
        connection->origin->connection_count--;
    }
    if (state != POOL_CONNECTION_OPEN)
        leave_idle(pool, connection);
}

/* ---- Life ----------------------------------------------------------------------------------- */

static uint32_t next_tag(struct pool *pool)
{
    if (++pool->next_tag == 0) /* none: libcurl's "no scope" */
        pool->next_tag = 1;
    return pool->next_tag;
}

static struct origin *hold(struct pool *pool, struct origin *origin)
{
    return origin_hold(pool->setup.origins, origin->name, origin->host);
}

struct pool_connection *pool_connection_create(struct pool *pool, const struct pool_want *want)
{
    struct pool_connection *connection = calloc(1, sizeof *connection);
    char *terms = want->terms ? strdup(want->terms) : NULL;
    char *partition = want->partition ? strdup(want->partition) : NULL;
    if (!connection || (want->terms && !terms) || (want->partition && !partition)) {
        free(connection);
        free(terms);
        free(partition);
        return NULL;
    }
    uint64_t now = uv_hrtime();
    *connection = (struct pool_connection){
        .state = POOL_CONNECTION_OPENING,
        .tag = next_tag(pool),
        .number = pool->next_number++,
        .trust_number = pool->trust.number,
        .origin = hold(pool, want->origin), /* it exists: no memory is needed */
        .kind = want->kind,
        .owner = want->owner,
        .user = want->owner,
        .terms = terms,
        .partition = partition,
        .has_identity = want->has_identity,
        .is_alone = want->is_alone,
        .only_looks_up = want->only_looks_up,
        .is_private = want->is_private,
        .is_proxied = want->is_proxied,
        .http = "",
        .began_ns = now,
        .opened_ns = now,
        .idle_since_ns = now,
        .asked_ns = now,
        .streams = 1,
    };
    pool_shard_join(pool, connection->origin);
    DL_APPEND(pool->all, connection);
    DL_PREPEND2(connection->origin->connections, connection, origin_prev, origin_next);
    pool->count++;
    pool->opening++;
    connection->origin->connection_count++;
    connection->origin->opening++;
    pool_sweep_wake(pool);
    return connection;
}

static void destroy(struct pool *pool, struct pool_connection *connection)
{
    struct origin *origin = connection->origin;
    if (connection->state != POOL_CONNECTION_CLOSING)
        pool_connection_set_state(pool, connection, POOL_CONNECTION_CLOSING);
    pool_connection_end_look_up(pool, connection);
    pool_nudge_leave(pool, connection);
    pool_upkeep_forget(connection);
    pool_connection_set_clean(pool, connection);
    DL_DELETE(pool->all, connection);
    DL_DELETE2(origin->connections, connection, origin_prev, origin_next); // NOLINT: it is in it
    pool_shard_leave(origin);
    free(connection->terms);
    free(connection->partition);
    free(connection);
    pool_tell(pool, origin);
    origin_release(pool->setup.origins, origin);
}

/* ---- Use ------------------------------------------------------------------------------------ */

/* One that takes no more goes to the end: nobody who looks for a place has to pass it. */
void pool_connection_take(struct pool *pool, struct pool_connection *connection, uint64_t now_ns)
{
    struct origin *origin = connection->origin;
    leave_idle(pool, connection);
    if (connection->streams++ == 0)
        connection->asked_ns = now_ns;
    if (connection->most_streams == 1) {
        DL_DELETE2(origin->connections, connection, origin_prev,
                   origin_next); // NOLINT: it is in it
        DL_APPEND2(origin->connections, connection, origin_prev, origin_next);
    }
}

/* Two at a time have come to be on it: it is HTTP/2, and nobody needs to wait for its answer. */
static void note_sharing(struct pool *pool, struct pool_connection *connection)
{
    if (connection->streams < 2 || connection->http[0] || connection->most_streams != 2)
        return;
    connection->most_streams = pool->config->streams_per_connection;
    if (is_telling(connection))
        connection->origin->is_single = false;
    pool_tell(pool, connection->origin);
}

static void count_use(struct pool *pool, struct pool_connection *connection, bool is_reused)
{
    connection->origin->sent++;
    connection->origin->reused += is_reused;
    if (is_reused) {
        pool->stats->handshakes_saved++;
        pool->stats->saved_us += origin_note_reuse(connection->origin);
    }
    connection->requests++;
}

int pool_connection_use(struct pool_job *job, const struct pool_path *path, bool *out_is_reused)
{
    struct pool *pool = job->pool;
    struct pool_connection *connection = job->connection;
    if (connection->state == POOL_CONNECTION_OPENING) {
        int result = pool_opening_succeed(pool, connection, path);
        if (result < 0)
            return result;
    }
    *out_is_reused = connection->requests > 0;
    if (*out_is_reused)
        note_sharing(pool, connection);
    connection->asked_ns = uv_hrtime();
    connection->was_shared = connection->was_shared || connection->carried > 0;
    connection->carried++;
    connection->is_slow = connection->is_slow || job->is_slow;
    job->is_on = true;
    count_use(pool, connection, *out_is_reused);
    return 0;
}

/*
 * A connection that is still there had no room for it: it takes as many at a time as it carries
 * now. Before its first answer that may as well mean that it speaks HTTP/1.1. One that carries
 * nothing is of no use to libcurl, for whatever reason, and so to nobody.
 */
enum pool_gate pool_connection_note_refusal(struct pool *pool, struct pool_connection *connection,
                                            const struct pool_job *job)
{
    if (!connection->sock || connection->state == POOL_CONNECTION_CLOSING || job->is_on)
        return POOL_GATE_STALE;
    if (connection->carried == 0) {
        pool_connection_drain(pool, connection);
        return POOL_GATE_STALE;
    }
    connection->most_streams = connection->carried;
    if (!connection->http[0] && is_telling(connection))
        connection->origin->is_single = true;
    pool_tell(pool, connection->origin);
    return POOL_GATE_FULL;
}

static void become_idle(struct pool *pool, struct pool_connection *connection)
{
    connection->idle_since_ns = uv_hrtime();
    connection->pinged_ns = 0;
    if (!pool_connection_is_usable(connection)) {
        if (connection->state != POOL_CONNECTION_CLOSING)
            pool_connection_shut(pool, connection);
        return;
    }
    DL_DELETE2(connection->origin->connections, connection, origin_prev, origin_next);
    DL_PREPEND2(connection->origin->connections, connection, origin_prev, origin_next);
    join_idle(pool, connection);
}

void pool_leave(struct pool_job *job)
{
    struct pool *pool = job->pool;
    struct pool_connection *connection = job->connection;
    if (!connection)
        return;
    assert(connection->streams > 0);
    job->connection = NULL;
    connection->carried -= job->is_on;
    connection->is_slow = connection->is_slow && connection->carried > 0;
    job->is_on = false;
    connection->streams--;
    if (connection->state == POOL_CONNECTION_OPENING)
        pool_opening_end(pool, connection);
    if (connection->streams == 0 && !connection->sock) {
        destroy(pool, connection);
        return;
    }
    if (connection->streams == 0)
        become_idle(pool, connection);
    pool_tell(pool, connection->origin);
}

void pool_connection_note_answer(struct pool *pool, struct pool_connection *connection,
                                 const char *http, const char *keep_alive)
{
    struct origin *origin = connection->origin;
    bool is_news = connection->http != http;
    connection->http = http;
    if (pool_connection_is_typical(connection)) {
        idle_limit_note_field(&origin->idle_limit, keep_alive);
        origin->http = http;
    }
    if (!is_news)
        return;
    bool is_shared = http[0] == '2' && !connection->is_alone;
    connection->most_streams = is_shared ? pool->config->streams_per_connection : 1;
    if (is_telling(connection))
        origin->is_single = http[0] == '1';
    pool_tell(pool, origin);
}

void pool_connection_note_unprocessed(struct pool *pool, struct pool_connection *connection)
{
    connection->unprocessed++;
    if (pool_connection_is_typical(connection))
        request_limit_note(&connection->origin->request_limit, connection->number + 1,
                           connection->requests - connection->unprocessed, uv_hrtime() / NS_PER_MS);
    pool_connection_drain(pool, connection);
}

/* ---- End ------------------------------------------------------------------------------------ */

void pool_connection_set_closing(struct pool *pool, struct pool_connection *connection)
{
    if (connection->state == POOL_CONNECTION_CLOSING)
        return;
    pool_connection_set_state(pool, connection, POOL_CONNECTION_CLOSING);
    pool_connection_set_unclean(pool, connection);
    pool_tell(pool, connection->origin);
}

/*
 * libcurl has no call to drop one connection of its pool. It does drop those that it finds closed
 * when it looks at them, so the socket is shut down and left to it.
 */
void pool_connection_shut(struct pool *pool, struct pool_connection *connection)
{
    if (connection->sock)
        shutdown(connection->sock->fd, SHUT_RDWR);
    pool_connection_set_closing(pool, connection);
}

/* To connect to nowhere resets a TCP connection (connect(2), AF_UNSPEC), and leaves the descriptor
 * to libcurl. An end would wait behind what was not read and not sent. */
void pool_connection_reset(struct pool *pool, struct pool_connection *connection)
{
    struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    if (connection->sock)
        (void)connect(connection->sock->fd, &nowhere, sizeof nowhere); /* else the end will do */
    pool_connection_shut(pool, connection);
}

void pool_connection_drain(struct pool *pool, struct pool_connection *connection)
{
    if (connection->state != POOL_CONNECTION_OPEN)
        return;
    pool_connection_set_state(pool, connection, POOL_CONNECTION_DRAINING);
    if (connection->streams == 0)
        pool_connection_shut(pool, connection);
    pool_tell(pool, connection->origin);
}

void pool_connection_detach(struct pool *pool, struct pool_connection *connection)
{
    connection->sock = NULL;
    pool_nudge_leave(pool, connection);
    pool_connection_set_clean(pool, connection);
    if (connection->state != POOL_CONNECTION_CLOSING)
        pool_connection_set_state(pool, connection, POOL_CONNECTION_CLOSING);
    if (connection->streams == 0)
        destroy(pool, connection);
    else
        pool_tell(pool, connection->origin);
}

/* ---- What can be said of it ------------------------------------------------------------------ */

uint64_t pool_connection_idle_ms(const struct pool_connection *connection, uint64_t now_ns)
{
    if (connection->streams > 0 || connection->state == POOL_CONNECTION_OPENING)
        return 0;
    return (now_ns - connection->idle_since_ns) / NS_PER_MS;
}

bool pool_connection_is_stale(const struct pool *pool, const struct pool_connection *connection,
                              uint64_t now_ns)
{
    return pool_connection_idle_ms(connection, now_ns) >=
           pool_idle_limit_ms(pool, connection->origin, now_ns);
}

bool pool_connection_is_outlived(const struct pool *pool, const struct pool_connection *connection,
                                 uint64_t now_ns)
{
    return (now_ns - connection->opened_ns) / NS_PER_MS >= pool->config->pool_lifetime_ms;
}

const char *pool_connection_death(const struct pool_connection *connection)
{
    return connection->death;
}

bool pool_connection_is_http_2(const struct pool_connection *connection)
{
    return connection->http[0] == '2' || connection->kind == POOL_HTTP_2 || connection->was_shared;
}

static const char *describe_state(const struct pool_connection *connection)
{
    switch (connection->state) {
    case POOL_CONNECTION_OPENING:
        return "opening";
    case POOL_CONNECTION_OPEN:
        return connection->streams > 0 ? "active" : "idle";
    case POOL_CONNECTION_DRAINING:
        return "draining";
    case POOL_CONNECTION_CLOSING:
        return "closing";
    }
    return "";
}

struct pool_connection_info pool_connection_info(const struct pool_connection *connection)
{
    uint64_t now = uv_hrtime();
    return (struct pool_connection_info){
        .id = connection->number,
        .origin = connection->origin->name,
        .http = connection->http,
        .state = describe_state(connection),
        .peer = connection->peer,
        .owner = connection->owner,
        .is_shared = !connection->partition && !connection->is_private,
        .age_ms = (now - connection->opened_ns) / NS_PER_MS,
        .idle_ms = pool_connection_idle_ms(connection, now),
        .requests = connection->requests,
        .streams = connection->streams,
    };
}
