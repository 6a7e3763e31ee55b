/* request_limit: see request_limit.h. */
#include "request_limit.h"

void request_limit_note(struct request_limit *limit, uint64_t connection, uint64_t processed,
                        uint64_t now_ms)
{
    struct request_limit_sight sight = {connection, processed};
    limit->seen_at_ms = now_ms;
    if (connection > limit->latest.connection) {
        limit->before = limit->latest;
        limit->latest = sight;
    } else if (connection == limit->latest.connection) {
        limit->latest = sight;
    } else if (connection >= limit->before.connection) {
        limit->before = sight;
    }
}

bool request_limit_is_seen(const struct request_limit *limit, uint64_t now_ms)
{
    return limit->latest.connection != 0 && now_ms - limit->seen_at_ms < REQUEST_LIMIT_BELIEVED_MS;
}

static uint64_t or_none(uint64_t processed)
{
    return processed > 0 ? processed : REQUEST_LIMIT_NONE;
}

uint64_t request_limit_get(const struct request_limit *limit, uint64_t now_ms)
{
    uint64_t latest = or_none(limit->latest.processed), before = or_none(limit->before.processed);
    if (!request_limit_is_seen(limit, now_ms))
        return REQUEST_LIMIT_NONE;
    if (latest == before)
        return latest;
    if (now_ms - limit->seen_at_ms >= REQUEST_LIMIT_SUSPECTED_MS)
        return REQUEST_LIMIT_NONE;
    return latest < before ? latest : before;
}
