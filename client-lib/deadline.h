/*
 * deadline: a point in time after which a call no longer waits, in milliseconds of CLOCK_MONOTONIC,
 * which no change of the host's date moves.
 */
#pragma once

#include <stdint.h>

int64_t deadline_now(void);

/* How long until then, as poll(2) wants it: 0 if it has passed, never negative. */
int deadline_left_ms(int64_t deadline);
