/* pool_place: which connection a request gets, or what it has to wait for. */
#include "pool_internal.h"

#include <string.h>

#include <utlist.h>

/* ---- Those that are open -------------------------------------------------------------------- */

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool is_of_kind(const struct pool_connection *connection, const struct pool_want *want)
{
    return connection->kind == want->kind && connection->is_alone == want->is_alone &&
           is_same_text(connection->terms, want->terms) &&
           is_same_text(connection->partition, want->partition);
}

/*
 * Over HTTP/2 the first that an origin says is how many requests it takes at a time; what is sent
 * before that is known, and is more, is refused. Over TLS it may say something else just before, or
 * have said it with the handshake's end. So: a moment after it has said something, or after as long
 * as opening the connection took, which is more than one round trip.
 */
#define SETTLE_MS 5

static uint64_t settled_at_ns(const struct pool_connection *connection)
{
    uint64_t took_ns = connection->ready_ns - connection->opened_ns;
    uint64_t since_ns = connection->heard_ns ? connection->heard_ns
                                             : connection->ready_ns + took_ns;
    return since_ns + (uint64_t)SETTLE_MS * NS_PER_MS;
}

static bool has_settled(const struct pool_connection *connection, uint64_t now)
{
    return connection->http[0] || now >= settled_at_ns(connection);
}

/* Has it carried, or is it to carry, all that its origin takes over one? */
static bool is_used_up(const struct pool_connection *connection, uint64_t now)
{
    uint64_t placed = connection->requests + connection->streams - connection->carried;
    return placed >= request_limit_get(&connection->origin->request_limit, now / NS_PER_MS) &&
           pool_connection_is_http_2(connection);
}

static bool is_good_for(const struct pool *pool, const struct pool_connection *connection,
                        const struct pool_want *want, uint64_t now)
{
    return pool_connection_is_usable(connection) && is_of_kind(connection, want) &&
           connection->began_ns >= want->begun_after_ns && !is_used_up(connection, now) &&
           !pool_connection_is_stale(pool, connection, now) &&
           !pool_connection_is_outlived(pool, connection, now);
}

static bool may_reach(const struct pool_connection *connection, const struct pool_want *want)
{
    const struct pool_guard *guard = want->guard;
    return !guard || guard->may_reach(guard->ctx, &connection->address, false);
}

static bool has_room(const struct pool_connection *connection, uint64_t now)
{
    return connection->streams < connection->most_streams &&
           (connection->streams == 0 || has_settled(connection, now));
}

/* Is an idle one as good as any, for those that would come before it take one request at a time? */
static bool wants_single(const struct pool_want *want)
{
    return want->choice == POOL_ANY &&
           (want->kind == POOL_HTTP_1 || (want->origin->is_single && !want->terms));
}

/*
 * One that carries others already comes before an idle one, so that no more are in use than need
 * be; among the idle ones, the one used last: those beyond what is needed reach their idle limit.
 */
static struct pool_connection *find_open(const struct pool *pool, const struct pool_want *want,
                                         uint64_t now)
{
    struct pool_connection *connection, *best = NULL;
    bool is_single = wants_single(want);
    DL_FOREACH2 (want->origin->connections, connection, origin_next) {
        if (!has_room(connection, now) || !is_good_for(pool, connection, want, now))
            continue;
        bool is_this = want->choice == POOL_THIS && connection->number == want->number;
        bool is_choice = want->choice == POOL_THIS ? is_this && connection->is_idle
                                                   : is_single || connection->streams > 0;
        if ((best && !is_choice) || !may_reach(connection, want))
            continue;
        if (is_choice)
            return connection;
        best = connection;
    }
    return best;
}

/* ---- Those that could be opened -------------------------------------------------------------- */

/*
 * Until when to wait for what this connection is about to show: whether it has room for more. It
 * is being opened, or it waits for the first answer, or a second request is being tried on it. 0:
 * it is none of these.
 */
static uint64_t undecided_until_ns(const struct pool_connection *connection, uint64_t now,
                                   uint64_t share_end_ns)
{
    if (connection->state == POOL_CONNECTION_OPENING)
        return share_end_ns;
    if (connection->state != POOL_CONNECTION_OPEN || connection->http[0])
        return 0;
    if (now < settled_at_ns(connection))
        return settled_at_ns(connection);
    bool is_tried = connection->streams > 1 && connection->carried < 2;
    return connection->is_cautious || is_tried ? share_end_ns : 0;
}

/* Somebody is opening a connection that may turn out to have room for this request, too: until when
 * to wait for that; 0: nobody is. */
static uint64_t shared_until_ns(const struct pool *pool, const struct pool_want *want, uint64_t now)
{
    const struct pool_connection *connection;
    uint64_t share_end_ns = want->origin->opening_since_ns +
                            pool->config->share_timeout_ms * NS_PER_MS;
    if (want->choice == POOL_NEW || want->kind == POOL_HTTP_1 || want->origin->is_single ||
        want->is_private || want->is_alone || now >= share_end_ns)
        return 0;
    DL_FOREACH2 (want->origin->connections, connection, origin_next) {
        if (connection->is_private || connection->began_ns < want->begun_after_ns ||
            !is_of_kind(connection, want))
            continue;
        uint64_t until_ns = undecided_until_ns(connection, now, share_end_ns);
        if (until_ns != 0)
            return until_ns < share_end_ns ? until_ns : share_end_ns;
    }
    return 0;
}

static const struct pool_connection *find_look_up(const struct pool *pool, const char *host)
{
    const struct pool_connection *connection;
    DL_FOREACH2 (pool->looking_up, connection, look_next) {
        if (strcmp(connection->origin->host, host) == 0)
            return connection;
    }
    return NULL;
}

static size_t count_look_ups_of(const struct pool *pool, uint32_t owner)
{
    const struct pool_connection *connection;
    size_t count = 0;
    DL_FOREACH2 (pool->looking_up, connection, look_next)
        count += connection->owner == owner;
    return count;
}

/* libcurl believes a name for dns_ttl; it counts in seconds, so the last one is not relied upon. */
static bool is_name_known(const struct pool *pool, const struct origin *origin, uint64_t now)
{
    uint64_t ttl_ms = pool->config->dns_ttl_ms;
    return origin->is_literal || (origin->looked_up_ns != 0 && ttl_ms > 1000 &&
                                  (now - origin->looked_up_ns) / NS_PER_MS < ttl_ms - 1000);
}

static enum pool_verdict check_look_up(const struct pool *pool, const struct pool_want *want,
                                       uint64_t now)
{
    if (is_name_known(pool, want->origin, now))
        return POOL_GO;
    if (find_look_up(pool, want->origin->host))
        return POOL_OPENING;
    bool has_slot = pool->look_ups < pool->config->lookups &&
                    count_look_ups_of(pool, want->owner) < (pool->config->lookups + 1) / 2;
    return has_slot ? POOL_GO : POOL_FULL_LOOKUPS;
}

/* The one of an origin that has been idle longest: to make room for one of another kind. */
static struct pool_connection *find_idle_of(const struct pool *pool, const struct origin *origin)
{
    struct pool_connection *connection;
    DL_FOREACH2 (pool->idle, connection, idle_next) {
        if (connection->origin == origin)
            return connection;
    }
    return NULL;
}

/* Those that were shut down have the last descriptors, until libcurl has looked at them. Who was
 * placed in this turn, or looks a name up, has none yet. */
static bool awaits_descriptor(const struct pool *pool)
{
    size_t taken = pool->sockets_open + pool->begun_in_turn + pool->look_ups;
    return pool->unclean > 0 && taken >= pool->setup.most_sockets;
}

static enum pool_verdict make_room(struct pool *pool, const struct pool_want *want)
{
    if (want->origin->connection_count >= pool->config->connections_per_origin) {
        struct pool_connection *idle = find_idle_of(pool, want->origin);
        if (!idle)
            return POOL_FULL_ORIGIN;
        pool_connection_shut(pool, idle);
    }
    if (pool->count >= pool->most_connections) {
        if (!pool->idle)
            return POOL_FULL;
        pool_connection_shut(pool, pool->idle);
    }
    return POOL_GO;
}

/* When the latest attempt to connect to the origin itself began; 0: none is being made. */
static uint64_t latest_attempt_ns(const struct origin *origin)
{
    const struct pool_connection *connection;
    uint64_t latest_ns = 0;
    DL_FOREACH2 (origin->connections, connection, origin_next) {
        if (connection->state == POOL_CONNECTION_OPENING && !connection->is_proxied &&
            !connection->only_looks_up && connection->began_ns > latest_ns)
            latest_ns = connection->began_ns;
    }
    return latest_ns;
}

/* The one that is made is waited for as long as the configuration gives it: its client may be more
 * patient than others are. */
static enum pool_verdict wait_for_trial(const struct pool *pool, struct origin *origin,
                                        uint64_t now, uint64_t *out_again_ns)
{
    uint64_t end_ns = latest_attempt_ns(origin) + pool->config->connect_timeout_ms * NS_PER_MS;
    if (now < end_ns) {
        *out_again_ns = end_ns;
        return POOL_OPENING;
    }
    breaker_note_abandoned(&origin->breaker, now / NS_PER_MS);
    return POOL_GO;
}

/* Is there anything that says not to try? */
static enum pool_verdict check_health(const struct pool *pool, const struct pool_want *want,
                                      uint64_t now, uint64_t *out_again_ns)
{
    struct origin *origin = want->origin;
    if (origin->failed_ns != 0 && want->waited_ns <= origin->failed_ns)
        return POOL_FAILED;
    switch (breaker_ask(&origin->breaker, now / NS_PER_MS)) {
    case BREAKER_GO:
        break;
    case BREAKER_WAIT:
        return wait_for_trial(pool, origin, now, out_again_ns);
    case BREAKER_FAIL:
        *out_again_ns = origin->breaker.until_ms * NS_PER_MS;
        return POOL_RESTING;
    }
    return POOL_GO;
}

/* Connections that are begun in one turn of the loop: a TLS handshake takes a millisecond of it,
 * and those that begin together go on together. */
#define MOST_BEGUN_IN_TURN 8

/* Requests that are placed in one turn: each takes a tenth of a millisecond, and what has come in
 * meanwhile should not wait for hundreds of them. */
#define MOST_PLACED_IN_TURN 128

/* A request that gets no connection for want of memory tries again after this. */
#define NO_MEMORY_MS 100

/* And one that waits for a descriptor, if none has become free before. */
#define NO_DESCRIPTOR_MS 50

void pool_begin_turn(struct pool *pool)
{
    pool->begun_in_turn = pool->placed_in_turn = 0;
}

/* May this request open a connection now? */
static enum pool_verdict check_opening(const struct pool *pool, const struct pool_want *want,
                                       uint64_t now, uint64_t *out_again_ns)
{
    bool is_tried = !want->is_proxied && !want->only_looks_up;
    enum pool_verdict verdict = is_tried ? check_health(pool, want, now, out_again_ns) : POOL_GO;
    if (verdict != POOL_GO)
        return verdict;
    uint64_t shared_ns = shared_until_ns(pool, want, now);
    if (shared_ns != 0) {
        *out_again_ns = shared_ns;
        return POOL_OPENING;
    }
    return want->is_proxied ? POOL_GO : check_look_up(pool, want, now);
}

static struct pool_connection *open_one(struct pool *pool, const struct pool_want *want,
                                        uint64_t now)
{
    struct pool_connection *connection = pool_connection_create(pool, want);
    if (!connection)
        return NULL;
    if (!want->is_proxied && !want->only_looks_up)
        breaker_note_attempt(&want->origin->breaker);
    if (want->origin->opening == 1)
        want->origin->opening_since_ns = now;
    if (!want->is_proxied && !is_name_known(pool, want->origin, now)) {
        connection->is_looking_up = true;
        DL_APPEND2(pool->looking_up, connection, look_prev, look_next);
        pool->look_ups++;
    }
    return connection;
}

enum pool_verdict pool_place(struct pool *pool, const struct pool_want *want,
                             struct pool_connection **out_connection, uint64_t *out_again_ns)
{
    uint64_t now = uv_hrtime();
    *out_again_ns = UINT64_MAX;
    if (pool->placed_in_turn++ >= MOST_PLACED_IN_TURN)
        return POOL_PACED;
    bool may_reuse = !want->is_private && want->choice != POOL_NEW;
    struct pool_connection *connection = may_reuse ? find_open(pool, want, now) : NULL;
    if (connection) {
        pool_connection_take(pool, connection, now);
        connection->user = want->owner;
        *out_connection = connection;
        return POOL_GO;
    }
    enum pool_verdict verdict = check_opening(pool, want, now, out_again_ns);
    if (verdict == POOL_GO && pool->begun_in_turn >= MOST_BEGUN_IN_TURN)
        verdict = POOL_PACED;
    if (verdict == POOL_GO && !want->only_looks_up && awaits_descriptor(pool)) {
        *out_again_ns = now + (uint64_t)NO_DESCRIPTOR_MS * NS_PER_MS;
        verdict = POOL_FULL;
    }
    if (verdict == POOL_GO && !want->only_looks_up)
        verdict = make_room(pool, want);
    if (verdict != POOL_GO)
        return verdict;
    pool->begun_in_turn++;
    connection = open_one(pool, want, now);
    if (!connection) {
        *out_again_ns = now + (uint64_t)NO_MEMORY_MS * NS_PER_MS; /* nothing else would wake it */
        return POOL_FULL;
    }
    *out_connection = connection;
    return POOL_GO;
}

/* ---- What can be said of them ---------------------------------------------------------------- */

size_t pool_count_idle(const struct origin *origin)
{
    const struct pool_connection *connection;
    size_t count = 0;
    DL_FOREACH2 (origin->connections, connection, origin_next)
        count += connection->is_idle;
    return count;
}

/* Those that carry requests are the ones used last, wherever they are in the list. */
static size_t count_used(const struct pool *pool, const struct pool_want *want, uint64_t now)
{
    const struct pool_connection *connection;
    size_t count = 0;
    DL_FOREACH2 (want->origin->connections, connection, origin_next)
        count += !connection->is_idle && is_good_for(pool, connection, want, now);
    return count;
}

struct pool_outlook pool_look(const struct pool *pool, const struct pool_want *want, size_t most)
{
    const struct pool_connection *connection;
    uint64_t now = uv_hrtime();
    struct pool_outlook outlook = {.usable = count_used(pool, want, now)};
    uint64_t limit_ms = pool_idle_limit_ms(pool, want->origin, now);
    DL_FOREACH2 (want->origin->connections, connection, origin_next) {
        if (!connection->is_idle || !is_good_for(pool, connection, want, now))
            continue;
        if (++outlook.usable > most || pool_connection_idle_ms(connection, now) < limit_ms / 2)
            continue;
        outlook.has_aging = true;
        outlook.number = connection->number;
    }
    return outlook;
}
