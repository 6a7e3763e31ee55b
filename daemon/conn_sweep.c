/*
 * conn_sweep: looks after the conns of which libuv says nothing.
 *
 * One that is not read from: its client may have half closed it, or have been held back, and if it
 * goes then, its requests are to end. One that could not be written to from inside libcurl, where
 * nothing may be ended. One that waits for the rest of a message, which has a deadline. One timer
 * looks after all such conns; it stands still when there are none.
 */
#include "conn_internal.h"

#include <poll.h>

#include <utlist.h>

#define SWEEP_MS 50

bool conn_has_hung_up(struct conn *conn)
{
    uv_os_fd_t fd;
    if (uv_fileno((uv_handle_t *)&conn->pipe, &fd) != 0)
        return true;
    struct pollfd poll_fd = {.fd = fd};
    return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & (POLLHUP | POLLERR));
}

static bool has_reason(const struct conn *conn)
{
    return !conn->is_reading || conn->is_broken || conn->incomplete_since_ns != 0;
}

static void look_at(struct conn *conn, uint64_t now_ns)
{
    if (!has_reason(conn))
        conn_unwatch(conn);
    else if (conn->is_broken || (!conn->is_reading && conn_has_hung_up(conn)))
        conn_gone(conn);
    else
        conn_check_clock(conn, now_ns);
}

static void on_sweep(uv_timer_t *timer)
{
    struct conn_shared *shared = timer->data;
    struct conn *conn, *next;
    uint64_t now_ns = uv_hrtime();
    DL_FOREACH_SAFE (shared->watched, conn, next)
        look_at(conn, now_ns);
    if (!shared->watched)
        uv_timer_stop(timer);
}

/* Most reasons pass at once, so the list is cleared, and the timer stopped, by the sweep alone. */
void conn_watch(struct conn *conn)
{
    struct conn_shared *shared = conn->shared;
    if (conn->is_watched || conn->state == CONN_CLOSED)
        return;
    conn->is_watched = true;
    DL_APPEND(shared->watched, conn);
    if (!uv_is_active((uv_handle_t *)&shared->sweep))
        uv_timer_start(&shared->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
}

void conn_unwatch(struct conn *conn)
{
    if (!conn->is_watched)
        return;
    conn->is_watched = false;
    DL_DELETE(conn->shared->watched, conn); // NOLINT(clang-analyzer-core.NullDereference): it is in
}

/* ---- The next turn -------------------------------------------------------------------------- */

static void set_sated(struct conn *conn, bool is_sated)
{
    struct conn_shared *shared = conn->shared;
    if (conn->is_sated == is_sated)
        return;
    conn->is_sated = is_sated;
    if (is_sated)
        DL_APPEND2(shared->sated, conn, sated_prev, sated_next);
    else
        DL_DELETE2(shared->sated, conn, sated_prev, sated_next); // NOLINT: it is in it
}

/* Those that are sated again are behind these, and wait for the turn after. */
static void on_next_turn(uv_idle_t *idle)
{
    struct conn_shared *shared = idle->data;
    struct conn *last = shared->sated ? shared->sated->sated_prev : NULL;
    uv_idle_stop(idle);
    shared->handed_up_ns = 0;
    while (shared->sated && shared->handed_up_ns < CONN_MESSAGES_PER_TURN_NS) {
        struct conn *conn = shared->sated;
        set_sated(conn, false);
        conn_go_on(conn);
        if (conn == last)
            break;
    }
    if (shared->sated)
        uv_idle_start(idle, on_next_turn);
}

void conn_sate(struct conn *conn)
{
    set_sated(conn, true);
    uv_idle_start(&conn->shared->next_turn, on_next_turn);
}

void conn_forget_sated(struct conn *conn)
{
    set_sated(conn, false);
}

static void on_before(uv_prepare_t *prepare)
{
    struct conn_shared *shared = prepare->data;
    conn_send_unsent(shared);
    shared->handed_up_ns = 0; /* a new turn */
}

static void on_after(uv_check_t *check)
{
    conn_send_unsent(check->data);
}

void conn_shared_open(struct conn_shared *shared, uv_loop_t *loop)
{
    shared->loop = loop;
    uv_timer_init(loop, &shared->sweep);
    uv_prepare_init(loop, &shared->before);
    uv_check_init(loop, &shared->after);
    uv_idle_init(loop, &shared->next_turn);
    shared->next_turn.data = shared;
    shared->sweep.data = shared->before.data = shared->after.data = shared;
    uv_prepare_start(&shared->before, on_before);
    uv_check_start(&shared->after, on_after);
    uv_unref((uv_handle_t *)&shared->before); /* these alone are no reason to run */
    uv_unref((uv_handle_t *)&shared->after);
}

void conn_shared_close(struct conn_shared *shared)
{
    buffer_finish(&shared->spare);
    uv_close((uv_handle_t *)&shared->sweep, NULL);
    uv_close((uv_handle_t *)&shared->before, NULL);
    uv_close((uv_handle_t *)&shared->after, NULL);
    uv_close((uv_handle_t *)&shared->next_turn, NULL);
}
