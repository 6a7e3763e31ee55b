/*
 * conn: one client's socket. Bytes come in, whole messages or lines go up; bytes written go out
 * when the client takes them. It owns the socket and both buffers; where a message ends is its
 * framer's word. It does not know what a message means.
 *
 *     CONN_OPEN --eof--> CONN_HALF_OPEN --+
 *         |                               +--> CONN_FLUSHING --> CONN_CLOSED
 *         +-------------------------------+          (conn_close: what is written goes out first)
 *
 * An idle connection costs its struct and no buffer. All calls from the loop's thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <uv.h>

#include "buffer.h"
#include "framer.h"

struct conn;

/* Who is at the other end, by SO_PEERCRED: as it was when it connected. */
struct conn_peer {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};

/* `bytes` are the conn's, and gone when the call returns. */
struct conn_events {
    void (*on_message)(void *ctx, const uint8_t *bytes, size_t length);
    void (*on_line)(void *ctx, const char *bytes, size_t length); /* without its line end */
    /* The head of an HTTP request, as it came; without its empty line if the client sends no more.
     */
    void (*on_head)(void *ctx, const char *bytes, size_t length);
    /* The bytes are broken. No more come; the conn is for its owner to close. */
    void (*on_fault)(void *ctx, const struct framer_fault *fault);
    /* Everything was handed up, and the client sends no more; it may still read. */
    void (*on_end)(void *ctx);
    /* The client takes no more for now. May come from inside conn_write(): it must end nothing. */
    void (*on_full)(void *ctx);
    /* It has taken all. */
    void (*on_room)(void *ctx);
    /* The client is gone: nobody reads any more. */
    void (*on_gone)(void *ctx);
    /* After conn_close(): the memory goes behind this call. */
    void (*on_closed)(void *ctx);
};

/* What the conns of a daemon share: conn_shared_open() before the first, conn_shared_close() after
 * the last. */
#define CONN_READ_BYTES 65536
struct conn_shared {
    uv_loop_t *loop;
    uv_timer_t sweep;      /* looks after those that libuv says nothing of */
    struct conn *watched;  /* these */
    uv_prepare_t before;   /* the loop waits: what was written is sent */
    uv_check_t after;      /* the loop has waited: the same */
    struct conn *unsent;   /* those that have something to send */
    uv_idle_t next_turn;   /* runs while there are sated ones */
    struct conn *sated;    /* those that have had their share of this turn */
    uint64_t handed_up_ns; /* time that messages have taken in this turn */
    struct buffer spare;   /* an output buffer that nobody uses now */
    uint64_t frame_timeout_ms;
    uint64_t max_message_bytes;
    uint64_t max_line_bytes;
    uint64_t max_unread_bytes;
    uint8_t scratch[CONN_READ_BYTES]; /* every read lands here: one at a time is under way */
};

void conn_shared_open(struct conn_shared *shared, uv_loop_t *loop);
/* Its memory must stay until the loop has run once more. */
void conn_shared_close(struct conn_shared *shared);

/*
 * Accepts a connection that waits at the server. 0; -ENOMEM: it still waits there; or another
 * negative errno: it has been closed. The shared things are borrowed.
 */
int conn_accept(struct conn **out_conn, uv_stream_t *server, struct conn_shared *shared,
                const struct conn_events *events, void *ctx);

struct conn_peer conn_get_peer(const struct conn *conn);
/*
 * The supplementary groups of the peer (SO_PEERGROUPS): those that its process had when it
 * connected, so nothing has to be looked up. `*out_groups` is owned, NULL if there are none. 0 or a
 * negative errno.
 */
int conn_get_groups(const struct conn *conn, gid_t **out_groups, size_t *out_count);
enum framer_dialect conn_get_dialect(const struct conn *conn);
uint64_t conn_get_bytes_written(const struct conn *conn);
/* Bytes written that the client has not taken from us. */
size_t conn_get_bytes_unsent(const struct conn *conn);

/*
 * Where to write: encode into it, then call conn_flush(), and it is sent when this turn of the loop
 * ends. Its limit is [limits] max_unread; a writer looks at its `error`, and undoes what did not
 * fit with buffer_truncate().
 *
 * Neither this nor conn_write() calls anything back: they may be called from anywhere. A client
 * that cannot be written to is gone, which on_gone says later, from the loop.
 */
struct buffer *conn_output(struct conn *conn);
void conn_flush(struct conn *conn);

/* Writes two pieces, a message's head and a body's bytes, and flushes. */
void conn_write(struct conn *conn, const void *head, size_t head_length, const void *body,
                size_t body_length);

/*
 * Something could not be written, and what follows would be worth nothing without it: the client
 * counts as gone, which is said from the loop.
 */
void conn_break_off(struct conn *conn);

/* Does the client take what is written? Where it does not, on_room follows. */
bool conn_has_room(const struct conn *conn);

/* Holds messages back; what comes meanwhile is kept, up to a bound, then not read. */
void conn_pause(struct conn *conn);
void conn_resume(struct conn *conn);

/*
 * The client can send no more, which its next write tells it (EPIPE); what it has sent already is
 * read to its end and handed up, then on_end follows. So it knows of each message whether it was
 * read, where a close alone would leave it in doubt about those that lie in the socket.
 */
void conn_end_input(struct conn *conn);

/* Sends what is written, then closes. No event but on_closed follows. May be called twice. */
void conn_close(struct conn *conn);
/* Closes at once. */
void conn_abort(struct conn *conn);
