/*
 * origin: what the daemon knows of each origin that it was asked for: what waits for it and runs
 * at it, whether it can be reached, how long it keeps idle connections, how its requests fared.
 * Kept for a while after its last use, so that what was learned is of use.
 *
 * A table of plain structs, keyed by the origin's text ("https://example.com:443"). Its parts are
 * each a room of their own; the connections in the list belong to the pool. Bounded: of those that
 * nothing uses, the one unused for longest is forgotten first.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uthash.h>

#include "admission.h"
#include "breaker.h"
#include "histogram.h"
#include "idle_limit.h"
#include "origin_tally.h"
#include "request_limit.h"
#include "retry_budget.h"
#include "stats_phase.h"

struct pool_connection;
struct pool_shard;

/* Origins without a connection or a request that are remembered; each is some 9 KiB. */
#define ORIGIN_MOST_UNUSED 1024

/* There are 26 codes in the protocol that a fetch can end with. */
#define ORIGIN_CODES 32

struct origin_error {
    int code; /* 0: this place is free, and so are those behind it */
    uint64_t count;
};

struct origin {
    char *name; /* scheme, host, port */
    char *host;
    bool is_literal;  /* the host is an address: there is nothing to look up */
    const char *http; /* version of the latest answer, a static string; "" before the first */
    bool is_single;   /* its connections carry one request at a time, as far as is known */
    size_t uses;      /* of origin_hold() */
    struct origin *prev, *next; /* of those without use, in the order of losing the last one */
    UT_hash_handle hh;

    /* For admission's caller and for the pool. */
    struct admission_origin admission;
    struct pool_connection *connections; /* idle ones, the one used last first; full ones last */
    struct pool_shard *shard;            /* of all these; NULL: there are none */
    size_t connection_count;             /* of these, those that are or may become usable */
    size_t opening;
    uint64_t opening_since_ns; /* the latest attempt that others may wait for */
    uint64_t looked_up_ns;     /* when its name was last looked up well; 0: never */

    /* What was learned. */
    struct idle_limit idle_limit;
    struct breaker breaker;
    struct request_limit request_limit;
    struct retry_budget budget;
    uint64_t failed_ns; /* when the latest attempt to reach it failed; 0: never */
    int failed_code;
    char failed_text[256];

    /* How its requests fared. */
    uint64_t requests, failed, retries;
    uint64_t sent, reused; /* requests sent; of them, those over a connection that was open */
    uint64_t handshakes_saved;
    uint64_t saved_us;
    uint64_t opening_cost_us; /* a moving mean of look-up, connect and TLS */
    struct origin_error errors[ORIGIN_CODES];
    struct histogram *phases;   /* STATS_PHASES of them; NULL before the first sample */
    struct origin_tally *tally; /* what is counted for good; NULL: nothing is */
};

struct origin_table {
    struct origin *by_name;
    struct origin *unused; /* the longest-unused first */
    size_t unused_count;
    struct origin_tally_set tallies;
};

void origin_table_finish(struct origin_table *table);

/*
 * The origin of that name, made if need be, and held until origin_release(). NULL without memory.
 * `host`: as in the URL, an IPv6 address in brackets.
 */
struct origin *origin_hold(struct origin_table *table, const char *name, const char *host);
void origin_release(struct origin_table *table, struct origin *origin);

/* Its requests are counted for good from now on: under its own name if no more than `most` have
 * one, else with all others. For each request: who has its own keeps it. */
void origin_join_tally(struct origin_table *table, struct origin *origin, size_t most);

/* Brings the tallies' gauges up to date: what all origins of a tally have now. */
void origin_table_measure(struct origin_table *table);

/* A phase of one of its requests took so long. Without memory it is not counted. */
void origin_note_phase(struct origin *origin, enum stats_phase_name phase, uint64_t us);

/* A request of its ended; code 0: well. */
void origin_note_end(struct origin *origin, int code);
/* A request went over a connection that was open. Returns what that saved: what opening one costs,
 * in microseconds; 0 if that is not known. */
uint64_t origin_note_reuse(struct origin *origin);
/* Opening a connection took so long in all. */
void origin_note_opening(struct origin *origin, uint64_t cost_us);
/* Why it could not be reached: for those who waited for the attempt. */
void origin_note_failure(struct origin *origin, int code, const char *text, uint64_t now_ns);
/* Something of it could be reached: a failure from before says nothing any more. */
void origin_note_reached(struct origin *origin);
