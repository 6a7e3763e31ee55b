/* report: see report.h. */
#include "report.h"

#define US_PER_MS 1000

static void put_number(struct buffer *out, const char *key, uint64_t number)
{
    wire_put_text(out, key);
    wire_put_unsigned(out, number);
}

static void put_text(struct buffer *out, const char *key, const char *text)
{
    wire_put_text(out, key);
    wire_put_text(out, text);
}

/* The limits that a client can run into, under the names of the configuration. */
static void put_limits(struct buffer *out, const struct config *config)
{
    wire_put_map(out, 12);
    put_number(out, "max_message", config->max_message_bytes);
    put_number(out, "max_body", config->max_body_bytes);
    put_number(out, "max_url", config->max_url_bytes);
    put_number(out, "max_headers", config->max_headers);
    put_number(out, "max_header_bytes", config->max_header_bytes);
    put_number(out, "max_redirects", config->max_redirects);
    put_number(out, "requests_per_client", config->requests_per_client);
    put_number(out, "timeout", config->total_timeout_ms);
    put_number(out, "connect_timeout", config->connect_timeout_ms);
    put_number(out, "stream_timeout", config->stream_timeout_ms);
    put_number(out, "client_stall", config->client_stall_timeout_ms);
    put_number(out, "upload_window", config->upload_window_bytes);
}

void report_hello(struct buffer *out, const struct config *config, const char *pool_id)
{
    wire_put_map(out, 5);
    put_text(out, "server", "fetchpoold");
    put_text(out, "version", FETCHPOOL_VERSION);
    put_number(out, "protocol", WIRE_PROTOCOL_VERSION);
    put_text(out, "pool", pool_id);
    wire_put_text(out, "limits");
    put_limits(out, config);
}

void report_stats(struct buffer *out, const struct stats *stats, const struct report_facts *facts)
{
    wire_put_map(out, 13 + stats_count());
    put_text(out, "version", FETCHPOOL_VERSION);
    put_text(out, "pool", facts->pool_id);
    put_number(out, "uptime_ms", facts->uptime_ms);
    put_number(out, "clients", facts->clients);
    put_number(out, "in_flight", facts->in_flight);
    put_number(out, "queued", facts->queued);
    put_number(out, "connections", facts->connections);
    put_number(out, "opening", facts->opening);
    put_number(out, "origins", facts->origins);
    put_number(out, "paused_streams", facts->paused_streams);
    put_number(out, "paused_bytes", facts->paused_bytes);
    put_number(out, "loop_busy_max_us", facts->loop_busy_max_us);
    for (size_t i = 0; i < stats_count(); i++) {
        struct stats_entry entry = stats_at(stats, i);
        put_number(out, entry.name, entry.value);
    }
    put_number(out, "ms_saved", stats->saved_us / US_PER_MS);
}

static void put_connection(void *ctx, const struct pool_connection_info *info)
{
    struct buffer *out = ctx;
    wire_put_map(out, 9);
    put_number(out, "id", info->id);
    put_text(out, "origin", info->origin);
    put_text(out, "http", info->http);
    put_text(out, "state", info->state);
    put_number(out, "age_ms", info->age_ms);
    put_number(out, "idle_ms", info->idle_ms);
    put_number(out, "requests", info->requests);
    put_number(out, "streams", info->streams);
    put_text(out, "peer", info->peer);
}

void report_connections(struct buffer *out, const struct pool *pool)
{
    wire_put_array(out, pool_connection_total(pool));
    pool_each_connection(pool, put_connection, out);
}

void report_client_row(struct buffer *out, const struct report_client *client)
{
    wire_put_map(out, 9);
    put_number(out, "pid", (uint64_t)client->pid);
    put_number(out, "uid", client->uid);
    put_number(out, "gid", client->gid);
    wire_put_text(out, "name");
    wire_put_any(out, client->name);
    put_number(out, "in_flight", client->in_flight);
    put_number(out, "queued", client->queued);
    put_number(out, "requests", client->requests);
    put_number(out, "bytes", client->bytes);
    wire_put_text(out, "tag");
    wire_put_any(out, client->tag);
}
