/*
 * transfer_setup: a request as the options of an easy handle. All that libcurl would take from the
 * environment, from files or from what earlier requests left is switched off here.
 */
#pragma once

#include <curl/curl.h>

#include "config.h"
#include "pool.h"
#include "request.h"
#include "transfer_lines.h"

/* What a handle was told last, and need not be told again. Zeros: nothing. */
struct transfer_told {
    long receive_bytes, http_version, connect_timeout_ms;
    bool is_get; /* without a body */
};

/* What the handle refers to and does not copy; it must outlive the handle. Zeros for a new one. */
struct transfer_setup {
    struct transfer_told told;
    struct transfer_lines fields;
    struct curl_slist *connect_to;
    bool expects_continue; /* over HTTP/1.1 the origin is asked before an upload is sent */
};

/* Which connections it can go over. */
enum pool_kind transfer_setup_kind(const struct request *request);

/* What a handle needs whatever it is used for. CURLE_OK, or what libcurl refused. */
CURLcode transfer_setup_prepare(CURL *easy, const struct config *config);

/* Does it set the same options as all of its kind, so that they may have a handle in turn? */
bool transfer_setup_is_everyday(const struct request *request);

/* Such a request has ended: the handle refers to nothing of it. Before transfer_setup_finish(). */
void transfer_setup_undo(const struct transfer_setup *setup, CURL *easy);

/*
 * What a request sets, on a handle that is prepared. CURLE_OK, or what libcurl refused.
 * transfer_setup_finish() after the handle's clean-up, or before it is used again. `added`:
 * fields beside the request's own, unless it has one of the same name; NULL: none.
 */
CURLcode transfer_setup_apply(struct transfer_setup *setup, CURL *easy,
                              const struct request *request, const struct field_list *added,
                              const struct config *config);
void transfer_setup_finish(struct transfer_setup *setup);
