/*
 * breaker: an origin that cannot be connected to is not asked again for a while, a while that
 * doubles with each further failure, and then by one request at a time until one gets through.
 *
 *     CLOSED   BREAKER_PATIENCE failures in a row: OPEN, for the least pause
 *     OPEN     its pause has passed and an attempt is let through: TRYING
 *     TRYING   it failed: OPEN, with twice the pause, at most the limits' `most_ms`
 *              it said nothing of either (cancelled): OPEN, its pause over
 *     any      a connection was opened: CLOSED, and all is as in the beginning
 *
 * An attempt that was made before it opened, and fails after, changes nothing: many at a time would
 * double the pause many times. It is not told apart which attempt an outcome belongs to: an older
 * one that ends while a trial is made decides as the trial would.
 *
 * Pure: time is given, in ms of any clock that does not go back.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define BREAKER_PATIENCE 3 /* failures in a row */

/* Of the pause; least_ms above 0. most_ms 0: there is none, every attempt is let through. Where
 * least_ms is more than most_ms, most_ms holds. */
struct breaker_limits {
    uint64_t least_ms, most_ms;
};

enum breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_TRYING };

/* Zeros to begin with. */
struct breaker {
    enum breaker_state state;
    unsigned failures; /* in a row */
    uint64_t pause_ms; /* the latest one; 0 while closed */
    uint64_t until_ms; /* its end */
};

enum breaker_verdict {
    BREAKER_GO,
    BREAKER_WAIT, /* an attempt is being made: its outcome decides */
    BREAKER_FAIL  /* not before `until_ms` */
};

/* May an attempt to connect be made now? Changes nothing. At `until_ms` it may. */
enum breaker_verdict breaker_ask(const struct breaker *breaker, uint64_t now_ms);

/* An attempt is made: after BREAKER_GO. */
void breaker_note_attempt(struct breaker *breaker);

/* Of an attempt made in whichever state: a success resets everything; a failure counts towards
 * BREAKER_PATIENCE while closed, and doubles the pause otherwise. */
void breaker_note_success(struct breaker *breaker);
void breaker_note_failure(struct breaker *breaker, const struct breaker_limits *limits,
                          uint64_t now_ms);

/* The attempt ended without either. Nothing but a trial is changed by that: the next may be made
 * at once, with the pause that this one had. */
void breaker_note_abandoned(struct breaker *breaker, uint64_t now_ms);
