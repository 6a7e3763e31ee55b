/* transfer: see transfer.h. What libcurl calls meanwhile is in transfer_callback.c. */
#include "transfer_internal.h"

#include <stdlib.h>
#include <string.h>

#include "transfer_error.h"

const struct transfer_head *transfer_get_head(const struct transfer *transfer)
{
    return transfer->has_head ? &transfer->head : NULL;
}

const struct field_list *transfer_get_trailers(const struct transfer *transfer)
{
    return &transfer->trailers;
}

/* ---- End ------------------------------------------------------------------------------------ */

/*
 * RFC 9113, 7: the origin does not process it over HTTP/2. libcurl says so in a sentence, and then
 * overwrites its beginning with a shorter one ("Empty reply from server"), as it wants to send the
 * request over HTTP/1.1 itself: so it is looked for behind that, too.
 */
static bool wants_http_1(const struct transfer *transfer)
{
    static const char name[] = "HTTP_1_1_REQUIRED";
    return transfer->detail[0] &&
           memmem(transfer->detail, sizeof transfer->detail, name, sizeof name - 1) != NULL;
}

/*
 * libcurl wanted to send the request once more, for which it has two reasons: its connection died
 * before an answer, or the origin refused the stream, or said in a GOAWAY that it did not get that
 * far. The first can only be on a connection that was used before; and over HTTP/2 libcurl has
 * then said what the error was, while a refusal is none to it. So what it says nothing of is that.
 */
static bool is_not_processed(const struct transfer *transfer)
{
    const struct pool_job *job = &transfer->job;
    /* An upload stops it before it gets as far as to want a socket. */
    bool is_upload = strstr(transfer->detail, "rewind") != NULL;
    bool wants_again = is_upload || (job->gate == POOL_GATE_STALE && !job->had_error);
    if (transfer->sends > 0 && wants_http_1(transfer))
        return true;
    if (transfer->sends == 0 || !wants_again)
        return false;
    return !transfer->is_reused || (job->connection && pool_connection_is_http_2(job->connection));
}

/* A connect that was refused is not worth another attempt: libcurl has tried every address. */
static enum transfer_fate tell_fate_unsent(const struct transfer *transfer, CURLcode code)
{
    if (transfer->job.gate == POOL_GATE_STALE || transfer->job.gate == POOL_GATE_FULL)
        return TRANSFER_UNPLACED;
    long proxy_status = 0;
    curl_easy_getinfo(transfer->job.easy, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
    if (proxy_status >= 300)
        return TRANSFER_FINAL; /* a proxy that said no would say it again */
    bool broke = code == CURLE_SSL_CONNECT_ERROR || code == CURLE_RECV_ERROR ||
                 code == CURLE_SEND_ERROR;
    return broke ? TRANSFER_UNSENT : TRANSFER_FINAL;
}

static enum transfer_fate tell_fate(const struct transfer *transfer, CURLcode code)
{
    if (transfer->stop_code != 0 || code == CURLE_OK)
        return TRANSFER_FINAL;
    if (transfer->sends == 0)
        return tell_fate_unsent(transfer, code);
    if (is_not_processed(transfer))
        return TRANSFER_NOT_PROCESSED;
    /* What broke; not an answer that makes no sense, of which no line may be whole. */
    bool broke = transfer->job.gate == POOL_GATE_STALE || code == CURLE_GOT_NOTHING ||
                 code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
                 code == CURLE_HTTP2_STREAM || (code == CURLE_HTTP2 && !transfer->detail[0]);
    return broke && transfer->answered_ns == 0 ? TRANSFER_UNANSWERED : TRANSFER_FINAL;
}

static int explain(const struct transfer *transfer, CURLcode code, enum transfer_fate fate,
                   struct wire_why *out_why)
{
    const struct pool_connection *connection = transfer->job.connection;
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
        .is_head_too_large = transfer->is_head_too_large,
        .is_length_ambiguous = transfer->is_length_ambiguous,
        .lacks_socket = transfer->job.gate == POOL_GATE_LIMIT,
        .is_denied = transfer->job.gate == POOL_GATE_DENIED,
        .is_denied_in_part = transfer->job.was_denied,
        .is_withheld = code == CURLE_SEND_FAIL_REWIND ||
                       (transfer->sends > 0 && transfer->job.gate == POOL_GATE_STALE),
        .is_unplaced = fate == TRANSFER_UNPLACED,
        .is_not_processed = fate == TRANSFER_NOT_PROCESSED,
        .death = connection ? pool_connection_death(connection) : NULL,
        .max_head_bytes = transfer->fields.text.limit,
    };
    return transfer_error_translate(&failure, out_why);
}

/* The record may go with it: what the result says of it is the transfer's own from now on. */
static void leave(struct transfer *transfer, struct transfer_result *result)
{
    if (result->connection.peer)
        memcpy(transfer->peer, result->connection.peer, sizeof transfer->peer);
    result->connection.peer = transfer->peer;
    result->connection.origin = transfer->request->url.origin;
    pool_leave(&transfer->job);
}

/* A name that is not found, or a refusal, is nothing of this request's own. */
static void note_failed_opening(struct transfer *transfer, const struct transfer_result *result)
{
    struct pool_connection *connection = transfer->job.connection;
    if (transfer->sends > 0 || transfer->job.gate != POOL_GATE_OPEN || transfer->job.was_denied)
        return; /* with other rules it could have got through */
    if (transfer_is_connected(transfer))
        pool_connection_note_reached(connection);
    if (result->code == FETCHPOOL_RESOLVE || result->code == FETCHPOOL_CONNECT)
        pool_connection_note_failure(transfer->pool, connection, result->code, result->why.text,
                                     result->code == FETCHPOOL_CONNECT);
}

static CURLcode judge(const struct transfer *transfer, CURLcode code)
{
    if (transfer->is_enough || transfer_met_own_reset(transfer, code) ||
        transfer_is_whole_anyway(transfer, code))
        return CURLE_OK;
    /* libcurl is content with a head that was cut off */
    return code == CURLE_OK && !transfer->has_head ? CURLE_GOT_NOTHING : code;
}

static bool ended_well(const struct transfer *transfer)
{
    return transfer->sends == 1 && transfer->job.gate == POOL_GATE_OPEN && transfer->has_head &&
           transfer->head.status != 401 && transfer->head.status != 407;
}

static void on_job_done(struct pool_job *job, CURLcode code)
{
    struct transfer *transfer = (struct transfer *)job; /* its first member */
    struct transfer_result result = {0};
    transfer->is_done = true;
    transfer_measure(transfer, &result);
    bool was_stopped = code == CURLE_WRITE_ERROR;
    if (code != CURLE_OK || !ended_well(transfer))
        transfer->is_everyday = false;
    code = judge(transfer, code);
    result.is_expect_refused = transfer->is_expect_refused;
    result.fate = tell_fate(transfer, code);
    result.wants_http_1 = wants_http_1(transfer);
    if (code != CURLE_OK)
        result.code = explain(transfer, code, result.fate, &result.why);
    if (was_stopped)
        pool_connection_nudge(transfer->pool, job->connection);
    note_failed_opening(transfer, &result);
    if (result.fate == TRANSFER_NOT_PROCESSED)
        pool_connection_note_unprocessed(transfer->pool, job->connection);
    leave(transfer, &result); /* whoever hears of the end finds it idle */
    transfer->events->on_done(transfer->ctx, &result);
}

/* ---- Flow ----------------------------------------------------------------------------------- */

/* Unpausing may bring bytes and so an error, of which libcurl's multi handle does not hear. */
static void unpause(struct transfer *transfer)
{
    int still = (transfer->is_receive_paused ? CURLPAUSE_RECV : 0) |
                (transfer->is_send_paused ? CURLPAUSE_SEND : 0);
    pool_note_activity(&transfer->job);
    CURLcode code = curl_easy_pause(transfer->job.easy, still);
    /* BAD_FUNCTION_ARGUMENT: it has no connection now, and so nothing to unpause. */
    if (code == CURLE_OK || code == CURLE_BAD_FUNCTION_ARGUMENT)
        return;
    pool_remove(&transfer->job);
    on_job_done(&transfer->job, code);
}

bool transfer_hold(struct transfer *transfer)
{
    if (transfer->is_done || transfer->is_receive_paused || transfer->request->has_upload ||
        !transfer->has_head || !pool_may_touch_others(transfer->pool) ||
        !transfer_is_over_http_2(transfer))
        return false;
    transfer->is_receive_paused = true;
    transfer->is_everyday = false;
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

enum pool_kind transfer_kind(const struct request *request)
{
    return transfer_setup_kind(request);
}

/* What holds for whatever it is used for, as long as the configuration does. */
static CURLcode prepare(struct transfer *transfer, const struct config *config)
{
    CURLcode code = pool_prepare(transfer->pool, &transfer->job);
    if (code == CURLE_OK)
        code = transfer_setup_prepare(transfer->job.easy, config);
    if (code == CURLE_OK)
        code = transfer_set_callbacks(transfer);
    return code;
}

static CURLcode apply(struct transfer *transfer, const struct transfer_place *place)
{
    CURLcode code = pool_place_job(&transfer->job);
    if (code == CURLE_OK)
        code = transfer_setup_apply(&transfer->setup, transfer->job.easy, transfer->request,
                                    place->added, place->config);
    return code;
}

/* Starts it. 0, or a code with the reason. */
static int start(struct transfer *transfer, const struct transfer_place *place, bool is_prepared,
                 struct wire_why *why)
{
    CURLcode code = transfer->job.easy ? CURLE_OK : CURLE_OUT_OF_MEMORY;
    if (code == CURLE_OK && !is_prepared)
        code = prepare(transfer, place->config);
    if (code == CURLE_OK)
        code = apply(transfer, place);
    if (code == CURLE_OK && pool_add(&transfer->job) == 0)
        return 0;
    if (code == CURLE_OK || code == CURLE_OUT_OF_MEMORY)
        wire_why_set(why, "the daemon is out of memory");
    else
        wire_why_set(why, "libcurl does not take the request: %s", curl_easy_strerror(code));
    return FETCHPOOL_BUSY;
}

/* What is left of a spare transfer for the next one, or the same for one that is not. */
struct remains {
    CURL *easy;
    struct transfer_setup setup;
    struct field_list fields;
};

static struct remains remains_of(const struct transfer *spare, const struct config *config)
{
    if (spare)
        return (struct remains){spare->job.easy, spare->setup, spare->fields};
    struct remains remains = {.easy = curl_easy_init()};
    field_list_init(&remains.fields, config->max_response_header_bytes);
    return remains;
}

int transfer_create(struct transfer **out_transfer, const struct transfer_place *place,
                    const struct request *request, const struct transfer_events *events, void *ctx,
                    struct wire_why *why)
{
    struct pool_job job = {.pool = place->pool,
                           .connection = place->connection,
                           .guard = place->guard,
                           .is_slow = request->wants_decoding,
                           .on_done = on_job_done};
    bool is_everyday = transfer_setup_is_everyday(request);
    struct transfer *spare = is_everyday ? transfer_spares_take(place->spares, place->user) : NULL;
    struct transfer *transfer = spare ? spare : malloc(sizeof *transfer);
    if (!transfer) {
        pool_leave(&job);
        wire_why_set(why, "the daemon is out of memory");
        return FETCHPOOL_BUSY;
    }
    struct remains remains = remains_of(spare, place->config);
    job.easy = remains.easy;
    job.detail = transfer->detail;
    *transfer = (struct transfer){
        .job = job,
        .spares = place->spares,
        .spares_number = place->spares->number,
        .user = place->user,
        .is_everyday = is_everyday,
        .pool = place->pool,
        .request = request,
        .events = events,
        .ctx = ctx,
        .setup = remains.setup,
        .fields = remains.fields,
        .started_ns = uv_hrtime(),
        .is_done = true,
    };
    field_list_init(&transfer->trailers, place->config->max_response_header_bytes);
    transfer->head.fields = &transfer->fields;
    int code = start(transfer, place, spare != NULL, why);
    if (code != 0) {
        transfer->is_everyday = false;
        transfer_destroy(transfer);
        return code;
    }
    transfer->is_done = false;
    *out_transfer = transfer;
    return 0;
}

void transfer_free(struct transfer *transfer)
{
    curl_easy_cleanup(transfer->job.easy);
    field_list_finish(&transfer->fields);
    free(transfer);
}

/* Those that asked for something special, were stopped, paused, refused a socket or asked for a
 * password are not: there is no need to know what libcurl would remember of it. */
static bool may_be_spared(const struct transfer *transfer)
{
    return transfer->is_done && transfer->is_everyday &&
           transfer->spares_number == transfer->spares->number;
}

void transfer_destroy(struct transfer *transfer)
{
    if (!transfer)
        return;
    if (!transfer->is_done)
        pool_remove(&transfer->job);
    bool is_reached = transfer_is_connected(transfer);
    if (!transfer->is_done && transfer->sends == 0 && is_reached && transfer->job.connection)
        pool_connection_note_reached(transfer->job.connection);
    if (!transfer->is_done && transfer->sends > 0)
        pool_connection_nudge(transfer->pool, transfer->job.connection);
    pool_leave(&transfer->job);
    bool is_spared = may_be_spared(transfer);
    if (is_spared)
        transfer_setup_undo(&transfer->setup, transfer->job.easy);
    else
        curl_easy_cleanup(transfer->job.easy);
    transfer_setup_finish(&transfer->setup);
    field_list_finish(&transfer->trailers);
    if (is_spared) {
        field_list_rest(&transfer->fields);
        transfer_spares_put(transfer->spares, transfer);
    } else {
        field_list_finish(&transfer->fields);
        free(transfer);
    }
}
