/*
 * conn_write: the way out of a conn. What is written waits in `out` until the turn of the loop
 * ends, so that all that becomes ready in one turn goes out in one system call; what the kernel
 * does not take then waits in `sending`, under way in libuv.
 *
 * Body bytes are copied here. A system call for each piece that libcurl brings, 16 KiB at most,
 * would need no copy, but wakes the client for each: 1 GiB over TLS cost daemon and client 3.6 s of
 * CPU time that way, and 2.0 s this way.
 *
 * Nothing but on_full is called back from the calls that write: who writes may be in the middle of
 * libcurl.
 */
#include "conn_internal.h"

#include <utlist.h>

/* Written bytes that are not kept for the turn's end: what a client's socket holds, about. */
#define OUT_BYTES ((size_t)192 * 1024)

/* Of a small answer, most often: so much is made room for at once. */
#define ANSWER_BYTES 1024

struct buffer *conn_output(struct conn *conn)
{
    conn->out.limit = conn->shared->max_unread_bytes; /* a reload may have changed it */
    if (!conn->out.data)
        buffer_grow(&conn->out, ANSWER_BYTES); /* without memory, what is written fails */
    return &conn->out;
}

bool conn_has_room(const struct conn *conn)
{
    return conn->sending.length == 0;
}

void conn_break_off(struct conn *conn)
{
    conn->is_broken = true;
    conn_watch(conn);
}

/* ---- Sending -------------------------------------------------------------------------------- */

/* A buffer as large as a stream's is not made anew in each turn: the conns share one. */
static void finish_out(struct conn *conn)
{
    struct conn_shared *shared = conn->shared;
    conn->out.length = 0;
    if (conn->out.capacity >= OUT_BYTES / 2 && !shared->spare.data) {
        shared->spare = conn->out;
        conn->out.data = NULL;
    }
    buffer_finish(&conn->out);
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
        conn_break_off(conn);
    }
}

/* An error of the first write is met again by the second, and told from the loop. */
static void send_out(struct conn *conn)
{
    if (conn->state == CONN_CLOSED || conn->is_broken || conn->sending.length > 0 ||
        conn->out.length == 0)
        return;
    uv_buf_t buf = uv_buf_init((char *)conn->out.data, (unsigned)conn->out.length);
    int sent = uv_try_write((uv_stream_t *)&conn->pipe, &buf, 1);
    if (sent > 0)
        conn->bytes_written += (uint64_t)sent;
    if (sent == (int)conn->out.length) {
        finish_out(conn);
        return;
    }
    if (sent > 0)
        buffer_consume(&conn->out, (size_t)sent);
    send_rest(conn);
    conn->events->on_full(conn->ctx);
}

static void on_all_sent(struct conn *conn)
{
    if (conn->state == CONN_FLUSHING)
        conn_abort(conn);
    else
        conn_unchoke(conn);
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
    send_out(conn);
    if (!conn_has_room(conn))
        return;
    if (conn->state != CONN_FLUSHING)
        conn->events->on_room(conn->ctx);
    if (conn->state != CONN_CLOSED && conn_has_room(conn))
        on_all_sent(conn); /* it may be closed by that */
}

/* ---- The end of a turn ---------------------------------------------------------------------- */

static void set_unsent(struct conn *conn, bool is_unsent)
{
    struct conn_shared *shared = conn->shared;
    if (conn->is_unsent == is_unsent)
        return;
    conn->is_unsent = is_unsent;
    if (is_unsent)
        DL_APPEND2(shared->unsent, conn, unsent_prev, unsent_next);
    else
        DL_DELETE2(shared->unsent, conn, unsent_prev, unsent_next); // NOLINT: it is in it
}

void conn_forget_unsent(struct conn *conn)
{
    set_unsent(conn, false);
}

void conn_send_unsent(struct conn_shared *shared)
{
    while (shared->unsent) {
        struct conn *conn = shared->unsent;
        set_unsent(conn, false);
        send_out(conn);
        if (conn->sending.length == 0 && !conn->is_broken)
            on_all_sent(conn); /* it may be closed by that */
        else
            conn_update_reading(conn);
    }
}

/* ---- Writing -------------------------------------------------------------------------------- */

void conn_flush(struct conn *conn)
{
    if (conn->state != CONN_CLOSED && conn->out.length > 0)
        set_unsent(conn, true);
    conn_update_reading(conn);
}

static void take_spare(struct conn *conn)
{
    struct buffer *spare = &conn->shared->spare;
    if (conn->out.data || !spare->data)
        return;
    conn->out = *spare;
    *spare = (struct buffer){.limit = spare->limit};
}

void conn_write(struct conn *conn, const void *head, size_t head_length, const void *body,
                size_t body_length)
{
    if (conn->state == CONN_CLOSED || conn->is_broken)
        return;
    take_spare(conn);
    if (buffer_append(&conn->out, head, head_length) < 0 ||
        buffer_append(&conn->out, body, body_length) < 0)
        conn_break_off(conn); /* what follows would be read for something else */
    else if (conn->out.length >= OUT_BYTES)
        send_out(conn);
    conn_flush(conn);
}
