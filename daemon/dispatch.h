/*
 * dispatch: the way of a request from its arrival to its place on a connection. It brings together
 * who may start (admission) and where (pool): a ticket waits in its queue until it is its turn, is
 * placed, and runs until it leaves; where its origin has no place, it is asked again when the pool
 * says that something has changed.
 *
 * It knows no request: a ticket says what connection it wants and is told when it has one.
 * Everything is told from the loop, never before dispatch_enter() has returned, and never from
 * inside libcurl.
 */
#pragma once

#include <uv.h>

#include "admission.h"
#include "config.h"
#include "origin.h"
#include "pool.h"
#include "fetchpool_wire.h"

struct dispatch_ticket;

struct dispatch_events {
    /* Its turn: a place on this connection is its own now. It must not leave inside this call. */
    void (*on_place)(struct dispatch_ticket *ticket, struct pool_connection *connection);
    /* What it waits for is something else now: dispatch_waits_for(). */
    void (*on_wait)(struct dispatch_ticket *ticket);
    /* It cannot have a place: the code and the sentence. It has to leave inside this call. */
    void (*on_refusal)(struct dispatch_ticket *ticket, int code, const char *message);
};

/* One request at one origin. Embedded; zeros to begin with. */
struct dispatch_ticket {
    struct admission_ticket admission;
    const struct dispatch_events *events;
    const struct config_policy *policy; /* whose limits hold; NULL: those of [limits] */
    struct pool_want want; /* the origin in it is held from dispatch_enter() to dispatch_leave() */
    uint64_t entered_ns;
};

struct dispatch {
    const struct config *config;
    struct pool *pool;
    struct origin_table *origins;
    struct admission admission;
    uv_idle_t soon;       /* turns are to be given */
    uv_timer_t later;     /* the same, at that time */
    uint64_t later_ns;    /* UINT64_MAX: not set */
    bool is_blocked_wide; /* somebody waits for what may become free at any other origin */
    bool wakes_all;       /* these are to be asked again */
    bool wakes_paced;     /* or those whose turn the last turn of the loop had no time for */
};

/* The pool is made by its caller, with dispatch_note_change() as its on_change. */
void dispatch_open(struct dispatch *dispatch, uv_loop_t *loop, const struct config *config,
                   struct origin_table *origins, struct pool *pool);

/* The limits of the configuration have changed. Tickets that wait keep those of their user. */
void dispatch_update_limits(struct dispatch *dispatch);

/* Nobody may wait or run any more. The memory is in use until the loop has closed its handles. */
void dispatch_close(struct dispatch *dispatch);

/* For pool_setup's on_change and on_turn; `ctx` is the dispatch. */
void dispatch_note_change(void *ctx, struct origin *origin);
void dispatch_on_turn(void *ctx);

/*
 * The ticket waits for its turn. 0; or FETCHPOOL_BUSY with the reason: too many of this user wait
 * already, or there is no memory.
 */
int dispatch_enter(struct dispatch *dispatch, struct dispatch_ticket *ticket, uint32_t uid,
                   struct wire_why *why);

/* It had a place that was of no use, and waits again, before all others of its user. 0 or
 * FETCHPOOL_BUSY with the reason. */
int dispatch_return(struct dispatch *dispatch, struct dispatch_ticket *ticket,
                    struct wire_why *why);

/* It waits or runs no more. Nothing if it does neither. */
void dispatch_leave(struct dispatch *dispatch, struct dispatch_ticket *ticket);

/* Does it wait for a connection that another is opening, rather than for its turn? */
bool dispatch_waits_for_opening(const struct dispatch_ticket *ticket);

/* Since when; 0: it does not. */
uint64_t dispatch_opening_since_ns(const struct dispatch_ticket *ticket);

/* "place 3 of its user's queue for https://…: 256 connections to it are in use ([pool] …)" */
void dispatch_describe(const struct dispatch *dispatch, const struct dispatch_ticket *ticket,
                       struct wire_why *out_why);
