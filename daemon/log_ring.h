/*
 * log_ring: records in a row, in memory of a fixed size. What finds no room is dropped, and counted
 * until whoever takes the records out hears of it, at the place where they are missing. Pure: no
 * lock, no clock; memory only at init.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct log_ring {
    uint8_t *bytes;
    size_t size;
    size_t start, length; /* what is in use */
    uint64_t lost;        /* since the last record that found room */
};

/* 0 or -ENOMEM. */
int log_ring_init(struct log_ring *ring, size_t size);
void log_ring_finish(struct log_ring *ring);

/* Copies it. False: it was dropped. */
bool log_ring_put(struct log_ring *ring, const char *record, size_t length);

/*
 * The oldest record, and how many are missing before it. Its length, or 0: there is none, and what
 * is missing is so at the end. `out_record` must have room for it.
 */
size_t log_ring_take(struct log_ring *ring, char *out_record, uint64_t *out_lost);
