/*
 * transfer_error: what a CURLcode means for the one who asked. The only place that translates
 * libcurl's codes to the protocol's.
 */
#pragma once

#include <curl/curl.h>

#include "request.h"

/* What is known about the transfer that failed. */
struct transfer_failure {
    CURLcode code;
    CURL *easy;
    const char *detail; /* libcurl's own sentence, "" if none */
    const struct request *request;
    bool is_sent;          /* the request was about to be written, or more */
    bool has_head;         /* the whole head of the answer was in */
    bool has_answer;       /* at least a byte of the answer was in */
    bool is_withheld;      /* libcurl wanted to send it again, and could not */
    bool is_unplaced;      /* its connection was of no use; it is not sent */
    bool is_not_processed; /* the origin said that it did not look at it */
    const char *death;     /* NULL, or why the connection was given up */
    bool is_head_too_large;
    bool is_length_ambiguous;
    bool lacks_socket;      /* no descriptor was left to connect with */
    bool is_denied;         /* it may go to none of the addresses: its owner knows why */
    bool is_denied_in_part; /* not to all of them */
    size_t max_head_bytes;
};

/* A code other than 0, and the sentence for it. */
int transfer_error_translate(const struct transfer_failure *failure, struct wire_why *out_why);

/* "host:port" of the request's origin, always with the port. */
void transfer_error_authority(const struct request *request, char *out_text, size_t size);
