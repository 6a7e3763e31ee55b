/*
 * pool: libcurl's multi handles, their way into the libuv loop, and the connections that they hold.
 *
 * It owns the multi handles (its shards), the shared TLS sessions, a poll handle for each socket
 * and a record for each connection, from before it is opened to after its last use. It knows no
 * request: whoever wants something done asks for a place on a connection, prepares an easy handle
 * for it, adds it as a job, and hears once that it is done.
 *
 * The pool says which connection a job gets, not libcurl: each has a tag of its own, which libcurl
 * takes for a part of the destination (CURLOPT_ADDRESS_SCOPE), so that a job can find that one and
 * no other. A job whose connection turns out to be of no use asks for a new socket, and is refused
 * it: libcurl opens nothing and sends nothing again of its own accord.
 *
 * No globals: several pools may stand side by side. All calls from the loop's thread, or from
 * inside libcurl where it says so.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <curl/curl.h>
#include <uv.h>

#include "config.h"
#include "network.h"
#include "origin.h"
#include "stats.h"

struct pool;
struct pool_connection;
struct pool_shard;

/* Once per process, before anything else here, while there is one thread. 0 or -EIO. */
int pool_set_up_process(void);

/* "libcurl/8.14.1 OpenSSL/3.0.19 …": a static string. */
const char *pool_library_version(void);
/* "8.14.1". The other one has libcurl's parts look for files of their own. */
const char *pool_library_number(void);

/* ---- Life ----------------------------------------------------------------------------------- */

struct pool_setup {
    uv_loop_t *loop;
    const struct config *config;
    struct stats *stats;
    struct origin_table *origins;
    size_t most_sockets; /* what the descriptor limit leaves for them */
    /* A place may have become free: at this origin, or, if it is NULL, at any. Also called from
     * inside libcurl: it must do nothing with the pool. */
    void (*on_change)(void *ctx, struct origin *origin);
    /* In each turn of the loop, once what has come from clients and origins is known: the time to
     * ask for places. What is begun then is sent in the same turn. */
    void (*on_turn)(void *ctx);
    /* Sets what libcurl compares when it looks for a connection: trust, and the proxy, as the
     * configuration has them. */
    CURLcode (*set_terms)(CURL *easy, const struct config *config);
    void *ctx;
};

/* 0, -ENOMEM, or -EIO if libcurl or libuv refuses. Everything given is borrowed. */
int pool_create(struct pool **out_pool, const struct pool_setup *setup);

/* The limits of the configuration have changed. Connections that are open keep theirs. */
void pool_update_limits(struct pool *pool);

/*
 * Closes every connection. No job may be left. `on_closed` is called from the loop when the last
 * handle is gone; the pool is dead to the caller at once.
 */
void pool_close(struct pool *pool, void (*on_closed)(void *ctx), void *ctx);

/*
 * The file of the authorities may have changed: connections that are opened from now on are
 * verified by what it holds by then, and none by a TLS session from before. Those that are open go
 * on. Where the file cannot be read, they fail, until it can be.
 */
void pool_forget_trust(struct pool *pool);

/* ---- Places --------------------------------------------------------------------------------- */

enum pool_kind {
    POOL_HTTP_1, /* carries one request at a time */
    POOL_HTTP_2, /* many */
    POOL_EITHER  /* as TLS negotiates */
};

enum pool_choice {
    POOL_ANY,
    POOL_NEW, /* one that it opens itself */
    POOL_THIS /* the one of this number; any, if that is not idle any more */
};

/* Which addresses a request may go to. */
struct pool_guard {
    /* Asked before a socket is opened to the address (`is_opening`), also from inside libcurl, and
     * before a connection to it is used again. */
    bool (*may_reach)(void *ctx, const struct network_address *address, bool is_opening);
    void *ctx;
};

/* What a request wants of its connection. Borrowed. */
struct pool_want {
    struct origin *origin;
    enum pool_kind kind;
    const char *terms;     /* NULL: as the configuration says; else for jobs with the same text */
    const char *partition; /* NULL: for everybody; else the same */
    bool has_identity;     /* its far end is told who asks: part of the partition */
    const struct pool_guard *guard; /* NULL: it may go anywhere */
    enum pool_choice choice;
    uint64_t number;         /* of POOL_THIS */
    uint32_t owner;          /* the user: so that none has all look-ups */
    bool is_private;         /* for this job only: it is closed after it */
    bool is_alone;           /* over HTTP/2: it shares the connection with no other at a time */
    bool only_looks_up;      /* its guard lets it go nowhere: it takes no room */
    bool is_proxied;         /* the origin itself is neither looked up nor connected to */
    uint64_t begun_after_ns; /* one whose opening began later; 0: any */
    uint64_t waited_ns; /* since when it has been waiting for somebody's attempt to open one, of
                           which it shares the failure; UINT64_MAX: it has not */
};

enum pool_verdict {
    POOL_GO,           /* here it is */
    POOL_OPENING,      /* somebody is opening one that may do, or looking its name up */
    POOL_FULL_ORIGIN,  /* [pool] connections_per_origin */
    POOL_FULL,         /* [pool] max_connections */
    POOL_FULL_LOOKUPS, /* [pool] lookups */
    POOL_PACED,        /* enough was done in this turn of the loop: ask in the next */
    POOL_FAILED,       /* an attempt failed that this one waited for: origin->failed_code */
    POOL_RESTING       /* the origin is not tried for a while: origin->breaker */
};

/* A turn of the loop begins: requests may be placed, and connections opened, again. */
void pool_begin_turn(struct pool *pool);

/*
 * A place for one job. POOL_GO: on `*out_connection`, for the job to hold until pool_leave(). With
 * others, `*out_again_ns` (uv_hrtime()) is when to ask again even if nothing changes; UINT64_MAX:
 * only then.
 */
enum pool_verdict pool_place(struct pool *pool, const struct pool_want *want,
                             struct pool_connection **out_connection, uint64_t *out_again_ns);

/* How things stand for keeping `most` connections open. */
struct pool_outlook {
    size_t usable;   /* open, and good for this want */
    bool has_aging;  /* of the `most` used last of them, one has been idle for half its limit */
    uint64_t number; /* which */
};

struct pool_outlook pool_look(const struct pool *pool, const struct pool_want *want, size_t most);

/* ---- Jobs ----------------------------------------------------------------------------------- */

/* Why a job got no socket. */
enum pool_gate {
    POOL_GATE_OPEN,  /* it did */
    POOL_GATE_STALE, /* its connection had closed; or libcurl wanted to send it again on another */
    POOL_GATE_FULL,  /* its connection takes no more requests at a time */
    POOL_GATE_LIMIT, /* the descriptors are used up */
    POOL_GATE_DENIED /* it may go to none of the addresses */
};

/*
 * One transfer, embedded in what its owner knows of it. `on_done` is called from the loop, never
 * from inside a libcurl callback; the easy handle is out of the multi handle by then and the
 * owner's to clean up.
 */
struct pool_job {
    CURL *easy;
    struct pool *pool;
    struct pool_connection *connection; /* its place, until pool_leave() */
    const struct pool_guard *guard;     /* as its want's */
    bool is_slow;                       /* a look at its answer can take long: it is decoded */
    const char *detail;                 /* where libcurl writes its sentence about an error */
    void (*on_done)(struct pool_job *job, CURLcode code);

    /* The pool's own: */
    struct pool_shard *shard; /* where its connection is */
    bool looked_up;           /* libcurl did look its origin's name up */
    bool had_error;      /* libcurl had said something of an error when it was refused a socket */
    bool is_on;          /* it has sent its request over the connection */
    bool was_denied;     /* it may not go to some address of its origin */
    unsigned sockets;    /* that it has got */
    uint64_t opening_ns; /* when it began to open a connection; 0: it has not */
    enum pool_gate gate;
};

/* Sets what every easy handle of this pool needs, for as long as the configuration and the address
 * of its job stay as they are: sockets and name look-ups. */
CURLcode pool_prepare(struct pool *pool, struct pool_job *job);

/* And what it needs for the connection that its job is placed on. TLS sessions are those of all
 * connections that are shared with everybody. */
CURLcode pool_place_job(struct pool_job *job);

/* Starts the job. 0 or -EIO. */
int pool_add(struct pool_job *job);

/* Takes a job out that has not been done: its connection is closed if it cannot be used again. */
void pool_remove(struct pool_job *job);

/*
 * Around all that libcurl calls back: with [pool] threads, several of them may be in libcurl at a
 * time, and one between these, while nothing else of the daemon runs. So what is called from inside
 * libcurl need not care on which thread it is. They nest.
 */
void pool_callback_begin(struct pool *pool);
void pool_callback_end(struct pool *pool);

/* May libcurl's functions be called for a transfer other than the one that called back? Not while
 * another thread may be in libcurl with it. */
bool pool_may_touch_others(const struct pool *pool);

/* Something was done for a job, or is to be done: libcurl's wish to be called at once is meant. */
void pool_note_activity(struct pool_job *job);

/* ---- Connections ---------------------------------------------------------------------------- */

/* "address:port"; an IPv6 address is in brackets, with its scope, if any, left out. */
#define POOL_PEER_BYTES 64

/* What can be said of a connection. */
struct pool_connection_info {
    uint64_t id; /* counts up from 0 */
    const char *origin;
    const char *http;  /* "" until its first answer */
    const char *state; /* see pool_connection.c */
    const char *peer;
    uint32_t owner; /* for whom it was opened */
    bool is_shared; /* with other users */
    uint64_t age_ms;
    uint64_t idle_ms; /* 0 while active */
    uint64_t requests;
    uint64_t streams; /* requests that it carries now */
};

/* Which socket a job is about to use, as CURLOPT_PREREQFUNCTION is told. */
struct pool_path {
    const char *remote_ip;
    int remote_port;
    int local_port;
};

/*
 * The job is about to send its request. Returns 0, or -ENOTCONN if the pool does not know that
 * socket. `*out_is_reused`: its connection has carried one before.
 */
int pool_connection_use(struct pool_job *job, const struct pool_path *path, bool *out_is_reused);

/* Gives the job's place back, if it has one. The record may be gone after it. */
void pool_leave(struct pool_job *job);

/* TCP got through to its far end, whatever came of it: it can be reached. */
void pool_connection_note_reached(struct pool_connection *connection);

/* The attempt to open it failed, for no reason of this job's own: those who waited for it share the
 * code and the sentence. `is_refusal`: of the origin, which is not asked for ever. */
void pool_connection_note_failure(struct pool *pool, struct pool_connection *connection, int code,
                                  const char *text, bool is_refusal);

/* Opening it took so long in all. */
void pool_connection_note_opening(struct pool_connection *connection, uint64_t cost_us);

/* An answer came over it: its version, a static string, and its Keep-Alive field or NULL. */
void pool_connection_note_answer(struct pool *pool, struct pool_connection *connection,
                                 const char *http, const char *keep_alive);

/*
 * A job was taken off it before its end. libcurl before 8.15 leaves the RST_STREAM that tells an
 * HTTP/2 origin lying until something else is sent or received (its issue 17611); this sees to it
 * that something is within POOL_NUDGE_MS, or closes the connection if nobody uses it by then.
 */
#define POOL_NUDGE_MS 75
void pool_connection_nudge(struct pool *pool, struct pool_connection *connection);

/* Its far end did not process a request that was sent over it: libcurl uses it no more, and others
 * are told how many requests such a connection takes. */
void pool_connection_note_unprocessed(struct pool *pool, struct pool_connection *connection);

/* Has its far end not answered pings, or has TCP given it up? Why, or NULL. */
const char *pool_connection_death(const struct pool_connection *connection);

/* Does it speak HTTP/2, as far as is known? */
bool pool_connection_is_http_2(const struct pool_connection *connection);

struct pool_connection_info pool_connection_info(const struct pool_connection *connection);

/* Those that are open. */
size_t pool_connection_count(const struct pool *pool);
/* Those that are being opened. */
size_t pool_opening_count(const struct pool *pool);
/* Of these, those whose names may have to be looked up first. */
size_t pool_look_up_count(const struct pool *pool);

/* How many there may be: [pool] max_connections, or what the descriptors allow. */
size_t pool_most_connections(const struct pool *pool);

/* All that have a record. */
size_t pool_connection_total(const struct pool *pool);

/* Calls back for each of these, oldest first. */
void pool_each_connection(const struct pool *pool,
                          void (*on_connection)(void *ctx, const struct pool_connection_info *info),
                          void *ctx);

/* Of an origin's connections: how many carry no request. */
size_t pool_count_idle(const struct origin *origin);
