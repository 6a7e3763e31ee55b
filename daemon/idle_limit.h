/*
 * idle_limit: how long a connection of one origin may lie unused and still be used again: the
 * least of what the configuration says, what the origin says (`Keep-Alive: timeout=`), and what
 * was learned from its closing idle connections. From the latter two a margin is taken, for the
 * time that a request is on its way: a tenth, at least 100 ms and at most 1 s, but never more than
 * half of it.
 *
 * What is learned takes two closings in a row of much the same age (they differ by no more than a
 * quarter of the greater), at least IDLE_LIMIT_APART_MS and at most IDLE_LIMIT_BELIEVED_MS apart;
 * the lesser age counts. A closing sooner after the one before teaches nothing: an origin that
 * restarts closes all its connections at once, whatever their age. Nor does one of an age below
 * IDLE_LIMIT_LEAST_MS: that belongs to the answer before (an origin that ends each connection after
 * so many requests), and would learn that connections are not to be used again at all.
 *
 * It is forgotten after IDLE_LIMIT_BELIEVED_MS without a further closing that agrees. Until then
 * only a lesser age replaces it. Pure: time is given, in ms of any clock that does not go back.
 */
#pragma once

#include <stdint.h>

#define IDLE_LIMIT_BELIEVED_MS ((uint64_t)10 * 60 * 1000)
#define IDLE_LIMIT_NONE        UINT64_MAX

/* Of two closings that are to agree. */
#define IDLE_LIMIT_APART_MS 50

/* The least age of a closing that teaches anything. */
#define IDLE_LIMIT_LEAST_MS 50

/* The most that an origin can say, a year; more is no word. */
#define IDLE_LIMIT_MOST_SAID_S ((uint64_t)365 * 24 * 60 * 60)

/* Zeros to begin with. */
struct idle_limit {
    uint64_t said_ms;       /* by the latest answer that had one; 0: nothing */
    uint64_t learned_ms;    /* 0: nothing */
    uint64_t learned_at_ms; /* or confirmed */
    uint64_t seen_ms;       /* the age of the latest closing; 0: there was none */
    uint64_t seen_at_ms;
};

/*
 * An answer's Keep-Alive field, or NULL where there is none: `timeout=5, max=100`, names in any
 * case, blanks around everything, values perhaps in quotes; of several timeouts the least counts.
 * What is not understood is no word: what an earlier answer said holds. `timeout=0`, do not use it
 * again, becomes 1 ms.
 */
void idle_limit_note_field(struct idle_limit *limit, const char *keep_alive);

/* The origin closed a connection that had been idle for so long. */
void idle_limit_note_close(struct idle_limit *limit, uint64_t idle_ms, uint64_t now_ms);

/* The lesser of what was said and learned, with its margin taken, at least 1 ms; IDLE_LIMIT_NONE
 * where there is neither. */
uint64_t idle_limit_learned(const struct idle_limit *limit, uint64_t now_ms);

/* The limit that holds: at most `configured_ms`. */
uint64_t idle_limit_get(const struct idle_limit *limit, uint64_t configured_ms, uint64_t now_ms);
