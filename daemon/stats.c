/* stats: see stats.h. */
#include "stats.h"

static const struct {
    const char *name;
    size_t offset;
} counters[] = {
#define STATS_ROW(name) {#name, offsetof(struct stats, name)},
    STATS_COUNTERS(STATS_ROW)
#undef STATS_ROW
};

size_t stats_count(void)
{
    return sizeof counters / sizeof counters[0];
}

struct stats_entry stats_at(const struct stats *stats, size_t index)
{
    const char *member = (const char *)stats + counters[index].offset;
    return (struct stats_entry){counters[index].name, *(const uint64_t *)member};
}
