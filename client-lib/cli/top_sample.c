/* top_sample: see top_sample.h. */
#include "top_sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- Samples --------------------------------------------------------------------------------- */

struct fetchpool_response *top_sample_take(struct top_sample *out_sample, struct fetchpool *client,
                                           const char *method, uint32_t timeout_ms)
{
    struct top_sample sample = {.method = method};
    struct fetchpool_response *failed = NULL;
    sample.stats = fetchpool_query(client, "stats", timeout_ms);
    sample.at_us = now_us();
    if (fetchpool_error_code(sample.stats) == FETCHPOOL_OK)
        sample.rows = fetchpool_query(client, method, timeout_ms);
    else
        failed = sample.stats;
    if (!failed && fetchpool_error_code(sample.rows) != FETCHPOOL_OK) {
        fetchpool_response_free(sample.stats);
        failed = sample.rows;
    }
    *out_sample = failed ? (struct top_sample){0} : sample;
    return failed;
}

void top_sample_finish(struct top_sample *sample)
{
    fetchpool_response_free(sample->stats);
    fetchpool_response_free(sample->rows);
    *sample = (struct top_sample){0};
}

bool top_sample_is_empty(const struct top_sample *sample)
{
    return !sample->stats;
}

const struct fetchpool_value *top_sample_value(const struct top_sample *sample, const char *name)
{
    return sample->stats ? fetchpool_value_get(fetchpool_result(sample->stats), name) : NULL;
}

static bool is_equal(const struct fetchpool_value *one, const struct fetchpool_value *other)
{
    const char *bytes = fetchpool_value_string(one);
    const char *others = fetchpool_value_string(other);
    size_t length = fetchpool_value_length(one);
    if (!bytes || !others)
        return !bytes && !others && fetchpool_value_integer(one) == fetchpool_value_integer(other);
    return length == fetchpool_value_length(other) && memcmp(bytes, others, length) == 0;
}

/* A daemon that was started anew counts from 0, and has another name for its pool. */
static bool is_same_daemon(const struct top_sample *sample, const struct top_sample *before)
{
    return !top_sample_is_empty(sample) && !top_sample_is_empty(before) &&
           is_equal(top_sample_value(sample, "pool"), top_sample_value(before, "pool")) &&
           top_sample_number(sample, "uptime_ms") >= top_sample_number(before, "uptime_ms");
}

double top_sample_number(const struct top_sample *sample, const char *name)
{
    const struct fetchpool_value *value = top_sample_value(sample, name);
    return value ? fetchpool_value_real(value) : NAN;
}

double top_sample_sum(const struct top_sample *sample, const char *name)
{
    const struct fetchpool_value *list = sample->rows ? fetchpool_result(sample->rows) : NULL;
    double sum = NAN;
    for (size_t i = 0; i < fetchpool_value_length(list); i++) {
        const struct fetchpool_value *value = fetchpool_value_get(fetchpool_value_at(list, i),
                                                                  name);
        if (value)
            sum = (isnan(sum) ? 0 : sum) + fetchpool_value_real(value);
    }
    return sum;
}

double top_sample_growth(const struct top_sample *sample, const struct top_sample *before,
                         const char *name)
{
    if (!is_same_daemon(sample, before))
        return NAN;
    return top_sample_number(sample, name) - top_sample_number(before, name);
}

double top_sample_seconds(const struct top_sample *sample, const struct top_sample *before)
{
    if (!is_same_daemon(sample, before) || sample->at_us <= before->at_us)
        return NAN;
    return (double)(sample->at_us - before->at_us) / 1e6;
}

/* ---- Rows ------------------------------------------------------------------------------------ */

/* Rows before, searched from where the last one was found: they hardly ever change their order. */
struct search {
    const struct fetchpool_value *list;
    const char *key;
    size_t next;
};

static const struct fetchpool_value *find(struct search *search,
                                          const struct fetchpool_value *wanted)
{
    size_t count = fetchpool_value_length(search->list);
    for (size_t i = 0; i < count; i++) {
        size_t at = (search->next + i) % count;
        const struct fetchpool_value *row = fetchpool_value_at(search->list, at);
        if (is_equal(fetchpool_value_get(row, search->key), wanted)) {
            search->next = at + 1;
            return row;
        }
    }
    return NULL;
}

/* Of a row that was not there, all its requests are new. */
static double rate_of(const struct fetchpool_value *row, struct search *search, double seconds)
{
    const struct fetchpool_value *old = find(search, fetchpool_value_get(row, search->key));
    double growth = fetchpool_value_real(fetchpool_value_get(row, "requests")) -
                    fetchpool_value_real(fetchpool_value_get(old, "requests"));
    return (growth > 0 ? growth : 0) / seconds;
}

struct top_row *top_sample_rows(const struct top_sample *sample, const struct top_sample *before,
                                const char *key, size_t *out_count)
{
    const struct fetchpool_value *list = sample->rows ? fetchpool_result(sample->rows) : NULL;
    size_t count = fetchpool_value_type(list) == FETCHPOOL_ARRAY ? fetchpool_value_length(list) : 0;
    struct top_row *rows = count > 0 ? calloc(count, sizeof *rows) : NULL;
    bool is_comparable = sample->method == before->method;
    double seconds = is_comparable ? top_sample_seconds(sample, before) : NAN;
    struct search search = {.key = key};
    if (is_comparable && before->rows)
        search.list = fetchpool_result(before->rows);
    for (size_t i = 0; rows && i < count; i++) {
        rows[i].value = fetchpool_value_at(list, i);
        rows[i].rate = isnan(seconds) ? NAN : rate_of(rows[i].value, &search, seconds);
    }
    *out_count = rows ? count : 0;
    return rows;
}
