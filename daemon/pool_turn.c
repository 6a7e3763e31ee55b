/*
 * pool_turn: what the pool does in each turn of the loop, once the loop knows what is ready: first
 * what has come from origins, then the places that this and the clients' requests make it give out,
 * then what begins with these. So a request is on its way in the turn in which it came.
 *
 * Shards are driven at the same time where there are threads and enough to do. Nothing else of the
 * daemon runs meanwhile but what libcurl calls back, and of that one at a time, behind the gate; so
 * what is shared by all (tables, limits, clients, the loop's handles) is as whole as with one
 * thread, and nothing else needs a lock.
 */
#include "pool_internal.h"

#include <malloc.h>

#include <utlist.h>

#include "crew.h"

/*
 * A TLS handshake costs a millisecond or more of computing, and hundreds can be ready at once.
 * Those beyond this time, of which each shard has a share, are left for the next turn of the loop,
 * which finds their sockets ready still, so that nothing else waits for all of them.
 */
#define HANDSHAKES_PER_TURN_NS ((uint64_t)10 * NS_PER_MS)

/* The same for all that is ready: a thousand sockets can be, and clients wait meanwhile. */
#define READY_PER_TURN_NS ((uint64_t)20 * NS_PER_MS)

/* A step of a handshake is as much work as so many looks at sockets. */
#define HANDSHAKE_COST 8

/* In looks at sockets: for less, to wake a thread costs more than it helps. */
#define LEAST_PARALLEL_COST 8

/* ---- Threads -------------------------------------------------------------------------------- */

void pool_callback_begin(struct pool *pool)
{
    if (pool->is_parallel)
        pthread_mutex_lock(&pool->gate);
}

void pool_callback_end(struct pool *pool)
{
    if (pool->is_parallel)
        pthread_mutex_unlock(&pool->gate);
}

bool pool_may_touch_others(const struct pool *pool)
{
    return !pool->is_parallel;
}

/* Has those in `busy` driven, and then tells what is done, in order. */
static void drive_busy(struct pool *pool, void (*drive)(void *pool, size_t index), size_t cost)
{
    if (pool->crew && pool->busy_count > 1 && cost >= LEAST_PARALLEL_COST) {
        pool->is_parallel = true;
        crew_run(pool->crew, drive, pool, pool->busy_count);
        pool->is_parallel = false;
        for (size_t i = 0; i < pool->shard_count; i++)
            pool_shard_set_timer(pool->shards[i]);
    } else {
        for (size_t i = 0; i < pool->busy_count; i++)
            drive(pool, i);
    }
    for (size_t i = 0; i < pool->busy_count; i++)
        pool_shard_finish_jobs(pool->busy[i]);
}

/* ---- What is ready -------------------------------------------------------------------------- */

static bool is_shaking_hands(const struct pool_socket *sock)
{
    return !sock->connection && sock->is_opened_by_pool;
}

void pool_turn_enter(struct pool_socket *sock, int curl_flags)
{
    struct pool_shard *shard = sock->shard;
    if (curl_flags == 0)
        return;
    if (sock->ready_flags == 0) {
        DL_APPEND2(shard->ready, sock, ready_prev, ready_next);
        shard->ready_cost += is_shaking_hands(sock) ? HANDSHAKE_COST : 1;
    }
    sock->ready_flags |= curl_flags;
}

void pool_turn_leave(struct pool_socket *sock)
{
    if (sock->ready_flags == 0)
        return;
    sock->ready_flags = 0;
    DL_DELETE2(sock->shard->ready, sock, ready_prev, ready_next); // NOLINT: it is in it
}

static uint64_t handshake_share_ns(const struct pool *pool)
{
    size_t threads = pool->config->threads, busy = pool->busy_count;
    return HANDSHAKES_PER_TURN_NS * (threads < busy ? threads : busy) / busy;
}

/* `*spent_ns`: on those before it, in this turn. One is let through in any case. */
static void shake_hands(struct pool_shard *shard, curl_socket_t fd, int curl_flags,
                        uint64_t *spent_ns)
{
    if (*spent_ns >= handshake_share_ns(shard->pool))
        return;
    uint64_t begun_ns = uv_hrtime();
    pool_shard_drive(shard, fd, curl_flags);
    *spent_ns += uv_hrtime() - begun_ns;
}

/* Each socket may be gone after it, and others of the shard with it. */
static void drive_ready(void *ctx, size_t index)
{
    const struct pool *pool = ctx;
    struct pool_shard *shard = pool->busy[index];
    uint64_t begun_ns = uv_hrtime(), shaken_ns = 0;
    shard->ready_cost = 0;
    while (shard->ready && uv_hrtime() - begun_ns < READY_PER_TURN_NS / pool->busy_count) {
        struct pool_socket *sock = shard->ready;
        int curl_flags = sock->ready_flags;
        pool_turn_leave(sock);
        if (is_shaking_hands(sock))
            shake_hands(shard, sock->fd, curl_flags, &shaken_ns);
        else
            pool_shard_drive(shard, sock->fd, curl_flags);
    }
    while (shard->ready) /* the loop finds them again */
        pool_turn_leave(shard->ready);
}

static void drive_all_ready(struct pool *pool)
{
    size_t cost = 0;
    pool->busy_count = 0;
    for (size_t i = 0; i < pool->shard_count; i++) {
        if (!pool->shards[i]->ready)
            continue;
        pool->busy[pool->busy_count++] = pool->shards[i];
        cost += pool->shards[i]->ready_cost;
    }
    drive_busy(pool, drive_ready, cost);
}

/* ---- What is due ---------------------------------------------------------------------------- */

static void drive_due(void *ctx, size_t index)
{
    const struct pool *pool = ctx;
    pool->busy[index]->due_cost = 0;
    pool_shard_drive_due(pool->busy[index]);
}

/* What is due anew by that is left for the next turn. */
static void drive_all_due(struct pool *pool)
{
    size_t cost = 0;
    if (!uv_is_active((uv_handle_t *)&pool->no_wait))
        return;
    uv_idle_stop(&pool->no_wait);
    pool->busy_count = 0;
    for (size_t i = 0; i < pool->shard_count; i++) {
        if (!pool->shards[i]->is_due)
            continue;
        pool->busy[pool->busy_count++] = pool->shards[i];
        cost += pool->shards[i]->due_cost;
    }
    drive_busy(pool, drive_due, cost);
}

/* ---- The turn ------------------------------------------------------------------------------- */

/* It is there so that the loop does not sleep. */
static void on_no_wait(uv_idle_t *idle)
{
    (void)idle;
}

void pool_turn_wake(struct pool *pool)
{
    uv_idle_start(&pool->no_wait, on_no_wait);
}

void pool_turn_on_check(uv_check_t *check)
{
    struct pool *pool = check->data;
    drive_all_ready(pool);
    pool->setup.on_turn(pool->setup.ctx);
    drive_all_due(pool);
}

/* A callback may have libcurl call back again. */
static void open_gate(struct pool *pool)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&pool->gate, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

/* Helpers allocate where the loop's thread does, not in arenas of their own: what is free there
 * would be of use to none but them. */
int pool_turn_open(struct pool *pool)
{
    size_t helpers = pool->config->threads - 1;
    open_gate(pool);
    if (helpers > 0)
        mallopt(M_ARENA_MAX, 1);
    return helpers > 0 ? crew_create(&pool->crew, helpers, "fetchpoold-pool") : 0;
}

void pool_turn_close(struct pool *pool)
{
    crew_destroy(pool->crew);
    pthread_mutex_destroy(&pool->gate);
}
