/*
 * pool_turn: what the pool does in each turn of the loop, once the loop knows what is ready: first
 * what has come from origins, then the places that this and the clients' requests make it give out,
 * then what begins with these. So a request is on its way in the turn in which it came.
 */
#include "pool_internal.h"

#include <utlist.h>

/*
 * A TLS handshake costs a millisecond or more of computing, and hundreds can be ready at once.
 * Those beyond this time are left for the next turn of the loop, which finds their sockets ready
 * still, so that nothing else waits for all of them.
 */
#define HANDSHAKES_PER_TURN_NS ((uint64_t)10 * NS_PER_MS)

/* ---- What is ready -------------------------------------------------------------------------- */

void pool_turn_enter(struct pool_socket *sock, int curl_flags)
{
    if (curl_flags == 0)
        return;
    if (sock->ready_flags == 0)
        DL_APPEND2(sock->shard->ready, sock, ready_prev, ready_next);
    sock->ready_flags |= curl_flags;
}

void pool_turn_leave(struct pool_socket *sock)
{
    if (sock->ready_flags == 0)
        return;
    sock->ready_flags = 0;
    DL_DELETE2(sock->shard->ready, sock, ready_prev, ready_next); // NOLINT: it is in it
}

static bool is_shaking_hands(const struct pool_socket *sock)
{
    return !sock->connection && sock->is_opened_by_pool;
}

static void shake_hands(struct pool_shard *shard, curl_socket_t fd, int curl_flags)
{
    if (shard->shaken_in_turn_ns >= HANDSHAKES_PER_TURN_NS)
        return;
    uint64_t begun_ns = uv_hrtime();
    pool_shard_drive(shard, fd, curl_flags);
    shard->shaken_in_turn_ns += uv_hrtime() - begun_ns;
}

/* Each socket may be gone after it, and others of the shard with it. */
static void drive_ready(struct pool_shard *shard)
{
    shard->shaken_in_turn_ns = 0;
    while (shard->ready) {
        struct pool_socket *sock = shard->ready;
        int curl_flags = sock->ready_flags;
        pool_turn_leave(sock);
        if (is_shaking_hands(sock))
            shake_hands(shard, sock->fd, curl_flags);
        else
            pool_shard_drive(shard, sock->fd, curl_flags);
    }
}

static void drive_all_ready(struct pool *pool)
{
    for (size_t i = 0; i < pool->shard_count; i++) {
        if (!pool->shards[i]->ready)
            continue;
        drive_ready(pool->shards[i]);
        pool_shard_finish_jobs(pool->shards[i]);
    }
}

/* ---- What is due ---------------------------------------------------------------------------- */

/* What is due anew by that is left for the next turn. */
static void drive_all_due(struct pool *pool)
{
    if (!uv_is_active((uv_handle_t *)&pool->no_wait))
        return;
    uv_idle_stop(&pool->no_wait);
    for (size_t i = 0; i < pool->shard_count; i++) {
        if (!pool->shards[i]->is_due)
            continue;
        pool_shard_drive_due(pool->shards[i]);
        pool_shard_finish_jobs(pool->shards[i]);
    }
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

static void on_turn(uv_check_t *check)
{
    struct pool *pool = check->data;
    drive_all_ready(pool);
    pool->setup.on_turn(pool->setup.ctx);
    drive_all_due(pool);
}

void pool_turn_open(struct pool *pool)
{
    uv_idle_init(pool->loop, &pool->no_wait);
    uv_check_init(pool->loop, &pool->turn);
    pool->no_wait.data = pool->turn.data = pool;
    uv_check_start(&pool->turn, on_turn);
    uv_unref((uv_handle_t *)&pool->turn);
    pool->handles_open += 2;
}
