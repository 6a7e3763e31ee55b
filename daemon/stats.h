/*
 * stats: the daemon's numbers: its counters, counted up where things happen, how its requests
 * ended, and how long their phases took. Ground floor: knows nothing of ours but the codes.
 *
 * Every counter stands once in STATS_COUNTERS and every gauge once in STATS_GAUGES, with its name
 * in `stats`, its name for Prometheus and the sentence that says what it is. The structs, `stats`,
 * `GET /metrics` and the list of metrics in fetchpoold(8) come from there, so they cannot differ.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "stats_phase.h"

/* X(name in `stats`, name for Prometheus less "fetchpool_", what it counts) */
#define STATS_COUNTERS(X)                                                                          \
    X(requests, "requests_total", "Fetches that ended, well or not.")                              \
    X(requests_failed, "requests_failed_total", "Of these, those answered with an error.")         \
    X(requests_refused, "requests_refused_total",                                                  \
      "Of these, those with an error from 1 to 99: nothing was sent.")                             \
    X(requests_denied, "requests_denied_total", "Of these, those denied by a policy.")             \
    X(requests_reported, "requests_reported_total",                                                \
      "Requests that a policy in mode report would have denied.")                                  \
    X(redirects, "redirects_total", "Redirects followed.")                                         \
    X(retries, "retries_total", "Requests sent again by the daemon.")                              \
    X(connections_opened, "connections_opened_total",                                              \
      "Connections to origins that carried a request.")                                            \
    X(handshakes_saved, "handshakes_saved_total",                                                  \
      "Requests sent over a connection that was open already: TCP, and TLS where the origin has "  \
      "it, were not paid for again.")                                                              \
    X(lookups, "lookups_total", "Names of origins that were looked up.")                           \
    X(bytes_from_origins, "received_bytes_total", "Body bytes received from origins.")             \
    X(bytes_to_origins, "sent_bytes_total", "Body bytes sent to origins.")                         \
    X(clients_accepted, "clients_accepted_total", "Client connections accepted.")                  \
    X(messages_broken, "messages_broken_total", "Client connections closed for what they sent.")   \
    X(log_lines_dropped, "log_lines_dropped_total",                                                \
      "Lines of the log that were lost: they were not read in time.")                              \
    X(access_lines_dropped, "access_lines_dropped_total", "The same of the access log.")

/* X(name in `stats`, name for Prometheus, by what it is divided there, what it is) */
#define STATS_GAUGES(X)                                                                            \
    X(uptime_ms, "uptime_seconds", 1000, "Time since the daemon's start.")                         \
    X(clients, "clients", 1, "Client connections.")                                                \
    X(in_flight, "requests_in_flight", 1,                                                          \
      "Requests of clients that are not over, those that wait for their turn included.")           \
    X(queued, "requests_queued", 1,                                                                \
      "Requests that wait for their turn, the daemon's own for warm origins included.")            \
    X(connections, "connections_open", 1, "Connections to origins that are open.")                 \
    X(opening, "connections_opening", 1, "Connections that are being opened.")                     \
    X(looking_up, "lookups_running", 1,                                                            \
      "Connections that are being opened whose origin's name may have to be looked up first.")     \
    X(origins, "origins", 1, "Origins that are remembered.")                                       \
    X(paused_streams, "streams_paused", 1, "Streamed answers that wait for their clients.")        \
    X(paused_bytes, "streams_paused_bytes", 1, "Bytes that these held at the latest look.")        \
    X(loop_busy_max_us, "loop_busy_max_seconds", 1000000,                                          \
      "The longest time for which one round of work held the daemon's loop.")

/* One more than the greatest code of a fetch. */
#define STATS_CODES 300

struct stats {
#define STATS_MEMBER(name, metric, help) uint64_t name;
    STATS_COUNTERS(STATS_MEMBER)
#undef STATS_MEMBER
    uint64_t saved_us; /* what opening one for each of handshakes_saved would have taken */
    uint64_t errors[STATS_CODES];            /* of requests_failed, by code */
    struct stats_phase phases[STATS_PHASES]; /* of requests that came as far as an origin */
};

/* What is true of the daemon as a whole at one moment. */
struct stats_gauges {
#define STATS_MEMBER(name, metric, divisor, help) uint64_t name;
    STATS_GAUGES(STATS_MEMBER)
#undef STATS_MEMBER
};

struct stats_entry {
    const char *name;   /* in `stats` */
    const char *metric; /* for Prometheus, less "fetchpool_" */
    const char *help;
    uint64_t divisor; /* `value` by this is in the unit of the metric; a power of ten */
    uint64_t value;
};

/* A fetch ended, with this code or, by code 0, well. */
void stats_note_end(struct stats *stats, int code);

/* How many there are, and one of them by its place in its list above. */
size_t stats_counter_count(void);
struct stats_entry stats_counter_at(const struct stats *stats, size_t index);
size_t stats_gauge_count(void);
struct stats_entry stats_gauge_at(const struct stats_gauges *gauges, size_t index);
