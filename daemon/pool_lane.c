/*
 * pool_lane: the slow lane. A connection whose answer is being decoded can cost ten milliseconds
 * with each look at it: a little of gzip becomes a thousand times as much. Those that are ready
 * wait here in order, and a few have their turn in each turn of the loop, so that nothing else
 * waits for all of them.
 */
#include "pool_internal.h"

#include <utlist.h>

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

/* Users take turns: the one who has waited longest of those who did not have the last look. */
static struct pool_socket *choose(const struct pool *pool)
{
    struct pool_socket *sock;
    DL_FOREACH2 (pool->lane, sock, lane_next) {
        if (sock->connection->user != pool->lane_user)
            return sock;
    }
    return pool->lane;
}

static void look_at(struct pool *pool, struct pool_socket *sock)
{
    int curl_flags = sock->lane_flags;
    pool->lane_user = sock->connection->user;
    pool_lane_leave(pool, sock);
    pool_drive_socket(sock, curl_flags); /* it may be gone after it */
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
