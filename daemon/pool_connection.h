/*
 * pool_connection: the record of one connection.
 *
 *     OPENING --its opener is about to send--> OPEN --> DRAINING --> CLOSING
 *        |                                       |          |           |
 *        +------------ it failed ----------------+----------+-----------+--> gone
 *
 * (enum pool_connection_state)
 *
 * OPENING   one job opens it; nobody else may use it
 * OPEN      shown as "active" or "idle"
 * DRAINING  too old, or told to go: what runs on it is finished, nothing new is placed there
 * CLOSING   its far end has closed it, or we have: libcurl has yet to close the socket
 *
 * The record is gone when its socket is closed and nobody uses it, whichever comes last.
 */
#pragma once

#include "pool.h"
#include "pool_socket.h"

#define NS_PER_MS 1000000

struct pool_tidier;

enum pool_connection_state {
    POOL_CONNECTION_OPENING,
    POOL_CONNECTION_OPEN,
    POOL_CONNECTION_DRAINING,
    POOL_CONNECTION_CLOSING
};

struct pool_connection {
    enum pool_connection_state state;
    enum pool_kind kind;
    uint32_t tag;             /* libcurl's name for it */
    uint32_t owner;           /* for whom it was opened */
    uint32_t user;            /* who got a place on it last */
    uint64_t number;          /* ours */
    unsigned trust_number;    /* of the pool's trust, when it began */
    struct origin *origin;    /* held */
    char *terms;              /* NULL: as the configuration says */
    char *partition;          /* NULL: for everybody */
    struct pool_socket *sock; /* NULL: not open yet, or closed */
    const char *http;         /* a static string, "" before its first answer */
    const char *death;        /* NULL, or why it was given up */
    char peer[POOL_PEER_BYTES];
    struct network_address address; /* the same; once it is open */

    bool is_private;
    bool has_identity;
    bool is_alone;
    bool only_looks_up;
    bool is_slow; /* it carries a job that is */
    bool is_proxied;
    bool is_reached;    /* TCP got through, if TLS did not */
    bool has_failed;    /* its origin's breaker knows */
    bool was_shared;    /* it has carried several at a time */
    bool is_cautious;   /* its origin has refused streams: one at a time before its first answer, as
                           how many it takes is known then */
    bool is_looking_up; /* in the pool's list of those whose names are looked up */
    bool is_idle;       /* in the list of those that could be closed to make room */
    bool is_nudged;     /* in the list of those that are to be */
    bool is_unclean;    /* libcurl has to look at it */
    bool has_ping;      /* that libcurl has not sent yet */

    uint64_t began_ns;  /* to be opened */
    uint64_t opened_ns; /* its socket */
    uint64_t ready_ns;  /* TCP and TLS were done */
    uint64_t heard_ns;  /* when its far end first said something after that; 0: not yet */
    uint64_t idle_since_ns;
    uint64_t asked_ns;   /* when something was last asked of its far end */
    uint64_t pinged_ns;  /* 0: no ping awaits its answer */
    uint64_t unacked_ns; /* since when it has sent what is not acknowledged; 0: it has not */
    uint64_t nudged_ns;
    uint64_t nudged_requests; /* how many it had carried then */

    uint64_t requests;
    uint64_t unprocessed; /* of them */
    size_t streams;       /* places that are taken */
    size_t carried;       /* of them, those whose requests were sent */
    size_t most_streams;  /* as far as is known */

    struct pool_tidier *tidier;          /* has libcurl look at it; NULL: there is none */
    struct pool_connection *prev, *next; /* of the pool, oldest first */
    struct pool_connection *origin_prev,
        *origin_next; /* of the origin: idle ones, latest used first; full ones last */
    struct pool_connection *idle_prev, *idle_next; /* longest idle first */
    struct pool_connection *look_prev, *look_next;
    struct pool_connection *nudged_prev, *nudged_next;
};

/* A new one, OPENING, with one place taken. NULL without memory. */
struct pool_connection *pool_connection_create(struct pool *pool, const struct pool_want *want);

/* Moves it to the lists of its state. */
void pool_connection_set_state(struct pool *pool, struct pool_connection *connection,
                               enum pool_connection_state state);

/* Is it as the configuration says, so that what it shows is true of its origin for everybody? */
bool pool_connection_is_typical(const struct pool_connection *connection);

/* May jobs be placed on it? */
bool pool_connection_is_usable(const struct pool_connection *connection);

/* Takes a place on one that is usable. */
void pool_connection_take(struct pool *pool, struct pool_connection *connection, uint64_t now_ns);

/* libcurl wanted another socket for a job that was placed on it. Returns why that is. */
enum pool_gate pool_connection_note_refusal(struct pool *pool, struct pool_connection *connection,
                                            const struct pool_job *job);

/* Does it carry a request now? */
bool pool_connection_is_used(const struct pool_connection *connection);

/* No job is placed on it any more. It is closed as soon as nobody uses it. */
void pool_connection_drain(struct pool *pool, struct pool_connection *connection);

/* Ends an unused one: its socket is shut down, and libcurl drops what it finds closed. */
void pool_connection_shut(struct pool *pool, struct pool_connection *connection);

/* Ends any, at once. The system says to libcurl that it is broken. */
void pool_connection_reset(struct pool *pool, struct pool_connection *connection);

/* The far end has closed it, or it can be used no more: its socket is shut down already. */
void pool_connection_set_closing(struct pool *pool, struct pool_connection *connection);

/* libcurl has to look at it, and drops it if it is of no use. */
void pool_connection_set_unclean(struct pool *pool, struct pool_connection *connection);

void pool_connection_set_clean(struct pool *pool, struct pool_connection *connection);

/* Its socket is being closed. The record goes when nobody uses it any more. */
void pool_connection_detach(struct pool *pool, struct pool_connection *connection);

/* How long it has been idle, at `now_ns`; 0 while it is used. */
uint64_t pool_connection_idle_ms(const struct pool_connection *connection, uint64_t now_ns);

/* Has it been idle for longer than its origin keeps such? Is it older than any may be? */
bool pool_connection_is_stale(const struct pool *pool, const struct pool_connection *connection,
                              uint64_t now_ns);
bool pool_connection_is_outlived(const struct pool *pool, const struct pool_connection *connection,
                                 uint64_t now_ns);

/* ---- pool_opening.c ------------------------------------------------------------------------- */

/* Its opener's name look-up is over. */
void pool_connection_end_look_up(struct pool *pool, struct pool_connection *connection);

/* The attempt is over without success. */
void pool_opening_end(struct pool *pool, struct pool_connection *connection);

/* It is open. 0, or -ENOTCONN if no socket with these ends is known. */
int pool_opening_succeed(struct pool *pool, struct pool_connection *connection,
                         const struct pool_path *path);

/* There is something to read from it. */
void pool_connection_note_heard(struct pool *pool, struct pool_connection *connection);
