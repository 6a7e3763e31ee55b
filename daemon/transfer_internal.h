/* What the files of transfer share: the transfer itself. */
#pragma once

#include "transfer.h"

#include "transfer_setup.h"
#include "transfer_spare.h"

#define NS_PER_US 1000

struct transfer {
    struct pool_job job; /* its easy handle is the transfer's */
    struct transfer_spares *spares;
    struct transfer *spare_prev, *spare_next; /* while it is one */
    unsigned spares_number;                   /* theirs, when its options were set */
    uint32_t user;
    bool is_everyday; /* nothing happened to it that a new one had better not know of */
    struct pool *pool;
    const struct request *request;
    const struct transfer_events *events;
    void *ctx;
    struct transfer_setup setup;
    char detail[CURL_ERROR_SIZE];

    bool is_reused;
    char peer[POOL_PEER_BYTES]; /* once the connection is released */
    unsigned sends;             /* how often libcurl has been about to write the request */

    struct transfer_head head;
    struct field_list fields;
    struct field_list trailers;
    bool has_head;
    bool is_expect_refused; /* the answer was 417, and nothing of the upload had been sent */
    int stop_code;          /* of on_body: why we ended it */
    struct wire_why stop_why;
    bool is_head_too_large;
    bool is_length_ambiguous;
    bool is_enough; /* the answer is all there, and libcurl was made to stop */
    bool is_done;

    uint64_t upload_bytes;  /* given to libcurl */
    bool has_sent_all;      /* of the upload, to libcurl */
    uint64_t body_bytes;    /* taken from it, as they came */
    uint64_t refused_at;    /* bytes received when bytes were last refused */
    bool is_receive_paused; /* libcurl calls on_write no more */
    bool is_send_paused;    /* nor on_read */

    uint64_t started_ns, sent_ns, answered_ns;
};

/* One that is over and in no list. */
void transfer_free(struct transfer *transfer);

/* Gives the easy handle our callbacks. */
CURLcode transfer_set_callbacks(struct transfer *transfer);

/* A number of libcurl's about the transfer, such as a time or a size; 0 where it is not known. */
uint64_t transfer_get_number(const struct transfer *transfer, CURLINFO info);

/* Has it got through to the far end of a connection that it opens? */
bool transfer_is_connected(const struct transfer *transfer);

/* Has its answer come over HTTP/2? */
bool transfer_is_over_http_2(const struct transfer *transfer);

/* Is the answer here, and the origin may still wait for a body that it was asked about? */
bool transfer_owes_body(const struct transfer *transfer);

/*
 * Has the origin answered before it had the whole upload, and not well, and is its answer all
 * there?
 */
bool transfer_is_answered_early(const struct transfer *transfer);
/* Did libcurl fail to send more of an upload whose answer is all there? */
bool transfer_is_whole_anyway(const struct transfer *transfer, CURLcode code);
/* Is this error libcurl's own doing, and the answer all there? */
bool transfer_met_own_reset(const struct transfer *transfer, CURLcode code);
