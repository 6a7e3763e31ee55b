/* pool_nudge: resets that libcurl leaves unsent; see pool_connection_nudge() in pool.h. */
#include "pool_internal.h"

#include <utlist.h>

#define NUDGE_STEP_MS 10

void pool_nudge_leave(struct pool *pool, struct pool_connection *connection)
{
    if (!connection->is_nudged)
        return;
    connection->is_nudged = false;
    DL_DELETE2(pool->nudged, connection, nudged_prev, nudged_next); // NOLINT: it is in it
    if (!pool->nudged)
        uv_timer_stop(&pool->nudge);
}

/* What is done about one. Returns whether it is done with; it may be gone then. */
static bool nudge(struct pool *pool, struct pool_connection *connection)
{
    bool has_new_request = connection->requests != connection->nudged_requests;
    bool is_late = uv_hrtime() - connection->nudged_ns >= (uint64_t)POOL_NUDGE_MS * NS_PER_MS;
    if (!has_new_request && connection->streams == 0 && !is_late)
        return false;
    pool_nudge_leave(pool, connection);
    if (has_new_request)
        return true;
    if (connection->streams > 0)
        pool_drive_socket(connection->sock, CURL_CSELECT_IN);
    else
        pool_connection_reset(pool, connection);
    return true;
}

static void on_nudge(uv_timer_t *timer)
{
    struct pool *pool = timer->data;
    struct pool_connection *connection = pool->nudged;
    while (connection) {
        /* What is driven may change the list anywhere: then it is begun anew. */
        connection = nudge(pool, connection) ? pool->nudged : connection->nudged_next;
    }
}

void pool_connection_nudge(struct pool *pool, struct pool_connection *connection)
{
    if (!connection->sock || !pool->leaves_resets)
        return; /* HTTP/1.1 is told by the end of its connection */
    connection->nudged_ns = uv_hrtime();
    connection->nudged_requests = connection->requests;
    if (connection->is_nudged)
        return;
    connection->is_nudged = true;
    DL_APPEND2(pool->nudged, connection, nudged_prev, nudged_next);
    if (!uv_is_active((uv_handle_t *)&pool->nudge))
        uv_timer_start(&pool->nudge, on_nudge, NUDGE_STEP_MS, NUDGE_STEP_MS);
}
