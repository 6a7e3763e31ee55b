/* transfer: see transfer.h. What libcurl calls meanwhile is in transfer_callback.c. */
#include "transfer_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "transfer_error.h"

bool transfer_is_waiting(const struct transfer *transfer)
{
    return !transfer->is_done && transfer->sends == 0 && transfer->job.opening_ns == 0;
}

const struct transfer_head *transfer_get_head(const struct transfer *transfer)
{
    return transfer->has_head ? &transfer->head : NULL;
}

const struct field_list *transfer_get_trailers(const struct transfer *transfer)
{
    return &transfer->trailers;
}

/* ---- End ------------------------------------------------------------------------------------ */

static int explain(const struct transfer *transfer, CURLcode code, struct wire_why *out_why)
{
    if (transfer->stop_code != 0) {
        *out_why = transfer->stop_why;
        return transfer->stop_code;
    }
    struct transfer_failure failure = {
        .code = code,
        .easy = transfer->job.easy,
        .detail = transfer->detail,
        .request = transfer->request,
        .is_sent = transfer->sends > 0,
        .has_head = transfer->has_head,
        .has_answer = transfer->answered_ns != 0,
        .is_withheld = transfer->is_withheld,
        .is_head_too_large = transfer->is_head_too_large,
        .is_length_ambiguous = transfer->is_length_ambiguous,
        .lacks_socket = transfer->job.lacks_socket,
        .max_head_bytes = transfer->fields.text.limit,
    };
    return transfer_error_translate(&failure, out_why);
}

/* The record may go with it: what the result says of it is the transfer's own from now on. */
static void release_connection(struct transfer *transfer, struct transfer_result *result)
{
    if (!transfer->connection)
        return;
    snprintf(transfer->peer, sizeof transfer->peer, "%s", result->connection.peer);
    result->connection.peer = transfer->peer;
    result->connection.origin = transfer->request->url.origin;
    pool_connection_release(transfer->connection);
    transfer->connection = NULL;
}

static void on_job_done(struct pool_job *job, CURLcode code)
{
    struct transfer *transfer = (struct transfer *)job; /* its first member */
    struct transfer_result result = {0};
    transfer->is_done = true;
    transfer_measure(transfer, &result);
    bool was_stopped = code == CURLE_WRITE_ERROR;
    if (transfer->is_enough || transfer_met_own_reset(transfer, code))
        code = CURLE_OK;
    if (code == CURLE_OK && !transfer->has_head)
        code = CURLE_GOT_NOTHING; /* libcurl is content with a head that was cut off */
    result.is_expect_refused = transfer->is_expect_refused;
    if (code != CURLE_OK)
        result.code = explain(transfer, code, &result.why);
    if (was_stopped && transfer->connection)
        pool_connection_nudge(transfer->pool, transfer->connection);
    release_connection(transfer, &result); /* whoever hears of the end finds it idle */
    transfer->events->on_done(transfer->ctx, &result);
}

/* ---- Flow ----------------------------------------------------------------------------------- */

/* Unpausing may bring bytes and so an error, of which libcurl's multi handle does not hear. */
static void unpause(struct transfer *transfer)
{
    int still = (transfer->is_receive_paused ? CURLPAUSE_RECV : 0) |
                (transfer->is_send_paused ? CURLPAUSE_SEND : 0);
    pool_note_activity(transfer->pool);
    CURLcode code = curl_easy_pause(transfer->job.easy, still);
    /* BAD_FUNCTION_ARGUMENT: it has no connection now, and so nothing to unpause. */
    if (code == CURLE_OK || code == CURLE_BAD_FUNCTION_ARGUMENT)
        return;
    pool_remove(transfer->pool, &transfer->job);
    on_job_done(&transfer->job, code);
}

bool transfer_hold(struct transfer *transfer)
{
    if (transfer->is_done || transfer->is_receive_paused || transfer->request->has_upload ||
        !transfer->has_head || !transfer_is_over_http_2(transfer))
        return false;
    transfer->is_receive_paused = true;
    transfer->refused_at = UINT64_MAX; /* nothing was */
    curl_easy_pause(transfer->job.easy, CURLPAUSE_ALL);
    return true;
}

void transfer_resume_receiving(struct transfer *transfer)
{
    if (transfer->is_done || !transfer->is_receive_paused)
        return;
    transfer->is_receive_paused = false;
    unpause(transfer);
}

void transfer_resume_sending(struct transfer *transfer)
{
    if (transfer->is_done || !transfer->is_send_paused)
        return;
    transfer->is_send_paused = false;
    unpause(transfer);
}

size_t transfer_get_backlog(const struct transfer *transfer)
{
    uint64_t taken = transfer->request->wants_decoding ? transfer->refused_at
                                                       : transfer->body_bytes;
    if (transfer->is_done || !transfer->is_receive_paused)
        return 0;
    uint64_t received = transfer_get_number(transfer, CURLINFO_SIZE_DOWNLOAD_T);
    return received > taken ? (size_t)(received - taken) : 0;
}

/* ---- Life ----------------------------------------------------------------------------------- */

static CURLcode prepare(struct transfer *transfer, const struct config *config, bool waits)
{
    CURL *easy = transfer->job.easy;
    const struct request *request = transfer->request;
    /* Over HTTP/1.1 waiting for a connection would be waiting for somebody else's answer. */
    bool may_multiplex = request->http == WIRE_HTTP_2 ||
                         (request->http == WIRE_HTTP_AUTO && request->url.is_tls &&
                          !(request->is_streamed && request->wants_decoding) &&
                          !pool_speaks_http_1(transfer->pool, request->url.origin));
    CURLcode code = pool_prepare(transfer->pool, &transfer->job, !request_has_identity(request),
                                 waits && may_multiplex);
    if (code == CURLE_OK)
        code = transfer_setup_apply(&transfer->setup, easy, transfer->request, config);
    if (code == CURLE_OK)
        code = transfer_set_callbacks(transfer);
    return code;
}

int transfer_create(struct transfer **out_transfer, struct pool *pool, const struct config *config,
                    const struct request *request, bool waits, const struct transfer_events *events,
                    void *ctx, struct wire_why *why)
{
    struct transfer *transfer = calloc(1, sizeof *transfer);
    wire_why_set(why, "the daemon is out of memory");
    if (!transfer)
        return FETCHPOOL_BUSY;
    *transfer = (struct transfer){
        .job = {.easy = curl_easy_init(), .on_done = on_job_done},
        .pool = pool,
        .request = request,
        .events = events,
        .ctx = ctx,
        .started_ns = uv_hrtime(),
        .is_done = true,
    };
    field_list_init(&transfer->fields, config->max_response_header_bytes);
    field_list_init(&transfer->trailers, config->max_response_header_bytes);
    transfer->head.fields = &transfer->fields;
    CURLcode code = transfer->job.easy ? prepare(transfer, config, waits) : CURLE_OUT_OF_MEMORY;
    if (code != CURLE_OK || pool_add(pool, &transfer->job) < 0) {
        if (code != CURLE_OUT_OF_MEMORY)
            wire_why_set(why, "libcurl does not take the request: %s", curl_easy_strerror(code));
        transfer_destroy(transfer);
        return FETCHPOOL_BUSY;
    }
    transfer->is_done = false;
    *out_transfer = transfer;
    return 0;
}

void transfer_destroy(struct transfer *transfer)
{
    if (!transfer)
        return;
    if (!transfer->is_done)
        pool_remove(transfer->pool, &transfer->job);
    if (!transfer->is_done && transfer->connection)
        pool_connection_nudge(transfer->pool, transfer->connection);
    if (transfer->connection)
        pool_connection_release(transfer->connection);
    curl_easy_cleanup(transfer->job.easy);
    transfer_setup_finish(&transfer->setup);
    field_list_finish(&transfer->fields);
    field_list_finish(&transfer->trailers);
    free(transfer);
}
