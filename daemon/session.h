/*
 * session: one client of the daemon: its conn, its open requests by id, its share of the daemon.
 * Messages and lines come in; each is answered from here, in the dialect it came in.
 *
 * A client that sends something broken is told why if it can be, and closed: that is a matter of
 * this session alone. It ends in one way, through its conn's on_closed, however it got there.
 */
#pragma once

#include <uv.h>

#include "config.h"
#include "config_compare.h"
#include "conn.h"
#include "fetch.h"
#include "loop_meter.h"
#include "offence.h"
#include "stats.h"

struct session;

struct session_user;

/* What root and the daemon's own user may have done. */
struct session_admin {
    /* The configuration is read again. 0, and what changed (to be finished by the caller, in any
     * case), or a negative errno with the reason: nothing has changed then. Sessions may end. */
    int (*reload)(void *ctx, struct config_changes *out_changes, struct wire_why *why);
    /* The orderly end begins. Sessions may end. */
    void (*drain)(void *ctx);
};

/* All sessions of a daemon and what they share. Embedded in the server, which owns what it points
 * to. */
struct session_set {
    struct conn_shared *shared;
    const struct fetch_context *fetches;
    struct offence_log *offences;
    const struct loop_meter *meter;
    const char *pool_id;
    uint64_t started_ns;
    uint64_t started_at_ms; /* the same by the calendar, since 1970 */

    bool is_draining; /* no new fetch is taken: error 106 */
    struct session *first;
    size_t clients_per_user;    /* what the descriptors allow */
    struct session_user *users; /* those who have sessions; a hash by uid */
    size_t count;
    size_t in_flight; /* fetches of all of them */

    /* A session is gone: count is lower by one. */
    void (*on_gone)(void *ctx);
    /* A fetch has ended. */
    void (*on_fetch_end)(void *ctx);
    const struct session_admin *admin;
    void *ctx;
};

/* Accepts the client that waits at the server. 0 or a negative errno. */
int session_accept(struct session_set *set, uv_stream_t *server);

/* The policies of the configuration are others now: each session gets its own anew. Some of their
 * fetches may end by that. */
void session_set_renew_policies(struct session_set *set);

/* The counters that are kept elsewhere, as they are now: to be called before they are shown. */
void session_set_gather_stats(const struct session_set *set);

/* Takes no new fetch from now on, and says so to whoever said hello. Those that wait for their turn
 * are ended with 106. */
void session_set_drain(struct session_set *set);

/* Ends every fetch that still runs: 106 if it was not sent, 208 if it may have been. */
void session_set_cancel_all(struct session_set *set, const char *reason);

/* Nothing runs any more. Closes every session, once all that its client has sent is answered and
 * has gone out. */
void session_set_close_all(struct session_set *set);

/* Closes every session at once. */
void session_set_abort_all(struct session_set *set);
