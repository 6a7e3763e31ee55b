/* What the files of conn share: the conn itself. */
#pragma once

#include "conn.h"

/* Time for the messages of all conns in one turn of the loop: checking one of 16 KiB against rules
 * can take a millisecond, and there may be thousands. */
#define CONN_MESSAGES_PER_TURN_NS ((uint64_t)10 * 1000 * 1000)

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
    bool is_broken;     /* cannot be written to any more; the sweep says so to its owner */
    bool is_sated;      /* has had its share of this turn; the rest of `in` waits for the next */
    bool is_choked;     /* messages wait in `in` until the client has read more */
    unsigned handed_up; /* messages in this turn */
    bool is_unsent;     /* in the list of those that have something to send when the turn ends */
    bool is_watched;    /* in the list of the sweep */
    uint64_t incomplete_since_ns; /* 0: no message waits for its rest */
    struct conn *prev, *next;
    struct conn *unsent_prev, *unsent_next;
    struct conn *sated_prev, *sated_next;

    struct buffer in; /* what was read and not handed up */
    struct framer framer;

    struct buffer out;     /* written, not given to the kernel yet */
    struct buffer sending; /* under way in `write` */
    uv_write_t write;
    uint64_t bytes_written;
};

/* The client does not read any more: what is written can be thrown away. */
void conn_gone(struct conn *conn);

/* Starts or stops to read, as its state asks for. Calls nothing back. */
void conn_update_reading(struct conn *conn);

/* All that was written has gone: what waited for that goes on. */
void conn_unchoke(struct conn *conn);

/* Has its message taken too long to be complete? Then that is its end. */
void conn_check_clock(struct conn *conn, uint64_t now_ns);

/* Has the client closed the socket altogether, or only finished sending? */
bool conn_has_hung_up(struct conn *conn);

/* The sweep looks after it, for as long as there is a reason to. */
void conn_watch(struct conn *conn);
void conn_unwatch(struct conn *conn);

/* Sends what was written in this turn of the loop, for all. */
void conn_send_unsent(struct conn_shared *shared);
void conn_forget_unsent(struct conn *conn);

/* No more messages of it in this turn; conn_go_on() comes in the next. */
void conn_sate(struct conn *conn);
void conn_forget_sated(struct conn *conn);
void conn_go_on(struct conn *conn);
