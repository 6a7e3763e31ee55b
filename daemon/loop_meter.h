/*
 * loop_meter: how long the loop was held by one round of work: the time between two waits, less
 * what was spent waiting. Everything that a daemon of one loop does late is late by this.
 * Needs a loop configured with UV_METRICS_IDLE_TIME.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <uv.h>

struct loop_meter {
    uv_prepare_t prepare;
    bool has_begun;   /* a round has been measured from its start */
    uint64_t seen_ns; /* the last round's start */
    uint64_t idle_ns; /* the loop's waiting time by then */
    uint64_t busy_max_ns;
};

void loop_meter_start(struct loop_meter *meter, uv_loop_t *loop);
void loop_meter_stop(struct loop_meter *meter);
uint64_t loop_meter_busy_max_us(const struct loop_meter *meter);
