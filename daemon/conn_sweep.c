/*
 * conn_sweep: looks after the conns that are not read from.
 *
 * libuv says nothing of a socket that it does not read from, and a client whose requests run may
 * have half closed it, or have been held back. If it goes then, its requests are to end. One timer
 * looks after all such conns, and stands still when there are none.
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

static void on_sweep(uv_timer_t *timer)
{
    struct conn_shared *shared = timer->data;
    struct conn *conn, *next;
    DL_FOREACH_SAFE (shared->deaf, conn, next) {
        if (conn_has_hung_up(conn))
            conn_gone(conn);
    }
}

void conn_set_deaf(struct conn *conn, bool is_deaf)
{
    struct conn_shared *shared = conn->shared;
    if (is_deaf == conn->is_deaf)
        return;
    conn->is_deaf = is_deaf;
    if (is_deaf)
        DL_APPEND(shared->deaf, conn);
    else
        DL_DELETE(shared->deaf, conn); // NOLINT(clang-analyzer-core.NullDereference): it is in it
    if (!shared->deaf)
        uv_timer_stop(&shared->sweep);
    else if (!uv_is_active((uv_handle_t *)&shared->sweep))
        uv_timer_start(&shared->sweep, on_sweep, SWEEP_MS, SWEEP_MS);
}

void conn_shared_open(struct conn_shared *shared, uv_loop_t *loop)
{
    shared->loop = loop;
    shared->deaf = NULL;
    uv_timer_init(loop, &shared->sweep);
    shared->sweep.data = shared;
}

void conn_shared_close(struct conn_shared *shared)
{
    uv_close((uv_handle_t *)&shared->sweep, NULL);
}
