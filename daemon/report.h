/*
 * report: the daemon's tables as messages: what `hello`, `stats`, `connections`, `origins` and
 * `clients` answer. One row function a table, so that every row has the same keys in the same
 * order, which is what the text tables are made from. Owns nothing.
 */
#pragma once

#include "buffer.h"
#include "config.h"
#include "config_compare.h"
#include "fetchpool_wire.h"
#include "fetch.h"
#include "pool.h"
#include "stats.h"

/* One client's row. */
struct report_client {
    pid_t pid;
    uid_t uid;
    gid_t gid;
    struct wire_str name;
    uint64_t in_flight, queued, requests, bytes;
    struct wire_str tag; /* of its latest request */
};

/* Who is told. */
struct report_viewer {
    uint32_t uid;
    bool sees_all;
};

/* What `drain` is answered with. */
struct report_drain {
    uint64_t in_flight;
    uint64_t timeout_ms; /* they may take so long */
};

/* Each appends one value. */
void report_hello(struct buffer *out, const struct config *config,
                  const struct config_policy *policy, const char *pool_id);
void report_stats(struct buffer *out, const struct stats *stats, const struct stats_gauges *gauges,
                  const char *pool_id);
/* Those that the viewer shares or opened. */
void report_connections(struct buffer *out, const struct pool *pool,
                        const struct report_viewer *viewer);
/* What a client is told of what it might ask. */
void report_check(struct buffer *out, const struct fetch_check *check, const char *policy);
/* The same as lines: the sum of it, then each address. */
void report_check_text(struct buffer *out, const struct fetch_check *check, const char *policy);
/* The configuration in force: sections by name, each a map of its keys: texts as one would write
 * them, or of keys that add up arrays of these. What is secret is left out. */
void report_config(struct buffer *out, const struct config *config);
void report_changes(struct buffer *out, const struct config_changes *changes);
void report_drain(struct buffer *out, const struct report_drain *drain);
/* The same as lines. */
void report_config_text(struct buffer *out, const struct config *config);
void report_changes_text(struct buffer *out, const struct config_changes *changes);
void report_drain_text(struct buffer *out, const struct report_drain *drain);
/* `now_ms`: on the clock of pool, uv_hrtime(). */
void report_origins(struct buffer *out, const struct origin_table *origins, uint64_t now_ms);
void report_client_row(struct buffer *out, const struct report_client *client);
