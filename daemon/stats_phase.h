/*
 * stats_phase: how long one phase of requests took, for the whole daemon, in buckets of fixed
 * bounds that only ever count up, as Prometheus wants them. (The room histogram has finer buckets
 * for percentiles, but halves them when one is full: those cannot be published.)
 */
#pragma once

#include <stdint.h>

/* The phases of a request, in their order; names as in `timing`. */
enum stats_phase_name {
    STATS_QUEUE,
    STATS_RESOLVE,
    STATS_CONNECT,
    STATS_TLS,
    STATS_FIRST_BYTE,
    STATS_TOTAL, /* all of these, and the body */
    STATS_PHASES
};

/* From a warm connection in the next room to the timeouts' defaults. */
#define STATS_PHASE_BOUNDS 17

struct stats_phase_bound {
    uint64_t us;
    const char *seconds; /* the same as text */
};

extern const struct stats_phase_bound stats_phase_bounds[STATS_PHASE_BOUNDS];

/* Zeros to begin with. */
struct stats_phase {
    uint64_t counts[STATS_PHASE_BOUNDS + 1]; /* each bucket alone; the last is beyond the bounds */
    uint64_t sum_us;
};

void stats_phase_add(struct stats_phase *phase, uint64_t us);

/* "queue", "first_byte" … */
const char *stats_phase_text(enum stats_phase_name name);
