/*
 * transfer: one HTTP request on its way, as one easy handle. A checked request goes in; its head,
 * its body in pieces and its end come out, in our own terms: no caller sees a CURLcode.
 *
 * It owns the easy handle and the response's head. It borrows the request, which must outlive it.
 * It knows no client, no deadline and no redirect; who made it decides what an end means.
 *
 *     on_sent   the request is about to be written: from now on the origin may act on it
 *     on_head   status and header fields are in (interim answers are passed over)
 *     on_body   a piece of the body
 *     on_done   once, last; not after transfer_destroy()
 *
 * on_sent, on_head and on_body come from inside libcurl: they must not destroy the transfer.
 */
#pragma once

#include "field_list.h"
#include "pool.h"
#include "request.h"

struct transfer;

struct transfer_head {
    unsigned status;
    const char *http; /* "1.0", "1.1" or "2" */
    const struct field_list *fields;
};

struct transfer_result {
    int code; /* 0, or an enum fetchpool_code */
    struct wire_why why;
    struct pool_connection_info connection; /* zeros if none was used; views of the transfer's */
    bool is_connection_reused;
    /* Durations. Over a reused connection resolve, connect and tls are 0. */
    uint64_t wait_us; /* for a connection that another transfer was opening */
    uint64_t resolve_us, connect_us, tls_us, first_byte_us;
};

struct transfer_events {
    void (*on_sent)(void *ctx);
    void (*on_head)(void *ctx, const struct transfer_head *head);
    /* 0, or a code other than 0 that ends the transfer with it; the sentence is the caller's. */
    int (*on_body)(void *ctx, const uint8_t *bytes, size_t length, struct wire_why *why);
    void (*on_done)(void *ctx, const struct transfer_result *result);
};

/*
 * 0 and a transfer on its way, or a code with the reason: nothing was sent then. `waits`: it may
 * wait for a connection that another transfer is opening.
 */
int transfer_create(struct transfer **out_transfer, struct pool *pool, const struct config *config,
                    const struct request *request, bool waits, const struct transfer_events *events,
                    void *ctx, struct wire_why *why);

/* Has it neither a connection nor begun to open one? */
bool transfer_is_waiting(const struct transfer *transfer);

/* Ends it at once, wherever it is. Not from inside on_sent, on_head or on_body. */
void transfer_destroy(struct transfer *transfer);

/* The head, once on_head has been called; its fields live as long as the transfer. */
const struct transfer_head *transfer_get_head(const struct transfer *transfer);

/* What it is at, for the sentence of a timeout: "look up example.com", "connect to …". */
void transfer_describe_step(const struct transfer *transfer, struct wire_why *out_step);
