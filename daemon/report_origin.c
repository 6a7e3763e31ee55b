/* report_origin: the table of origins; see report.h. */
#include "report_internal.h"

#define US_PER_MS 1000

static size_t count_codes(const struct origin *origin)
{
    size_t count = 0;
    while (count < ORIGIN_CODES && origin->errors[count].code != 0)
        count++;
    return count;
}

static void put_errors(struct buffer *out, const struct origin *origin)
{
    size_t count = count_codes(origin);
    wire_put_text(out, "errors");
    wire_put_map(out, count);
    for (size_t i = 0; i < count; i++)
        report_put_number(out, fetchpool_code_name(origin->errors[i].code),
                          origin->errors[i].count);
}

static void put_timings(struct buffer *out, const struct origin *origin)
{
    static const struct histogram none;
    wire_put_text(out, "timings");
    wire_put_map(out, STATS_PHASES);
    for (size_t i = 0; i < STATS_PHASES; i++) {
        const struct histogram *phase = origin->phases ? &origin->phases[i] : &none;
        wire_put_text(out, stats_phase_text((enum stats_phase_name)i));
        wire_put_map(out, 3);
        report_put_number(out, "p50", histogram_percentile(phase, 500));
        report_put_number(out, "p90", histogram_percentile(phase, 900));
        report_put_number(out, "p99", histogram_percentile(phase, 990));
    }
}

static void put_idle_limit(struct buffer *out, const struct origin *origin, uint64_t now_ms)
{
    uint64_t learned_ms = idle_limit_learned(&origin->idle_limit, now_ms);
    wire_put_text(out, "idle_limit_ms");
    if (learned_ms == IDLE_LIMIT_NONE)
        wire_put_nil(out);
    else
        wire_put_unsigned(out, learned_ms);
}

static uint64_t retry_in_ms(const struct origin *origin, uint64_t now_ms)
{
    return breaker_ask(&origin->breaker, now_ms) == BREAKER_FAIL ? origin->breaker.until_ms - now_ms
                                                                 : 0;
}

/* The latest attempt to reach it failed, or those before did and it is not tried for now. */
static bool is_failing(const struct origin *origin)
{
    return origin->breaker.state != BREAKER_CLOSED ||
           (origin->failed_ns != 0 && origin->connection_count == 0);
}

static void put_origin(struct buffer *out, const struct origin *origin, uint64_t now_ms)
{
    size_t open = origin->connection_count - origin->opening;
    wire_put_map(out, 18);
    report_put_text(out, "origin", origin->name);
    report_put_text(out, "state", is_failing(origin) ? "failing" : "ok");
    report_put_text(out, "http", origin->http);
    report_put_number(out, "connections", open);
    report_put_number(out, "idle", pool_count_idle(origin));
    report_put_number(out, "opening", origin->opening);
    report_put_number(out, "running", origin->admission.running);
    report_put_number(out, "queued", origin->admission.queued);
    report_put_number(out, "requests", origin->requests);
    wire_put_text(out, "reuse_ratio");
    wire_put_real(out, origin->sent > 0 ? (double)origin->reused / (double)origin->sent : 0);
    report_put_number(out, "failed", origin->failed);
    report_put_number(out, "retries", origin->retries);
    report_put_number(out, "handshakes_saved", origin->handshakes_saved);
    report_put_number(out, "ms_saved", origin->saved_us / US_PER_MS);
    put_idle_limit(out, origin, now_ms);
    report_put_number(out, "retry_in_ms", retry_in_ms(origin, now_ms));
    put_errors(out, origin);
    put_timings(out, origin);
}

void report_origins(struct buffer *out, const struct origin_table *origins, uint64_t now_ms)
{
    const struct origin *origin, *next;
    wire_put_array(out, HASH_COUNT(origins->by_name));
    HASH_ITER (hh, origins->by_name, origin, next)
        put_origin(out, origin, now_ms);
}
