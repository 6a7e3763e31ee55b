/*
 * fetch_retry: whether a request that failed is sent again. libcurl sends nothing twice; here is
 * the one place that does: on a connection that was opened since, at most FETCH_MOST_RETRIES times,
 * within the deadlines, and only
 *
 *     what its origin cannot have acted on: the connection broke while it was opened, the stream
 *     was refused, a GOAWAY said that it did not get that far: any method; and
 *     what may be done twice (RFC 9110, 9.2.2) and of whose answer no byte came
 *
 * The budget of its origin keeps retries from adding to an outage; it does not count what the
 * origin itself refused. `retry` = "never" allows neither, "always" the second for any method.
 */
#include "fetch_internal.h"

#define FETCH_MOST_RETRIES 2

/* Its place on a connection may be of no use that often: each time one that had died is dropped, or
 * one is known to be full. */
#define FETCH_MOST_MISPLACED 64

static bool is_allowed(const struct fetch *fetch, enum transfer_fate fate)
{
    const struct request *request = fetch->request;
    bool is_unprocessed = fate == TRANSFER_UNSENT || fate == TRANSFER_NOT_PROCESSED;
    switch (request->retry) {
    case WIRE_RETRY_NEVER:
        return false;
    case WIRE_RETRY_SAFE:
        return is_unprocessed || request_is_idempotent(request);
    case WIRE_RETRY_ALWAYS:
        return true;
    }
    return false;
}

/* An upload is not kept: what libcurl took of it is gone. */
static bool is_possible(const struct fetch *fetch, const struct transfer_result *result)
{
    return result->code != 0 && result->fate != TRANSFER_FINAL && fetch->upload.taken == 0 &&
           fetch->retries < FETCH_MOST_RETRIES;
}

/* What the origin did not process cost it nothing, and says that it is there. */
static bool has_budget(const struct fetch *fetch, enum transfer_fate fate)
{
    return fate == TRANSFER_NOT_PROCESSED ||
           retry_budget_take(&fetch->origin->budget, fetch->context->config->retry_budget_percent,
                             uv_hrtime() / NS_PER_MS);
}

static void send_again(struct fetch *fetch, const struct transfer_result *result)
{
    if (result->fate == TRANSFER_UNANSWERED) {
        fetch->first_code = result->code;
        fetch_keep_text(&fetch->first_text, result->why.text);
    }
    if (result->wants_http_1 && fetch->request->http == WIRE_HTTP_AUTO)
        fetch->request->http = WIRE_HTTP_1_1;
    fetch->retries++;
    fetch->account.retries++;
    fetch->origin->retries++;
    fetch->context->stats->retries++;
    fetch->ticket.want.begun_after_ns = uv_hrtime();
    fetch->ticket.want.choice = POOL_ANY;
    fetch_add_times(fetch, result);
    fetch_set_state(fetch, FETCH_QUEUED);
    fetch_queue(fetch);
}

bool fetch_retry(struct fetch *fetch, const struct transfer_result *result)
{
    if (result->fate == TRANSFER_NOT_PROCESSED)
        fetch->was_sent = fetch->was_sent_before;
    if (result->fate == TRANSFER_UNPLACED && fetch->misplaced < FETCH_MOST_MISPLACED) {
        fetch_place_again(fetch);
        return true;
    }
    if (!is_possible(fetch, result) || !is_allowed(fetch, result->fate) ||
        !has_budget(fetch, result->fate))
        return false;
    send_again(fetch, result);
    return true;
}
