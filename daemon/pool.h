/*
 * pool: the one CURLM, its way into the libuv loop, and the table of the connections it holds.
 *
 * It owns the multi handle, the share of TLS sessions, a poll handle for each socket and a record
 * for each connection that has carried a request. It knows no request: whoever wants something
 * done prepares an easy handle, adds it as a job, and hears once that it is done.
 *
 * No globals: several pools may stand side by side. They share a pool_ledger if their connections
 * are to have different numbers and one budget. All calls from the loop's thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <curl/curl.h>
#include <uv.h>

#include "config.h"
#include "stats.h"

struct pool;
struct pool_connection;

/* Once per process, before anything else here, while there is one thread. 0 or -EIO. */
int pool_set_up_process(void);

/* "libcurl/8.14.1 OpenSSL/3.0.19 …": a static string. */
const char *pool_library_version(void);

/* ---- Life ----------------------------------------------------------------------------------- */

/* What pools of one daemon have in common. Owned by whoever owns them. */
struct pool_ledger {
    uint64_t next_connection; /* the number of the next connection */
    size_t sockets;           /* open ones of all pools */
    size_t most_sockets;      /* what the descriptor limit leaves for them */
    size_t pools;             /* how many share it */
};

/* 0, -ENOMEM, or -EIO if libcurl or libuv refuses. Everything given is borrowed. */
int pool_create(struct pool **out_pool, uv_loop_t *loop, const struct config *config,
                struct stats *stats, struct pool_ledger *ledger);

/*
 * Closes every connection. No job may be left. `on_closed` is called from the loop when the last
 * handle is gone; the pool is dead to the caller at once.
 */
void pool_close(struct pool *pool, void (*on_closed)(void *ctx), void *ctx);

/* ---- Jobs ----------------------------------------------------------------------------------- */

/*
 * One transfer, embedded in what its owner knows of it. `on_done` is called from the loop, never
 * from inside a libcurl callback; the easy handle is out of the multi handle by then and the
 * owner's to clean up.
 */
struct pool_job {
    CURL *easy;
    void (*on_done)(struct pool_job *job, CURLcode code);

    /* The pool's own: */
    struct pool *pool;
    uint64_t opening_ns; /* when it began to open a connection of its own; 0: it has not */
    bool lacks_socket;   /* it could not, for want of descriptors */
};

/*
 * Sets what every easy handle of this pool needs: sockets, sessions, name look-ups. `waits`: for a
 * connection that another job is opening, if HTTP/2 may come of it.
 */
CURLcode pool_prepare(struct pool *pool, struct pool_job *job, bool shares_sessions, bool waits);

/* Starts the job. 0 or -EIO. */
int pool_add(struct pool *pool, struct pool_job *job);

/* Takes a job out that has not been done: its connection is closed if it cannot be used again. */
void pool_remove(struct pool *pool, struct pool_job *job);

/* Something was done for a job, or is to be done: libcurl's wish to be called at once is meant. */
void pool_note_activity(struct pool *pool);

/* ---- Connections ---------------------------------------------------------------------------- */

/* "address:port"; an IPv6 address is in brackets, with its scope, if any, left out. */
#define POOL_PEER_BYTES 64

/* What can be said of a connection. */
struct pool_connection_info {
    uint64_t id; /* counts up from 0 over all pools of a ledger */
    const char *origin;
    const char *http;  /* "" until its first answer */
    const char *state; /* "active", "idle", or "closing": its far end has closed it */
    const char *peer;
    uint64_t age_ms;
    uint64_t idle_ms; /* 0 while active */
    uint64_t requests;
    uint64_t streams; /* requests that it carries now */
};

/*
 * The connection that a job has got; for libcurl's CURLOPT_PREREQFUNCTION, with its local port and
 * its peer ("address:port", as in the record). NULL when memory is exhausted.
 */
struct pool_connection *pool_connection_find(struct pool *pool, CURL *easy, const char *origin,
                                             int local_port, const char *peer);

/* The job sends a request on it. Returns whether it had carried one before. */
bool pool_connection_use(struct pool *pool, struct pool_connection *connection);

/* The job no longer uses it. */
void pool_connection_release(struct pool_connection *connection);

/*
 * A job was taken off it before its end. libcurl before 8.15 leaves the RST_STREAM that tells an
 * HTTP/2 origin lying until something else is sent or received (its issue 17611); this sees to it
 * that something is within POOL_NUDGE_MS, or closes the connection if nobody uses it by then.
 */
#define POOL_NUDGE_MS 75
void pool_connection_nudge(struct pool *pool, struct pool_connection *connection);

/* The version of an answer that came over it; a static string. */
void pool_connection_set_http(struct pool *pool, struct pool_connection *connection,
                              const char *http);

/* Did the origin's latest answer come over HTTP/1.1? */
bool pool_speaks_http_1(const struct pool *pool, const char *origin);

struct pool_connection_info pool_connection_info(const struct pool_connection *connection);

size_t pool_connection_count(const struct pool *pool);

/* Calls back for each connection, oldest first. */
void pool_each_connection(const struct pool *pool,
                          void (*on_connection)(void *ctx, const struct pool_connection_info *info),
                          void *ctx);
