/*
 * pool_lane: the slow lane. A connection whose answer is being decoded can cost ten milliseconds
 * with each look at it: a little of gzip becomes a thousand times as much. Those that are ready
 * wait here in order, and a few have their turn in each turn of the loop, so that nothing else
 * waits for all of them.
 */
#include "pool_internal.h"

#include <utlist.h>

/* Of so many turns, one is that of whoever has waited longest. */
#define LANE_FAIRNESS 4

/* In one turn of the loop; the one that goes beyond it is the last. */
#define LANE_PER_TURN_NS ((uint64_t)10 * NS_PER_MS)

void pool_lane_leave(struct pool *pool, struct pool_socket *sock)
{
    if (sock->lane_flags == 0)
        return;
    sock->lane_flags = 0;
    DL_DELETE2(pool->lane, sock, lane_prev, lane_next); // NOLINT: it is in it
    if (!pool->lane)
        uv_idle_stop(&pool->lane_turn);
}

/*
 * The one whose last look cost least, so that an answer which is what it says need not wait for
 * bombs; but none waits for ever. What has not been looked at is taken to cost much.
 */
static struct pool_socket *choose(struct pool *pool)
{
    struct pool_socket *sock, *best = pool->lane;
    if (++pool->lane_turns % LANE_FAIRNESS == 0)
        return best;
    DL_FOREACH2 (pool->lane, sock, lane_next) {
        if (sock->look_cost_ns < best->look_cost_ns)
            best = sock;
    }
    return best;
}

static void look_at(struct pool *pool, struct pool_socket *sock)
{
    curl_socket_t fd = sock->fd;
    int curl_flags = sock->lane_flags;
    uint64_t begun_ns = uv_hrtime();
    pool_lane_leave(pool, sock);
    pool_drive_socket(pool, fd, curl_flags);
    sock = pool_sockets_find(&pool->sockets, fd); /* it may be gone */
    if (sock)
        sock->look_cost_ns = uv_hrtime() - begun_ns;
}

static void on_turn(uv_idle_t *idle)
{
    struct pool *pool = idle->data;
    uint64_t begun_ns = uv_hrtime();
    do
        look_at(pool, choose(pool));
    while (pool->lane && uv_hrtime() - begun_ns < LANE_PER_TURN_NS);
}

void pool_lane_enter(struct pool *pool, struct pool_socket *sock, int curl_flags)
{
    if (sock->lane_flags == 0) {
        DL_APPEND2(pool->lane, sock, lane_prev, lane_next);
        uv_idle_start(&pool->lane_turn, on_turn);
    }
    sock->lane_flags |= curl_flags;
}
