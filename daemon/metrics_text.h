/* metrics_text: the lines of Prometheus' text: what begins a family, and its samples. */
#pragma once

#include "metrics.h"

struct metrics_label {
    const char *name, *value;
};

/* # HELP and # TYPE. */
void metrics_put_family(struct buffer *out, const struct metrics_family *family);

/*
 * A sample. `suffix`: "" or "_bucket", "_sum", "_count". `labels`: up to one without a name; NULL:
 * none. The value is `value` / `divisor`, a power of ten.
 */
void metrics_put_sample(struct buffer *out, const struct metrics_family *family, const char *suffix,
                        const struct metrics_label *labels, uint64_t value, uint64_t divisor);
