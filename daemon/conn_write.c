/*
 * conn_write: the way out of a conn. What the kernel does not take at once waits in `sending`,
 * under way in libuv; what is written meanwhile, in `out`. Errors show in on_written() or in the
 * sweep, never in the call that wrote: who writes may be in the middle of libcurl.
 */
#include "conn_internal.h"

struct buffer *conn_output(struct conn *conn)
{
    return &conn->out;
}

bool conn_has_room(const struct conn *conn)
{
    return conn->out.length == 0 && conn->sending.length == 0;
}

static void break_off(struct conn *conn)
{
    conn->is_broken = true;
    conn_watch(conn);
}

static void on_written(uv_write_t *write, int status);

/* What the kernel did not take at once is given to libuv, which waits for room. */
static void send_rest(struct conn *conn)
{
    conn->sending = conn->out;
    buffer_init(&conn->out, conn->shared->max_unread_bytes);
    uv_buf_t buf = uv_buf_init((char *)conn->sending.data, (unsigned)conn->sending.length);
    if (uv_write(&conn->write, (uv_stream_t *)&conn->pipe, &buf, 1, on_written) != 0) {
        buffer_finish(&conn->sending);
        break_off(conn);
    }
}

/* An error is met again by send_rest(), and told from the loop. */
static size_t send_now(struct conn *conn, const uv_buf_t *pieces, unsigned count)
{
    int sent = uv_try_write((uv_stream_t *)&conn->pipe, pieces, count);
    if (sent <= 0)
        return 0;
    conn->bytes_written += (uint64_t)sent;
    return (size_t)sent;
}

void conn_flush(struct conn *conn)
{
    if (conn->state == CONN_CLOSED || conn->is_broken || conn->sending.length > 0 ||
        conn->out.length == 0)
        return;
    uv_buf_t buf = uv_buf_init((char *)conn->out.data, (unsigned)conn->out.length);
    buffer_consume(&conn->out, send_now(conn, &buf, 1));
    if (conn->out.length > 0)
        send_rest(conn);
    conn_update_reading(conn);
}

/* Keeps what was not sent of a piece; returns how much of `sent` belongs to the next one. */
static size_t keep_rest(struct conn *conn, const uint8_t *piece, size_t length, size_t sent)
{
    if (sent >= length)
        return sent - length;
    if (buffer_append(&conn->out, piece + sent, length - sent) < 0)
        break_off(conn); /* what follows would be read for something else */
    return 0;
}

void conn_write(struct conn *conn, const void *head, size_t head_length, const void *body,
                size_t body_length)
{
    size_t sent = 0;
    if (conn->state == CONN_CLOSED || conn->is_broken)
        return;
    if (conn_has_room(conn)) {
        uv_buf_t pieces[] = {uv_buf_init((char *)head, (unsigned)head_length),
                             uv_buf_init((char *)body, (unsigned)body_length)};
        sent = send_now(conn, pieces, 2);
        if (sent == head_length + body_length)
            return;
    }
    sent = keep_rest(conn, head, head_length, sent);
    keep_rest(conn, body, body_length, sent);
    if (conn->sending.length == 0 && conn->out.length > 0 && !conn->is_broken)
        send_rest(conn);
    conn_update_reading(conn);
}

static void on_written(uv_write_t *write, int status)
{
    struct conn *conn = write->handle->data;
    if (status == 0)
        conn->bytes_written += conn->sending.length;
    buffer_finish(&conn->sending);
    if (conn->state == CONN_CLOSED)
        return;
    if (status < 0) {
        conn_gone(conn);
        return;
    }
    conn_flush(conn);
    if (!conn_has_room(conn))
        return;
    if (conn->state == CONN_FLUSHING) {
        conn_abort(conn);
        return;
    }
    conn_update_reading(conn);
    conn->events->on_room(conn->ctx);
}
