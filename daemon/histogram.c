/* histogram: see histogram.h. */
#include "histogram.h"

#define BEYOND (HISTOGRAM_BUCKETS - 1)

/* Of a value above 0: the place of its highest bit. */
static unsigned power_of(uint64_t us)
{
    return 63 - (unsigned)__builtin_clzll(us);
}

/* The highest bit says which power; the three after it, which of its buckets. */
static unsigned bucket_of(uint64_t us)
{
    if (us < HISTOGRAM_SUB_BUCKETS)
        return (unsigned)us;
    unsigned power = power_of(us);
    if (power >= HISTOGRAM_POWERS)
        return BEYOND;
    unsigned shift = power - HISTOGRAM_SUB_BITS;
    unsigned sub = (unsigned)(us >> shift) - HISTOGRAM_SUB_BUCKETS;
    return HISTOGRAM_SUB_BUCKETS * (shift + 1) + sub;
}

/* The greatest value that falls into it. */
static uint64_t upper_end(unsigned bucket)
{
    if (bucket < HISTOGRAM_SUB_BUCKETS)
        return bucket;
    if (bucket == BEYOND)
        return UINT64_MAX;
    unsigned shift = bucket / HISTOGRAM_SUB_BUCKETS - 1;
    uint64_t sub = bucket % HISTOGRAM_SUB_BUCKETS + HISTOGRAM_SUB_BUCKETS;
    return ((sub + 1) << shift) - 1;
}

/* Rounded up: a bucket that holds anything, such as the greatest value, still does. */
static void halve(struct histogram *histogram)
{
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        histogram->buckets[i] -= histogram->buckets[i] / 2;
}

void histogram_add(struct histogram *histogram, uint64_t us)
{
    uint32_t *bucket = &histogram->buckets[bucket_of(us)];
    if (*bucket == UINT32_MAX)
        halve(histogram);
    ++*bucket;
    histogram->count++;
    uint64_t room = UINT64_MAX - histogram->sum_us;
    histogram->sum_us += us < room ? us : room;
    if (us > histogram->max_us)
        histogram->max_us = us;
}

/* Which differs from `count` once they were halved. */
static uint64_t sum_of_buckets(const struct histogram *histogram)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        sum += histogram->buckets[i];
    return sum;
}

uint64_t histogram_percentile(const struct histogram *histogram, unsigned per_mille)
{
    uint64_t share = per_mille < 1000 ? per_mille : 1000;
    uint64_t rank = (sum_of_buckets(histogram) * share + 999) / 1000; /* from 1; 0 is as 1 */
    uint64_t passed = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        passed += histogram->buckets[i];
        if (passed > 0 && passed >= rank) {
            uint64_t end = upper_end(i);
            return end < histogram->max_us ? end : histogram->max_us;
        }
    }
    return 0;
}

uint64_t histogram_mean(const struct histogram *histogram)
{
    return histogram->count ? histogram->sum_us / histogram->count : 0;
}
