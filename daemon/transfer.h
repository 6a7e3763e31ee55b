/*
 * transfer: one HTTP request on its way, as one easy handle. A checked request goes in; its head,
 * its body in pieces and its end come out, in our own terms: no caller sees a CURLcode.
 *
 * It owns the easy handle and the response's head. It borrows the request, which must outlive it.
 * It knows no client, no deadline and no redirect; who made it decides what an end means.
 *
 *     on_sent   the request is about to be written: from now on the origin may act on it
 *     on_read   the next piece of an upload is wanted
 *     on_head   status and header fields are in (interim answers are passed over)
 *     on_body   a piece of the body
 *     on_done   once, last; not after transfer_destroy()
 *
 * All but on_done come from inside libcurl: they must end no transfer and resume none.
 */
#pragma once

#include "field_list.h"
#include "pool.h"
#include "request.h"
#include "transfer_spare.h"

struct transfer;

struct transfer_head {
    unsigned status;
    const char *http; /* "1.0", "1.1" or "2" */
    const struct field_list *fields;
};

/* How far a transfer got that failed: what that says about sending the request again. */
enum transfer_fate {
    TRANSFER_FINAL,    /* nothing */
    TRANSFER_UNPLACED, /* nothing was sent: the connection that it was placed on was of no use */
    TRANSFER_UNSENT,   /* nothing was sent: the connection broke while it was opened */
    TRANSFER_NOT_PROCESSED, /* it was sent, and the origin said that it did not look at it */
    TRANSFER_UNANSWERED     /* it was sent, and no byte of an answer came */
};

struct transfer_result {
    int code; /* 0, or an enum fetchpool_code */
    enum transfer_fate fate;
    struct wire_why why;
    bool wants_http_1;      /* the origin did not process it because it came over HTTP/2 */
    bool is_expect_refused; /* the origin has not looked at it, but would without the question */
    struct pool_connection_info connection; /* zeros if none was used; views of the transfer's */
    bool is_connection_reused;
    /* Durations. Over a reused connection resolve, connect and tls are 0. */
    uint64_t resolve_us, connect_us, tls_us, first_byte_us;
};

/* What on_body may answer beside 0 and an enum fetchpool_code: none of the bytes were taken, and
 * they come again after a resume. */
#define TRANSFER_REFUSED (-1)

/* What on_head may answer beside those: the rest of the answer is of no use, it is done. */
#define TRANSFER_ENOUGH (-2)

/* What libcurl may keep decoded of a body that was refused: it decodes 4 KiB at a time, and deflate
 * makes at most 1,032 bytes of one (zlib's manual). */
#define TRANSFER_MOST_DECODED ((size_t)4096 * 1032)

enum transfer_read { TRANSFER_READ_SOME, TRANSFER_READ_LATER, TRANSFER_READ_END };

struct transfer_events {
    void (*on_sent)(void *ctx);
    /* SOME: so many of at most `size` bytes were written. LATER: there are none before a resume. */
    enum transfer_read (*on_read)(void *ctx, uint8_t *buffer, size_t size, size_t *out_length);
    /* These two: 0, or a code that ends the transfer with it, and the sentence. */
    int (*on_head)(void *ctx, const struct transfer_head *head, struct wire_why *why);
    int (*on_body)(void *ctx, const uint8_t *bytes, size_t length, struct wire_why *why);
    void (*on_done)(void *ctx, const struct transfer_result *result);
};

/* What a transfer works with. Borrowed. */
struct transfer_place {
    struct pool *pool;
    struct transfer_spares *spares;
    uint32_t user;
    struct pool_connection *connection; /* a place on it, which the transfer takes over */
    const struct pool_guard *guard; /* lives as long as the transfer; NULL: it may go anywhere */
    const struct field_list *added; /* fields beside the request's own; NULL: none */
    const struct config *config;
};

/* For pool_setup: what the configuration says about trust and ways. */
CURLcode transfer_set_terms(CURL *easy, const struct config *config);

/* Which connections the request can go over. */
enum pool_kind transfer_kind(const struct request *request);

/*
 * 0 and a transfer on its way, or a code with the reason: nothing was sent then, and the place has
 * been given back.
 */
int transfer_create(struct transfer **out_transfer, const struct transfer_place *place,
                    const struct request *request, const struct transfer_events *events, void *ctx,
                    struct wire_why *why);

/*
 * Nobody takes the body for now, so it should not come. Returns false, and does nothing, over
 * HTTP/1.1: bytes that are refused stop the connection. Over HTTP/2 they stop one stream, and each
 * of the others would have the connection read until bytes of its own came. Also from inside
 * libcurl; while several threads are in it, nothing is done, and false returned: on_body may
 * refuse.
 */
bool transfer_hold(struct transfer *transfer);

/*
 * Go on after a hold, or after on_body or on_read have asked to wait. Either may call on_body,
 * on_read and on_done before it returns, so it is the last thing that a caller does; not from
 * inside libcurl.
 */
void transfer_resume_receiving(struct transfer *transfer);
void transfer_resume_sending(struct transfer *transfer);

/*
 * Bytes of the body that libcurl has and on_body has not taken. Where a content coding is undone,
 * they are counted as they came; what libcurl had undone of them already, when on_body refused, is
 * not known: TRANSFER_MOST_DECODED at most.
 */
size_t transfer_get_backlog(const struct transfer *transfer);

/* Trailer fields, once it is done; they live as long as the transfer. */
const struct field_list *transfer_get_trailers(const struct transfer *transfer);

/* Ends it at once, wherever it is. Not from inside libcurl. */
void transfer_destroy(struct transfer *transfer);

/* The head, once on_head has been called; its fields live as long as the transfer. */
const struct transfer_head *transfer_get_head(const struct transfer *transfer);

/* Fills in the connection and the times, as far as it has come. */
void transfer_measure(const struct transfer *transfer, struct transfer_result *out_result);

/* What it is at, for the sentence of a timeout: "look up example.com", "connect to …". */
void transfer_describe_step(const struct transfer *transfer, struct wire_why *out_step);
