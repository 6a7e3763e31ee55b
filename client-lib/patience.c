/* patience: see patience.h. */
#include "patience.h"

#include "deadline.h"
#include "fetchpool.h"

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

int64_t patience_end(const struct patience *patience, uint64_t daemon_timeout_ms)
{
    int64_t from = is_total(patience) ? patience->started : patience->active;
    return from + (int64_t)patience_span_ms(patience, daemon_timeout_ms);
}
