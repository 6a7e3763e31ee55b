/* stats: see stats.h. */
#include "stats.h"

#include <fetchpool.h>

struct row {
    size_t offset; /* of its uint64_t */
    const char *name, *metric, *help;
    uint64_t divisor;
};

static const struct row counters[] = {
#define STATS_ROW(name, metric, help) {offsetof(struct stats, name), #name, metric, help, 1},
    STATS_COUNTERS(STATS_ROW)
#undef STATS_ROW
};

static const struct row gauges[] = {
#define STATS_ROW(name, metric, divisor, help)                                                     \
    {offsetof(struct stats_gauges, name), #name, metric, help, divisor},
    STATS_GAUGES(STATS_ROW)
#undef STATS_ROW
};

static struct stats_entry entry_of(const struct row *row, const void *record)
{
    const char *member = (const char *)record + row->offset;
    return (struct stats_entry){row->name, row->metric, row->help, row->divisor,
                                *(const uint64_t *)member};
}

void stats_note_end(struct stats *stats, int code)
{
    stats->requests++;
    if (code == 0)
        return;
    stats->requests_failed++;
    if (code > 0 && code < FETCHPOOL_BUSY)
        stats->requests_refused++;
    if (code > 0 && code < STATS_CODES)
        stats->errors[code]++;
}

size_t stats_counter_count(void)
{
    return sizeof counters / sizeof counters[0];
}

struct stats_entry stats_counter_at(const struct stats *stats, size_t index)
{
    return entry_of(&counters[index], stats);
}

size_t stats_gauge_count(void)
{
    return sizeof gauges / sizeof gauges[0];
}

struct stats_entry stats_gauge_at(const struct stats_gauges *record, size_t index)
{
    return entry_of(&gauges[index], record);
}
