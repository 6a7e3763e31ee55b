/* What the files of fetch share: the fetch itself, and its deadlines. */
#pragma once

#include "fetch.h"
#include "transfer.h"

enum fetch_state { FETCH_CONNECTING, FETCH_WAITING, FETCH_RECEIVING, FETCH_ENDED };

struct fetch {
    const struct fetch_context *context;
    struct request *request;
    struct transfer *transfer;
    const struct fetch_events *events;
    void *ctx;

    enum fetch_state state;
    uv_timer_t timer;
    uint64_t started_ns;
    uint64_t entered_ns; /* the state, or its last byte in FETCH_RECEIVING */
    uint64_t redirects;
    bool waits;     /* this hop may wait for a connection that another is opening */
    bool was_sent;  /* some hop's request was */
    bool is_safe;   /* the first hop's method asks for nothing but an answer */
    bool follows;   /* the answer that comes in is a redirect to be followed */
    int start_code; /* 0, or why no transfer could be started */
    struct wire_why start_why;
    struct buffer body;
    size_t held_bytes;              /* the sum of what on_hold allowed */
    uint64_t body_bytes;            /* of this hop's answer, held or not */
    struct fetchpool_timing timing; /* sums over the hops so far */
};

struct fetch_deadline {
    uint64_t at_ns;
    uint64_t limit_ms;
    const char *name; /* as the client knows it */
};

/* The next of its deadlines: of its state, or of the whole. */
struct fetch_deadline fetch_next_deadline(const struct fetch *fetch);

/* When to stop waiting for somebody else's connection; UINT64_MAX if it does not wait. */
uint64_t fetch_patience_ends_ns(const struct fetch *fetch);
