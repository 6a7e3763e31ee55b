/*
 * stats: the daemon's counters, one struct, counted up where things happen and read by `stats`.
 * Ground floor: knows nothing of ours.
 *
 * Every counter stands once in STATS_COUNTERS, with what it counts; the struct and the list of
 * names come from there. One more is not shown as it is counted, and so not in that list.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define STATS_COUNTERS(X)                                                                          \
    X(requests)           /* fetches that ended, well or not */                                    \
    X(requests_failed)    /* of these, those answered with an error */                             \
    X(requests_refused)   /* of these, errors 1 to 99: nothing was sent */                         \
    X(requests_denied)    /* of these, denied by a policy */                                       \
    X(requests_reported)  /* requests that a policy would deny, in mode report */                  \
    X(redirects)          /* redirects followed */                                                 \
    X(retries)            /* requests sent again by the daemon */                                  \
    X(connections_opened) /* connections to origins that carried a request */                      \
    X(handshakes_saved)   /* requests sent over a connection that was already open: TCP, and */    \
    /* TLS where the origin has it, were not paid for again */                                     \
    X(bytes_from_origins)   /* body bytes received */                                              \
    X(bytes_to_origins)     /* body bytes sent */                                                  \
    X(clients_accepted)     /* client connections accepted */                                      \
    X(messages_broken)      /* client connections closed for what they sent */                     \
    X(log_lines_dropped)    /* lines of the log that were lost: they were not read in time */      \
    X(access_lines_dropped) /* the same of the access log */

struct stats {
#define STATS_MEMBER(name) uint64_t name;
    STATS_COUNTERS(STATS_MEMBER)
#undef STATS_MEMBER
    uint64_t saved_us; /* what opening one for each of handshakes_saved would have taken */
};

struct stats_entry {
    const char *name;
    uint64_t value;
};

/* How many counters there are, and one of them by its place in the list above. */
size_t stats_count(void);
struct stats_entry stats_at(const struct stats *stats, size_t index);
