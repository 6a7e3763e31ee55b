/* report: see report.h. */
#include "report_internal.h"

#define US_PER_MS 1000

void report_put_number(struct buffer *out, const char *key, uint64_t number)
{
    wire_put_text(out, key);
    wire_put_unsigned(out, number);
}

void report_put_text(struct buffer *out, const char *key, const char *text)
{
    wire_put_text(out, key);
    wire_put_text(out, text);
}

/* The limits that a client can run into, under the names of the configuration. */
static void put_limits(struct buffer *out, const struct config *config,
                       const struct config_policy *policy)
{
    wire_put_map(out, 12);
    report_put_number(out, "max_message", config->max_message_bytes);
    report_put_number(out, "max_body", config->max_body_bytes);
    report_put_number(out, "max_url", config->max_url_bytes);
    report_put_number(out, "max_headers", config->max_headers);
    report_put_number(out, "max_header_bytes", config->max_header_bytes);
    report_put_number(out, "max_redirects", config->max_redirects);
    report_put_number(out, "requests_per_client", policy->requests_per_client);
    report_put_number(out, "timeout", config->total_timeout_ms);
    report_put_number(out, "connect_timeout", config->connect_timeout_ms);
    report_put_number(out, "stream_timeout", config->stream_timeout_ms);
    report_put_number(out, "client_stall", config->client_stall_timeout_ms);
    report_put_number(out, "upload_window", config->upload_window_bytes);
}

void report_hello(struct buffer *out, const struct config *config,
                  const struct config_policy *policy, const char *pool_id)
{
    wire_put_map(out, 5);
    report_put_text(out, "server", "fetchpoold");
    report_put_text(out, "version", FETCHPOOL_VERSION);
    report_put_number(out, "protocol", WIRE_PROTOCOL_VERSION);
    report_put_text(out, "pool", pool_id);
    wire_put_text(out, "limits");
    put_limits(out, config, policy);
}

static void put_entry(struct buffer *out, struct stats_entry entry)
{
    report_put_number(out, entry.name, entry.value);
}

void report_stats(struct buffer *out, const struct stats *stats, const struct stats_gauges *gauges,
                  const char *pool_id)
{
    wire_put_map(out, 3 + stats_gauge_count() + stats_counter_count());
    report_put_text(out, "version", FETCHPOOL_VERSION);
    report_put_text(out, "pool", pool_id);
    for (size_t i = 0; i < stats_gauge_count(); i++)
        put_entry(out, stats_gauge_at(gauges, i));
    for (size_t i = 0; i < stats_counter_count(); i++)
        put_entry(out, stats_counter_at(stats, i));
    report_put_number(out, "ms_saved", stats->saved_us / US_PER_MS);
}

struct connections_view {
    struct buffer *out;
    const struct report_viewer *viewer;
    size_t count;
};

static bool is_visible(const struct connections_view *view, const struct pool_connection_info *info)
{
    return info->is_shared || view->viewer->sees_all || info->owner == view->viewer->uid;
}

static void count_connection(void *ctx, const struct pool_connection_info *info)
{
    struct connections_view *view = ctx;
    view->count += is_visible(view, info);
}

static void put_connection(void *ctx, const struct pool_connection_info *info)
{
    const struct connections_view *view = ctx;
    struct buffer *out = view->out;
    if (!is_visible(view, info))
        return;
    wire_put_map(out, 9);
    report_put_number(out, "id", info->id);
    report_put_text(out, "origin", info->origin);
    report_put_text(out, "http", info->http);
    report_put_text(out, "state", info->state);
    report_put_number(out, "age_ms", info->age_ms);
    report_put_number(out, "idle_ms", info->idle_ms);
    report_put_number(out, "requests", info->requests);
    report_put_number(out, "streams", info->streams);
    report_put_text(out, "peer", info->peer);
}

void report_connections(struct buffer *out, const struct pool *pool,
                        const struct report_viewer *viewer)
{
    struct connections_view view = {.out = out, .viewer = viewer};
    pool_each_connection(pool, count_connection, &view);
    wire_put_array(out, view.count);
    pool_each_connection(pool, put_connection, &view);
}

void report_client_row(struct buffer *out, const struct report_client *client)
{
    wire_put_map(out, 9);
    report_put_number(out, "pid", (uint64_t)client->pid);
    report_put_number(out, "uid", client->uid);
    report_put_number(out, "gid", client->gid);
    wire_put_text(out, "name");
    wire_put_any(out, client->name);
    report_put_number(out, "in_flight", client->in_flight);
    report_put_number(out, "queued", client->queued);
    report_put_number(out, "requests", client->requests);
    report_put_number(out, "bytes", client->bytes);
    wire_put_text(out, "tag");
    wire_put_any(out, client->tag);
}
