/*
 * metrics: all that the daemon counts, as Prometheus' text (its exposition format 0.0.4). One table
 * has every family with its type, labels and sentence; the text and the list in fetchpoold(8) come
 * from there. Owns nothing.
 *
 * Each phase of a request is a label of one family, as adding them up says where time went; the
 * total, which contains them all, is a family of its own: a sum over a label has to mean something.
 * Of connections only numbers are shown, not whose they are.
 */
#pragma once

#include "buffer.h"
#include "origin.h"
#include "pool.h"
#include "stats.h"

/* Borrowed. */
struct metrics_source {
    const struct stats *stats;
    const struct stats_gauges *gauges;
    const struct pool *pool;
    struct origin_table *origins; /* is measured */
    uint64_t started_at_ms;       /* since 1970 */
};

/* Now, for started_at_ms. */
uint64_t metrics_now_ms(void);

/* Appends all of them. */
void metrics_write(struct buffer *out, const struct metrics_source *source);

/* ---- For whoever describes them -------------------------------------------------------------- */

struct metrics_family {
    const char *prefix, *name; /* the name is both */
    const char *type;          /* as Prometheus calls it */
    const char *labels;        /* with what they mean; NULL: none */
    const char *help;
};

size_t metrics_family_count(void);
/* The family in this place of the text. */
struct metrics_family metrics_family_at(size_t index);
