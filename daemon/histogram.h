/*
 * histogram: durations of one kind, counted in buckets, and percentiles out of them. Buckets grow
 * with the values, eight to each power of two, so that a percentile is never too low and at most an
 * eighth too high; below 8 us it is exact. Ground floor: pure, fixed size, knows nothing of ours.
 *
 * Nothing overflows: a full bucket halves all of them, which keeps their proportions, so the
 * buckets are no counters to be published; `count` and `sum_us` are.
 */
#pragma once

#include <stdint.h>

/* Values from 2^32 us on, which is 71 minutes, share one bucket. */
#define HISTOGRAM_POWERS 32

/* To each power of two. */
#define HISTOGRAM_SUB_BITS    3
#define HISTOGRAM_SUB_BUCKETS (1 << HISTOGRAM_SUB_BITS)

/*
 * 241. The values 0 to 7 have a bucket each (0, and all that the powers 2^0 to 2^2 hold); the 29
 * powers 2^3 to 2^31 have eight each; and there is one for what is beyond.
 */
#define HISTOGRAM_BUCKETS (HISTOGRAM_SUB_BUCKETS * (HISTOGRAM_POWERS - HISTOGRAM_SUB_BITS + 1) + 1)

/* Zeros to begin with. */
struct histogram {
    uint64_t count;
    uint64_t sum_us; /* stays at UINT64_MAX once there */
    uint64_t max_us;
    uint32_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *histogram, uint64_t us);

/*
 * The value, in microseconds, that so many of a thousand do not exceed (500: the median, 1000 and
 * above: the greatest): the upper end of its bucket, but no more than the greatest value that was
 * added, which is also the answer for all beyond the powers. 0 if nothing was added.
 */
uint64_t histogram_percentile(const struct histogram *histogram, unsigned per_mille);

/* In microseconds, rounded down. 0 if nothing was added. */
uint64_t histogram_mean(const struct histogram *histogram);
