/*
 * patience: how long to wait for the daemon's word about one request.
 *
 * The daemon watches over deadlines; this is for a daemon that hangs. A request that names a
 * timeout is waited for that long; so is one whose bodies are held whole. One that streams and
 * names none may take for ever, as long as something happens. Time that is spent inside the
 * caller's own functions does not count. It is one for all attempts: a second daemon has what the
 * first has left of it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct patience {
    int64_t started;
    int64_t active;      /* when something happened last */
    uint64_t timeout_ms; /* what the request names; 0: nothing */
    uint64_t phases_ms;  /* the sum of what it names for its phases */
    uint64_t grace_ms;   /* to let the daemon say it first */
    bool is_stream;
};

/* From now on. */
void patience_begin(struct patience *patience);

/* Until when another attempt may begin: the grace is for the daemon that was told first. */
int64_t patience_last_start(const struct patience *patience);

/* The timeout that a daemon is told now: what is left of the one that the request names. */
uint64_t patience_to_tell_ms(const struct patience *patience);

/* The daemon or the caller has moved something. */
void patience_renew(struct patience *patience);

/* The time from `since` until now was the caller's. */
void patience_excuse(struct patience *patience, int64_t since);

/* When it ends, by the timeout that the daemon has for requests that name none (0: not known). */
int64_t patience_end(const struct patience *patience, uint64_t daemon_timeout_ms);

/* How long that is from its beginning, or from what happened last. */
uint64_t patience_span_ms(const struct patience *patience, uint64_t daemon_timeout_ms);
