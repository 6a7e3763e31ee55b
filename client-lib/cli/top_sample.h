/*
 * top_sample: what the daemon said of itself at one time, and what has changed since another: the
 * rates that fetchpool top shows are differences of two samples.
 */
#pragma once

#include "fetchpool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct top_sample {
    struct fetchpool_response *stats; /* owned */
    struct fetchpool_response *rows;  /* owned: of `method` */
    const char *method;
    uint64_t at_us; /* of a clock that only goes forward */
};

/* A row of a sample, borrowed from it. */
struct top_row {
    const struct fetchpool_value *value;
    double rate; /* its requests a second since the sample before; NAN: there is none */
};

/*
 * Asks for the stats and for the rows of a method, waiting timeout_ms for each. NULL if all is
 * well; else the answer that failed, owned by the caller, and the sample is empty.
 */
struct fetchpool_response *top_sample_take(struct top_sample *out_sample, struct fetchpool *client,
                                           const char *method, uint32_t timeout_ms);
void top_sample_finish(struct top_sample *sample);

bool top_sample_is_empty(const struct top_sample *sample);

/* A value of the stats, NULL if the daemon has none of that name; as a number: NAN then. */
const struct fetchpool_value *top_sample_value(const struct top_sample *sample, const char *name);
double top_sample_number(const struct top_sample *sample, const char *name);

/* The sum of a number over all rows; NAN if no row has it. */
double top_sample_sum(const struct top_sample *sample, const char *name);

/*
 * How much a number of the stats has grown since `before`. NAN if that cannot be said: a sample is
 * empty, or the daemon is another one than before.
 */
double top_sample_growth(const struct top_sample *sample, const struct top_sample *before,
                         const char *name);

/* Seconds between the two; NAN as for a growth. */
double top_sample_seconds(const struct top_sample *sample, const struct top_sample *before);

/*
 * The rows, with their rates: a row of `before` is the same if it has the same value of `key`.
 * Returns owned, NULL without memory or without rows.
 */
struct top_row *top_sample_rows(const struct top_sample *sample, const struct top_sample *before,
                                const char *key, size_t *out_count);
