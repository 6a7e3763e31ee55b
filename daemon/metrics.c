/* metrics: see metrics.h. What a line looks like is in metrics_text.c. */
#include "metrics_text.h"

#include <string.h>

#include "fetchpool_wire.h"
#include "metrics_process.h"

#define PREFIX   "fetchpool_"
#define US_PER_S 1000000
#define MS_PER_S 1000

/* What one text is made from. */
struct scrape {
    struct buffer *out;
    const struct metrics_source *source;
    struct metrics_process process;
};

static void put(const struct scrape *scrape, const struct metrics_family *family,
                const struct metrics_label *labels, uint64_t value)
{
    metrics_put_sample(scrape->out, family, "", labels, value, 1);
}

/* ---- The daemon ----------------------------------------------------------------------------- */

static void put_build(const struct scrape *scrape, const struct metrics_family *family)
{
    put(scrape, family,
        (const struct metrics_label[]){
            {"version", FETCHPOOL_VERSION}, {"libcurl", pool_library_number()}, {NULL, NULL}},
        1);
}

static void put_saved(const struct scrape *scrape, const struct metrics_family *family)
{
    metrics_put_sample(scrape->out, family, "", NULL, scrape->source->stats->saved_us, US_PER_S);
}

static const char *class_of(int code)
{
    switch (fetchpool_code_class(code)) {
    case FETCHPOOL_CLASS_NONE:
        break;
    case FETCHPOOL_CLASS_REFUSED:
        return "refused";
    case FETCHPOOL_CLASS_NOT_SENT:
        return "not_sent";
    case FETCHPOOL_CLASS_MAYBE_PROCESSED:
        return "maybe_processed";
    }
    return "none";
}

/* Those that have not come yet, too: a rate needs something to begin from. */
static void put_errors(const struct scrape *scrape, const struct metrics_family *family)
{
    const char *unknown = fetchpool_code_name(-1);
    for (int code = 1; code < STATS_CODES; code++) {
        const char *name = fetchpool_code_name(code);
        if (strcmp(name, unknown) != 0)
            put(scrape, family,
                (const struct metrics_label[]){
                    {"code", name}, {"class", class_of(code)}, {NULL, NULL}},
                scrape->source->stats->errors[code]);
    }
}

/* ---- Durations ------------------------------------------------------------------------------ */

/* `labels` ends with the place for le. */
static void put_phase(const struct scrape *scrape, const struct metrics_family *family,
                      struct metrics_label *labels, struct metrics_label *le,
                      const struct stats_phase *phase)
{
    uint64_t count = 0;
    for (size_t i = 0; i <= STATS_PHASE_BOUNDS; i++) {
        const char *bound = i < STATS_PHASE_BOUNDS ? stats_phase_bounds[i].seconds : "+Inf";
        *le = (struct metrics_label){"le", bound};
        count += phase->counts[i];
        metrics_put_sample(scrape->out, family, "_bucket", labels, count, 1);
    }
    *le = (struct metrics_label){NULL, NULL};
    const struct metrics_label *rest = labels->name ? labels : NULL;
    metrics_put_sample(scrape->out, family, "_sum", rest, phase->sum_us, US_PER_S);
    metrics_put_sample(scrape->out, family, "_count", rest, count, 1);
}

static void put_total(const struct scrape *scrape, const struct metrics_family *family)
{
    struct metrics_label labels[2] = {{NULL, NULL}};
    put_phase(scrape, family, labels, &labels[0], &scrape->source->stats->phases[STATS_TOTAL]);
}

static void put_phases(const struct scrape *scrape, const struct metrics_family *family)
{
    for (int i = 0; i < STATS_TOTAL; i++) {
        struct metrics_label labels[3] = {{"phase", stats_phase_text((enum stats_phase_name)i)}};
        put_phase(scrape, family, labels, &labels[1], &scrape->source->stats->phases[i]);
    }
}

/* ---- Connections ---------------------------------------------------------------------------- */

static const char *const states[] = {"opening", "active", "idle", "draining", "closing"};
static const char *const versions[] = {"1.0", "1.1", "2", ""}; /* "": before the first answer */

#define STATES   (sizeof states / sizeof states[0])
#define VERSIONS (sizeof versions / sizeof versions[0])

struct census {
    uint64_t counts[STATES][VERSIONS];
};

static size_t find(const char *const *words, size_t count, const char *word)
{
    size_t place = 0;
    while (place < count - 1 && strcmp(words[place], word) != 0)
        place++;
    return place;
}

static void count_connection(void *ctx, const struct pool_connection_info *info)
{
    struct census *census = ctx;
    census->counts[find(states, STATES, info->state)][find(versions, VERSIONS, info->http)]++;
}

static void put_connections(const struct scrape *scrape, const struct metrics_family *family)
{
    struct census census = {0};
    pool_each_connection(scrape->source->pool, count_connection, &census);
    for (size_t i = 0; i < STATES; i++) {
        for (size_t j = 0; j < VERSIONS; j++)
            put(scrape, family,
                (const struct metrics_label[]){{"state", states[i]},
                                               {"http", versions[j][0] ? versions[j] : "unknown"},
                                               {NULL, NULL}},
                census.counts[i][j]);
    }
}

/* ---- Origins -------------------------------------------------------------------------------- */

/* A member of each tally. */
static void put_tallies(const struct scrape *scrape, const struct metrics_family *family,
                        size_t offset)
{
    const struct origin_tally_set *set = &scrape->source->origins->tallies;
    const struct origin_tally *tally, *next;
    HASH_ITER (hh, set->by_name, tally, next)
        put(scrape, family, (const struct metrics_label[]){{"origin", tally->name}, {NULL, NULL}},
            *(const uint64_t *)((const char *)tally + offset));
    put(scrape, family, (const struct metrics_label[]){{"origin", "other"}, {NULL, NULL}},
        *(const uint64_t *)((const char *)&set->others + offset));
}

#define TALLIES(member)                                                                            \
    static void put_origin_##member(const struct scrape *scrape,                                   \
                                    const struct metrics_family *family)                           \
    {                                                                                              \
        put_tallies(scrape, family, offsetof(struct origin_tally, member));                        \
    }
TALLIES(requests)
TALLIES(errors)
TALLIES(connections)
TALLIES(running)
TALLIES(queued)

/* ---- The process ---------------------------------------------------------------------------- */

static void put_known(const struct scrape *scrape, const struct metrics_family *family,
                      uint64_t value, uint64_t divisor)
{
    if (value != METRICS_UNKNOWN)
        metrics_put_sample(scrape->out, family, "", NULL, value, divisor);
}

static void put_cpu(const struct scrape *scrape, const struct metrics_family *family)
{
    put_known(scrape, family, scrape->process.cpu_us, US_PER_S);
}

static void put_resident(const struct scrape *scrape, const struct metrics_family *family)
{
    put_known(scrape, family, scrape->process.resident_bytes, 1);
}

static void put_virtual(const struct scrape *scrape, const struct metrics_family *family)
{
    put_known(scrape, family, scrape->process.virtual_bytes, 1);
}

static void put_open(const struct scrape *scrape, const struct metrics_family *family)
{
    put_known(scrape, family, scrape->process.open_descriptors, 1);
}

static void put_most(const struct scrape *scrape, const struct metrics_family *family)
{
    put_known(scrape, family, scrape->process.most_descriptors, 1);
}

static void put_start(const struct scrape *scrape, const struct metrics_family *family)
{
    put_known(scrape, family, scrape->source->started_at_ms, MS_PER_S);
}

/* ---- The table ------------------------------------------------------------------------------ */

#define ORIGIN_LABEL                                                                               \
    "origin: scheme, host and port of the first [metrics] origins that were asked for, other for " \
    "the sum of the rest"

/* Behind the gauges and the counters of stats. */
static const struct own {
    struct metrics_family family;
    void (*put)(const struct scrape *scrape, const struct metrics_family *family);
} own[] = {
    {{PREFIX, "build_info", "gauge", "version, libcurl: the versions of both",
      "1, with what the daemon is in its labels."},
     put_build},
    {{PREFIX, "handshakes_saved_seconds_total", "counter", NULL,
      "What opening a connection for each of fetchpool_handshakes_saved_total would have taken: "
      "for "
      "each, the moving mean of what it took at its origin."},
     put_saved},
    {{PREFIX, "errors_total", "counter",
      "code: the error's name in the protocol; class: refused, not_sent or maybe_processed",
      "Fetches that ended with an error."},
     put_errors},
    {{PREFIX, "request_duration_seconds", "histogram", NULL,
      "Time from the arrival of a request that came as far as an origin to its end."},
     put_total},
    {{PREFIX, "request_phase_duration_seconds", "histogram",
      "phase: queue, resolve, connect, tls or first_byte",
      "Time that such a request spent in each phase before its body. Resolve, connect and tls are "
      "those of requests that opened a connection."},
     put_phases},
    {{PREFIX, "connections", "gauge",
      "state: opening, active, idle, draining or closing; http: 1.0, 1.1, 2, or unknown before the "
      "first answer",
      "Connections to origins."},
     put_connections},
    {{PREFIX, "origin_requests_total", "counter", ORIGIN_LABEL,
      "Requests to the origin that ended."},
     put_origin_requests},
    {{PREFIX, "origin_errors_total", "counter", ORIGIN_LABEL,
      "Of these, those that ended with an error."},
     put_origin_errors},
    {{PREFIX, "origin_connections", "gauge", ORIGIN_LABEL,
      "Connections to the origin that are open."},
     put_origin_connections},
    {{PREFIX, "origin_requests_running", "gauge", ORIGIN_LABEL,
      "Requests on their way to or from the origin."},
     put_origin_running},
    {{PREFIX, "origin_requests_queued", "gauge", ORIGIN_LABEL,
      "Requests to the origin that wait for their turn."},
     put_origin_queued},
    {{"process_", "cpu_seconds_total", "counter", NULL, "Processor time of the daemon."}, put_cpu},
    {{"process_", "resident_memory_bytes", "gauge", NULL, "Its memory that is resident."},
     put_resident},
    {{"process_", "virtual_memory_bytes", "gauge", NULL, "Its address space."}, put_virtual},
    {{"process_", "open_fds", "gauge", NULL, "Its descriptors that are open."}, put_open},
    {{"process_", "max_fds", "gauge", NULL, "How many it may have."}, put_most},
    {{"process_", "start_time_seconds", "gauge", NULL, "When it started, since 1970."}, put_start},
};

size_t metrics_family_count(void)
{
    return stats_gauge_count() + stats_counter_count() + sizeof own / sizeof own[0];
}

static struct metrics_family family_of(const struct stats_entry *entry, const char *type)
{
    return (struct metrics_family){PREFIX, entry->metric, type, NULL, entry->help};
}

struct metrics_family metrics_family_at(size_t index)
{
    static const struct stats_gauges no_gauges;
    static const struct stats no_stats;
    if (index < stats_gauge_count()) {
        struct stats_entry entry = stats_gauge_at(&no_gauges, index);
        return family_of(&entry, "gauge");
    }
    index -= stats_gauge_count();
    if (index < stats_counter_count()) {
        struct stats_entry entry = stats_counter_at(&no_stats, index);
        return family_of(&entry, "counter");
    }
    return own[index - stats_counter_count()].family;
}

static void put_entry(struct buffer *out, const struct stats_entry *entry, const char *type)
{
    struct metrics_family family = family_of(entry, type);
    metrics_put_family(out, &family);
    metrics_put_sample(out, &family, "", NULL, entry->value, entry->divisor);
}

static void put_stats(struct buffer *out, const struct metrics_source *source)
{
    for (size_t i = 0; i < stats_gauge_count(); i++) {
        struct stats_entry entry = stats_gauge_at(source->gauges, i);
        put_entry(out, &entry, "gauge");
    }
    for (size_t i = 0; i < stats_counter_count(); i++) {
        struct stats_entry entry = stats_counter_at(source->stats, i);
        put_entry(out, &entry, "counter");
    }
}

void metrics_write(struct buffer *out, const struct metrics_source *source)
{
    struct scrape scrape = {.out = out, .source = source};
    metrics_process_read(&scrape.process);
    origin_table_measure(source->origins);
    put_stats(out, source);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++) {
        metrics_put_family(out, &own[i].family);
        own[i].put(&scrape, &own[i].family);
    }
}
