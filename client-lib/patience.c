/* patience: see patience.h. */
#include "patience.h"

#include "deadline.h"
#include "fetchpool.h"

/* What is late by less than this is told the daemon as the caller has named it, which is what its
 * messages then say. The grace has room for it. */
#define UNTOLD_MS (FETCHPOOL_GRACE_MS / 2)

void patience_begin(struct patience *patience)
{
    patience->started = patience->active = deadline_now();
}

void patience_renew(struct patience *patience)
{
    patience->active = deadline_now();
}

void patience_excuse(struct patience *patience, int64_t since)
{
    int64_t now = deadline_now();
    patience->started += now - since;
    patience->active = now;
}

/* A total, or for a stream without one the longest silence. */
static bool is_total(const struct patience *patience)
{
    return patience->timeout_ms > 0 || !patience->is_stream;
}

uint64_t patience_span_ms(const struct patience *patience, uint64_t daemon_timeout_ms)
{
    uint64_t span_ms = patience->timeout_ms;
    if (span_ms == 0)
        span_ms = daemon_timeout_ms ? daemon_timeout_ms : FETCHPOOL_DEFAULT_TIMEOUT_MS;
    if (!is_total(patience) && span_ms < patience->phases_ms)
        span_ms = patience->phases_ms;
    return span_ms + patience->grace_ms;
}

int64_t patience_last_start(const struct patience *patience)
{
    return patience_end(patience, 0) - (int64_t)patience->grace_ms;
}

uint64_t patience_to_tell_ms(const struct patience *patience)
{
    int64_t now = deadline_now();
    int64_t left_ms = patience->started + (int64_t)patience->timeout_ms - now;
    if (now - patience->started < UNTOLD_MS)
        return patience->timeout_ms;
    return left_ms > 0 ? (uint64_t)left_ms : 1;
}

int64_t patience_end(const struct patience *patience, uint64_t daemon_timeout_ms)
{
    int64_t from = is_total(patience) ? patience->started : patience->active;
    return from + (int64_t)patience_span_ms(patience, daemon_timeout_ms);
}
