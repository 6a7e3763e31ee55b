/* What the files of conn share: the conn itself. */
#pragma once

#include "conn.h"

enum conn_state { CONN_OPEN, CONN_HALF_OPEN, CONN_FLUSHING, CONN_CLOSED };

struct conn {
    uv_pipe_t pipe;
    struct conn_shared *shared;
    const struct conn_events *events;
    void *ctx;
    struct conn_peer peer;

    enum conn_state state;
    bool is_paused;
    bool is_reading;
    bool is_delivering; /* deliver() is on the stack */
    bool has_ended;     /* on_end has been called */
    bool is_deaf;       /* in the list of those that are not read from */
    struct conn *prev, *next;

    struct buffer in; /* what was read and not handed up */
    struct framer framer;

    struct buffer out;     /* written, not given to the kernel yet */
    struct buffer sending; /* under way in `write` */
    uv_write_t write;
    uint64_t bytes_written;
};

/* The client does not read any more: what is written can be thrown away. */
void conn_gone(struct conn *conn);

/* Has the client closed the socket altogether, or only finished sending? */
bool conn_has_hung_up(struct conn *conn);

/* Is the conn one that is not read from, and so has to be looked after? */
void conn_set_deaf(struct conn *conn, bool is_deaf);
