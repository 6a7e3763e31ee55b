/* conn: see conn.h. */
#include "conn_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define NS_PER_MS 1000000

/* Held-back bytes beyond which reading stops: enough to see that the client closes its end. */
#define HELD_BACK_BYTES CONN_READ_BYTES

/* Unsent bytes beyond which nothing more is read: a client that does not read its answers gets no
 * more of them. One reply of any size may be under way beside it. */
#define UNSENT_BYTES ((size_t)256 * 1024)

/* Messages of one client in one turn of the loop: a request takes about 100 us to start, and
 * others are not to wait for long. */
#define MESSAGES_PER_TURN 64

#define INCOMPLETE_REASON "a message or line was not complete in time ([timeouts] frame)"

/* ---- Closing -------------------------------------------------------------------------------- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct conn *conn = handle->data;
    buffer_finish(&conn->in);
    buffer_finish(&conn->out);
    buffer_finish(&conn->sending);
    conn->events->on_closed(conn->ctx);
    free(conn);
}

static void stop_reading(struct conn *conn)
{
    uv_read_stop((uv_stream_t *)&conn->pipe);
    conn->is_reading = false;
    conn->incomplete_since_ns = 0; /* it is not the client who holds it up */
    conn_watch(conn);
}

void conn_abort(struct conn *conn)
{
    if (conn->state == CONN_CLOSED)
        return;
    conn->state = CONN_CLOSED;
    conn_unwatch(conn);
    conn_forget_unsent(conn);
    conn_forget_sated(conn);
    uv_close((uv_handle_t *)&conn->pipe, on_handle_closed);
}

void conn_close(struct conn *conn)
{
    if (conn->state == CONN_FLUSHING || conn->state == CONN_CLOSED)
        return;
    conn->state = CONN_FLUSHING;
    stop_reading(conn);
    if (conn->out.length == 0 && conn->sending.length == 0)
        conn_abort(conn);
}

static bool is_live(const struct conn *conn)
{
    return conn->state == CONN_OPEN || conn->state == CONN_HALF_OPEN;
}

void conn_gone(struct conn *conn)
{
    if (conn->state == CONN_FLUSHING)
        conn_abort(conn);
    else if (is_live(conn))
        conn->events->on_gone(conn->ctx);
}

/* ---- Reading: when -------------------------------------------------------------------------- */

static void on_allocate(uv_handle_t *handle, size_t suggested, uv_buf_t *out_buf)
{
    struct conn *conn = handle->data;
    (void)suggested;
    *out_buf = uv_buf_init((char *)conn->shared->scratch, CONN_READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf);

static bool should_read(const struct conn *conn)
{
    bool is_holding = conn->is_paused && conn->in.length >= HELD_BACK_BYTES;
    return conn->state == CONN_OPEN && !is_holding && !conn->is_sated &&
           conn_get_bytes_unsent(conn) < UNSENT_BYTES;
}

/* The clock of a message that is not complete runs while its bytes are waited for. */
static void update_clock(struct conn *conn, bool has_begun_anew)
{
    bool is_incomplete = conn->is_reading && !conn->is_paused && conn->in.length > 0;
    if (!is_incomplete)
        conn->incomplete_since_ns = 0;
    else if (has_begun_anew || conn->incomplete_since_ns == 0)
        conn->incomplete_since_ns = uv_hrtime();
    if (is_incomplete)
        conn_watch(conn);
}

void conn_update_reading(struct conn *conn)
{
    bool should = should_read(conn);
    if (should == conn->is_reading || conn->state == CONN_CLOSED)
        return;
    if (!should) {
        stop_reading(conn);
        return;
    }
    conn->is_reading = uv_read_start((uv_stream_t *)&conn->pipe, on_allocate, on_read) == 0;
    update_clock(conn, true);
}

/* ---- Handing up ----------------------------------------------------------------------------- */

static void fault(struct conn *conn, const struct framer_fault *what)
{
    stop_reading(conn);
    buffer_finish(&conn->in);
    conn->events->on_fault(conn->ctx, what);
}

static void hand_up_line(struct conn *conn, const uint8_t *bytes, size_t length)
{
    while (length > 0 && (bytes[length - 1] == '\n' || bytes[length - 1] == '\r'))
        length--;
    conn->events->on_line(conn->ctx, (const char *)bytes, length);
}

static void hand_up_message(struct conn *conn, enum framer_result result, const uint8_t *bytes,
                            size_t length)
{
    if (result == FRAMER_HEAD)
        conn->events->on_head(conn->ctx, (const char *)bytes, length);
    else if (conn->framer.dialect == FRAMER_TEXT)
        hand_up_line(conn, bytes, length);
    else
        conn->events->on_message(conn->ctx, bytes, length);
}

/* A client that does not read its answers gets no more of them. */
static bool may_hand_up(struct conn *conn)
{
    conn->is_choked = conn_get_bytes_unsent(conn) >= UNSENT_BYTES;
    return !conn->is_paused && !conn->is_sated && !conn->is_choked;
}

static bool is_sated(const struct conn *conn)
{
    return conn->handed_up >= MESSAGES_PER_TURN ||
           conn->shared->handed_up_ns >= CONN_MESSAGES_PER_TURN_NS;
}

/*
 * Hands up every whole message of these bytes while somebody wants them. Returns how many bytes
 * were taken. A handler may pause, close or abort the conn.
 */
static size_t hand_up(struct conn *conn, const uint8_t *bytes, size_t length)
{
    size_t taken = 0;
    if (length > 0 && conn->shared->handed_up_ns >= CONN_MESSAGES_PER_TURN_NS)
        conn_sate(conn);
    while (is_live(conn) && may_hand_up(conn) && taken < length) {
        size_t whole;
        struct framer_fault what;
        bool is_last = conn->state == CONN_HALF_OPEN;
        enum framer_result result = framer_next(&conn->framer, bytes + taken, length - taken,
                                                is_last, &whole, &what);
        if (result == FRAMER_BROKEN)
            fault(conn, &what);
        if (result != FRAMER_WHOLE && result != FRAMER_HEAD)
            break;
        uint64_t begun_ns = uv_hrtime();
        hand_up_message(conn, result, bytes + taken, whole);
        conn->shared->handed_up_ns += uv_hrtime() - begun_ns;
        taken += whole;
        conn->handed_up++;
        if (is_sated(conn) && taken < length)
            conn_sate(conn);
    }
    return taken;
}

/* Everything that can be handed up has been; was that all there will ever be? */
static void look_for_end(struct conn *conn)
{
    if (conn->state != CONN_HALF_OPEN || conn->has_ended || conn->is_paused || conn->is_sated ||
        conn->is_choked)
        return;
    conn->has_ended = true;
    conn->events->on_end(conn->ctx);
}

/* Hands up from the buffer. Not from inside itself: a handler that resumes only clears the pause.
 */
static void deliver(struct conn *conn)
{
    if (conn->is_delivering || !is_live(conn))
        return;
    size_t taken = 0;
    conn->is_delivering = true;
    if (conn->in.length > 0)
        taken = hand_up(conn, conn->in.data, conn->in.length);
    buffer_consume(&conn->in, taken);
    conn->is_delivering = false;
    if (is_live(conn))
        look_for_end(conn);
    conn_update_reading(conn);
    update_clock(conn, taken > 0);
}

void conn_go_on(struct conn *conn)
{
    conn->handed_up = 0;
    deliver(conn);
}

void conn_unchoke(struct conn *conn)
{
    if (conn->is_choked)
        deliver(conn);
    else
        conn_update_reading(conn);
}

void conn_check_clock(struct conn *conn, uint64_t now_ns)
{
    uint64_t limit_ns = conn->shared->frame_timeout_ms * NS_PER_MS;
    if (is_live(conn) && conn->incomplete_since_ns != 0 &&
        now_ns - conn->incomplete_since_ns >= limit_ns)
        fault(conn, &(struct framer_fault){.reason = INCOMPLETE_REASON,
                                           .is_late = true,
                                           .is_head = framer_is_in_head(&conn->framer)});
}

/* The usual case, whole messages in one read, is handed up from where it was read, uncopied. */
static void take(struct conn *conn, const uint8_t *bytes, size_t length)
{
    size_t taken = 0;
    if (conn->in.length == 0) {
        conn->is_delivering = true;
        taken = hand_up(conn, bytes, length);
        conn->is_delivering = false;
    }
    if (!is_live(conn))
        return;
    if (taken > 0)
        conn->incomplete_since_ns = 0; /* what follows has begun just now */
    if (taken < length && buffer_append(&conn->in, bytes + taken, length - taken) < 0) {
        fault(conn, &(struct framer_fault){.reason = "the daemon has no memory for it"});
        return;
    }
    if (taken < length) /* there may be a key in it, and all conns are read into the same place */
        explicit_bzero((uint8_t *)bytes + taken, length - taken);
    deliver(conn);
}

/* ---- Reading: what -------------------------------------------------------------------------- */

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    struct conn *conn = stream->data;
    conn->handed_up = 0;
    if (count > 0) {
        take(conn, (const uint8_t *)buf->base, (size_t)count);
    } else if (count == UV_EOF && !conn_has_hung_up(conn)) {
        stop_reading(conn);
        conn->state = CONN_HALF_OPEN;
        deliver(conn);
    } else if (count < 0) {
        conn_gone(conn);
    }
}

void conn_pause(struct conn *conn)
{
    conn->is_paused = true;
    conn_update_reading(conn);
}

void conn_resume(struct conn *conn)
{
    if (!conn->is_paused)
        return;
    conn->is_paused = false;
    deliver(conn);
}

/* unix(7) does not say it, unix_stream_read_generic() does: what lies in the queue is read first.
 */
void conn_end_input(struct conn *conn)
{
    uv_os_fd_t fd;
    if (conn->state == CONN_OPEN && uv_fileno((uv_handle_t *)&conn->pipe, &fd) == 0)
        shutdown(fd, SHUT_RD);
}

/* ---- Life ----------------------------------------------------------------------------------- */

struct conn_peer conn_get_peer(const struct conn *conn)
{
    return conn->peer;
}

enum framer_dialect conn_get_dialect(const struct conn *conn)
{
    return conn->framer.dialect;
}

size_t conn_get_bytes_unsent(const struct conn *conn)
{
    return conn->out.length + conn->sending.length;
}

uint64_t conn_get_bytes_written(const struct conn *conn)
{
    return conn->bytes_written;
}

static int read_peer(struct conn *conn)
{
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    uv_os_fd_t fd;
    if (uv_fileno((uv_handle_t *)&conn->pipe, &fd) != 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) < 0)
        return -EPERM;
    conn->peer = (struct conn_peer){credentials.pid, credentials.uid, credentials.gid};
    return 0;
}

/* socket(7): a buffer that is too small is told how large it should be. */
int conn_get_groups(const struct conn *conn, gid_t **out_groups, size_t *out_count)
{
    uv_os_fd_t fd;
    socklen_t length = 0;
    *out_groups = NULL;
    *out_count = 0;
    if (uv_fileno((const uv_handle_t *)&conn->pipe, &fd) != 0)
        return -EBADF;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &length) == 0)
        return 0;
    if (errno != ERANGE)
        return -errno;
    gid_t *groups = malloc(length);
    if (!groups)
        return -ENOMEM;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length) < 0) {
        int result = -errno;
        free(groups);
        return result;
    }
    *out_groups = groups;
    *out_count = length / sizeof *groups;
    return 0;
}

static void on_refused_closed(uv_handle_t *handle)
{
    free(handle->data);
}

int conn_accept(struct conn **out_conn, uv_stream_t *server, struct conn_shared *shared,
                const struct conn_events *events, void *ctx)
{
    struct conn *conn = calloc(1, sizeof *conn);
    if (!conn)
        return -ENOMEM;
    conn->shared = shared;
    conn->events = events;
    conn->ctx = ctx;
    framer_init(&conn->framer, shared->max_message_bytes, shared->max_line_bytes);
    /* A message that is read is at most as large as the scanner allows, plus one read. */
    buffer_init(&conn->in, shared->max_message_bytes + (uint64_t)2 * CONN_READ_BYTES);
    conn->in.is_secret = true;
    buffer_init(&conn->out, shared->max_unread_bytes);
    uv_pipe_init(shared->loop, &conn->pipe, 0);
    conn->pipe.data = conn;
    int result = uv_accept(server, (uv_stream_t *)&conn->pipe);
    if (result == 0)
        result = read_peer(conn);
    if (result == 0)
        result = uv_read_start((uv_stream_t *)&conn->pipe, on_allocate, on_read);
    if (result < 0) {
        uv_close((uv_handle_t *)&conn->pipe, on_refused_closed);
        return result;
    }
    conn->is_reading = true;
    *out_conn = conn;
    return 0;
}
