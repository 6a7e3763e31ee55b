/*
 * retry_budget: how many of an origin's requests may be sent again: at most a share of those of the
 * last RETRY_BUDGET_WINDOW_MS, but always RETRY_BUDGET_LEAST, so that a quiet origin has some.
 * Retries repair single failures; in an outage they would only add to it.
 *
 * Pure: time is given, in ms of any clock that does not go back. The window moves by halves: a
 * request or a retry counts until it is between a half and the whole of it old.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define RETRY_BUDGET_WINDOW_MS 10000
#define RETRY_BUDGET_LEAST     3 /* retries, in the window */

struct retry_budget_half {
    uint64_t requests, retries;
};

/* Zeros to begin with. */
struct retry_budget {
    uint64_t half_began_ms; /* the current one */
    struct retry_budget_half current, before;
};

/* A request is made for the first time. */
void retry_budget_note_request(struct retry_budget *budget, uint64_t now_ms);

/* Takes one retry, if there is one left: `percent` of the requests, rounded down, or
 * RETRY_BUDGET_LEAST where that is more. */
bool retry_budget_take(struct retry_budget *budget, uint64_t percent, uint64_t now_ms);
