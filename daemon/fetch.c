/* fetch: see fetch.h. Its bodies are in fetch_flow.c and fetch_upload.c, how it ends in
 * fetch_outcome.c. */
#include "fetch_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* ---- State and deadlines -------------------------------------------------------------------- */

void fetch_set_state(struct fetch *fetch, enum fetch_state state)
{
    enum fetch_state before = fetch->state;
    switch (state) {
    case FETCH_QUEUED: /* the next hop, or this one anew */
        assert(before == FETCH_RECEIVING || before == FETCH_CONNECTING || before == FETCH_SENDING ||
               before == FETCH_WAITING);
        break;
    case FETCH_CONNECTING:
        assert(before == FETCH_QUEUED);
        break;
    case FETCH_SENDING:
        assert(before == FETCH_CONNECTING);
        break;
    case FETCH_WAITING:
        assert(before == FETCH_CONNECTING || before == FETCH_SENDING);
        break;
    case FETCH_RECEIVING:
        assert(before == FETCH_WAITING || before == FETCH_SENDING || before == FETCH_STALLED);
        break;
    case FETCH_STALLED:
        assert(before == FETCH_RECEIVING);
        break;
    case FETCH_FLUSHING:
        assert(before == FETCH_STALLED);
        break;
    case FETCH_ENDED:
        assert(before != FETCH_ENDED);
        break;
    }
    (void)before;
    fetch->state = state;
    fetch_touch(fetch);
    if (state == FETCH_QUEUED)
        fetch->queued_ns = fetch->entered_ns;
}

void fetch_touch(struct fetch *fetch)
{
    fetch->entered_ns = uv_hrtime();
}

static void on_timer(uv_timer_t *timer);

static void start_timer(struct fetch *fetch, uint64_t at_ns, uint64_t delay_ms)
{
    fetch->timer_ns = at_ns;
    uv_update_time(fetch->context->loop);
    uv_timer_start(&fetch->timer, on_timer, delay_ms, 0);
}

/*
 * The timer is not moved at each byte: when it fires early, it is set again. States that follow
 * each other quickly cost one timer that way.
 */
void fetch_set_timer(struct fetch *fetch)
{
    uint64_t at = fetch_next_look_ns(fetch);
    if (uv_is_active((uv_handle_t *)&fetch->timer) && fetch->timer_ns <= at)
        return;
    uint64_t now = uv_hrtime();
    start_timer(fetch, at, at > now ? (at - now + NS_PER_MS - 1) / NS_PER_MS : 0);
}

/* ---- End ------------------------------------------------------------------------------------ */

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* Gives everything back; the memory follows when libuv has let go of the timer. */
static void dispose(struct fetch *fetch)
{
    fetch_leave_origin(fetch);
    request_destroy(fetch->request);
    free(fetch->check);
    free(fetch->first_text);
    free(fetch->start_text);
    buffer_finish(&fetch->body);
    byte_queue_finish(&fetch->upload.queue);
    uv_close((uv_handle_t *)&fetch->timer, on_timer_closed);
}

static void count(struct fetch *fetch, int code, uint64_t total_us)
{
    if (fetch->check)
        return;
    stats_note_end(fetch->context->stats, code);
    fetch_count_at_origin(fetch, code, total_us);
}

void fetch_end(struct fetch *fetch, const struct fetch_outcome *outcome)
{
    fetch_flow_finish(fetch);
    fetch_set_state(fetch, FETCH_ENDED);
    count(fetch, outcome->code, outcome->total_us);
    fetch->events->on_end(fetch->ctx, outcome);
    dispose(fetch);
}

static void end_without_turn(struct fetch *fetch, const struct fetch_deadline *deadline)
{
    struct wire_why place, why;
    bool is_queues = strcmp(deadline->name, "queue_timeout") == 0;
    dispatch_describe(fetch->context->dispatch, &fetch->ticket, &place);
    wire_why_set(&why, "no turn after %llu ms (%s); %s", (unsigned long long)deadline->limit_ms,
                 deadline->name, place.text);
    fetch_fail(fetch, is_queues ? FETCHPOOL_QUEUE_TIMEOUT : FETCHPOOL_TIMEOUT, why.text);
}

/* A deadline has passed: the sentence says which, and what was being waited for. */
static void end_with_timeout(struct fetch *fetch, const struct fetch_deadline *deadline)
{
    struct wire_why step = {"start"}, why;
    if (deadline->complaint) {
        wire_why_set(&why, "the client %s for %llu ms ([timeouts] %s)", deadline->complaint,
                     (unsigned long long)deadline->limit_ms, deadline->name);
        fetch_fail(fetch, FETCHPOOL_CLIENT_TOO_SLOW, why.text);
        return;
    }
    if (fetch->state == FETCH_QUEUED && !dispatch_waits_for_opening(&fetch->ticket)) {
        end_without_turn(fetch, deadline);
        return;
    }
    if (fetch->state == FETCH_QUEUED)
        wire_why_set(&step, "waiting for a connection to %s", fetch->request->url.origin);
    else if (fetch->state == FETCH_SENDING)
        wire_why_set(&step, "the upload to %s", fetch->request->url.origin);
    else if (fetch->transfer)
        transfer_describe_step(fetch->transfer, &step);
    wire_why_set(&why, "%s timed out after %llu ms (%s)", step.text,
                 (unsigned long long)deadline->limit_ms, deadline->name);
    fetch_fail(fetch, fetch->was_sent ? FETCHPOOL_TIMEOUT_SENT : FETCHPOOL_TIMEOUT, why.text);
}

void fetch_fail_soon(struct fetch *fetch, int code, const char *message)
{
    fetch->start_code = code;
    fetch_keep_text(&fetch->start_text, message);
    start_timer(fetch, 0, 0);
}

static void on_timer(uv_timer_t *timer)
{
    struct fetch *fetch = timer->data;
    struct fetch_deadline deadline = fetch_next_deadline(fetch);
    uint64_t now = uv_hrtime();
    if (fetch->start_code == FETCHPOOL_DENIED && fetch->check)
        fetch_finish_check(fetch);
    else if (fetch->start_code != 0)
        fetch_fail(fetch, fetch->start_code, fetch_kept_text(fetch->start_text));
    else if (now >= deadline.at_ns)
        end_with_timeout(fetch, &deadline);
    else
        fetch_set_timer(fetch);
}

/* ---- What the transfer says ----------------------------------------------------------------- */

static void on_sent(void *ctx)
{
    struct fetch *fetch = ctx;
    fetch->was_sent_before = fetch->was_sent;
    fetch->was_sent = true;
    fetch->context->stats->bytes_to_origins += fetch->request->body_length;
    fetch->account.bytes_out += fetch->request->body_length;
    fetch_set_state(fetch, fetch_upload_is_open(fetch) ? FETCH_SENDING : FETCH_WAITING);
    fetch_set_timer(fetch);
}

static enum transfer_read on_read(void *ctx, uint8_t *buffer, size_t size, size_t *out_length)
{
    return fetch_upload_read(ctx, buffer, size, out_length);
}

/* More redirects than allowed, where some were: the caller who allowed none wants the redirect. */
static bool is_one_redirect_too_many(const struct fetch *fetch, const struct transfer_head *head)
{
    return fetch->redirects > 0 && fetch->request->redirects_left == 0 &&
           request_is_redirect(head->status) && field_list_find(head->fields, "Location").data;
}

/* The head of a streamed answer goes out as soon as it is in. */
static int begin_stream(struct fetch *fetch, const struct transfer_head *head, struct wire_why *why)
{
    struct transfer_result so_far = {0};
    transfer_measure(fetch->transfer, &so_far);
    fetch_add_times(fetch, &so_far);
    fetch_note_connection(fetch, &so_far);
    struct wire_response response = fetch_describe(fetch, head, &so_far);
    int code = fetch->events->on_response(fetch->ctx, &response, why);
    fetch->has_begun = code == 0;
    return code;
}

static int on_head(void *ctx, const struct transfer_head *head, struct wire_why *why)
{
    struct fetch *fetch = ctx;
    fetch->follows = fetch->request->redirects_left > 0 && request_is_redirect(head->status) &&
                     field_list_find(head->fields, "Location").data;
    fetch_note_head(fetch, head);
    if (head->status >= 300)
        fetch->upload.is_starved = false; /* libcurl wants no more of it */
    fetch_set_state(fetch, FETCH_RECEIVING);
    fetch_set_timer(fetch);
    if (fetch->follows && fetch_upload_is_open(fetch))
        return TRANSFER_ENOUGH;
    if (fetch->follows || !fetch->request->is_streamed || is_one_redirect_too_many(fetch, head))
        return 0;
    return begin_stream(fetch, head, why);
}

/* The body of a redirect is of no use to anybody, but it has to end some time. */
static uint64_t most_bytes(const struct fetch *fetch)
{
    return fetch->follows ? fetch->context->config->max_body_bytes : fetch->request->max_body_bytes;
}

static int hold(struct fetch *fetch, const uint8_t *bytes, size_t length, struct wire_why *why)
{
    int code = fetch->events->on_hold(fetch->ctx, length);
    if (code != 0) {
        wire_why_set(why,
                     "the answers for this client together are larger than %zu bytes "
                     "([limits] max_unread)",
                     (size_t)fetch->context->config->max_unread_bytes);
        return code;
    }
    fetch->held_bytes += length; /* what was allowed, also if there is no memory for it */
    if (buffer_append(&fetch->body, bytes, length) == 0)
        return 0;
    wire_why_set(why, "the daemon is out of memory");
    return FETCHPOOL_INTERNAL;
}

static int on_body(void *ctx, const uint8_t *bytes, size_t length, struct wire_why *why)
{
    struct fetch *fetch = ctx;
    int code = 0;
    if (length > most_bytes(fetch) - fetch->body_bytes) {
        wire_why_set(why, "the response body is larger than %llu bytes (max_body)",
                     (unsigned long long)most_bytes(fetch));
        return FETCHPOOL_BODY_TOO_LARGE;
    }
    if (fetch->has_begun)
        code = fetch_flow_take(fetch, bytes, length, why);
    else if (!fetch->follows)
        code = hold(fetch, bytes, length, why);
    if (code == TRANSFER_REFUSED)
        return code;
    fetch->body_bytes += length;
    fetch->context->stats->bytes_from_origins += length;
    fetch->account.bytes_in += length;
    if (fetch->state == FETCH_RECEIVING)
        fetch_touch(fetch);
    return code;
}

/* The answer of this hop says where the next one goes. */
static void follow(struct fetch *fetch, const struct transfer_result *result)
{
    struct wire_why why;
    const struct transfer_head *head = transfer_get_head(fetch->transfer);
    struct wire_str location = field_list_find(head->fields, "Location");
    fetch_add_times(fetch, result);
    bool drops_upload = request_redirect_loses_body(fetch->request, head->status);
    if (!drops_upload && fetch->upload.taken > 0) {
        fetch_fail(fetch, FETCHPOOL_REDIRECTS,
                   "the redirect asks for the upload once more, and some of it is gone");
        return;
    }
    int code = request_redirect(fetch->request, head->status, location, fetch->context->config,
                                &why);
    if (code != 0) {
        struct wire_why sentence;
        wire_why_set(&sentence, "redirect to \"%.*s\": %s",
                     (int)(location.length < 80 ? location.length : 80), location.data, why.text);
        fetch_fail(fetch, code, sentence.text);
        return;
    }
    if (drops_upload)
        fetch_upload_drop(fetch);
    fetch->redirects++;
    fetch->has_left = fetch->has_left ||
                      strcmp(fetch->origin->name, fetch->request->url.origin) != 0;
    fetch->context->stats->redirects++;
    fetch_leave_origin(fetch);
    fetch_set_state(fetch, FETCH_QUEUED);
    fetch_queue(fetch);
}

/* The origin is done; perhaps the client is not. */
static void finish_receiving(struct fetch *fetch)
{
    if (fetch->flow.queue.length == 0) {
        fetch_finish_stream(fetch);
        return;
    }
    dispatch_leave(fetch->context->dispatch, &fetch->ticket); /* others may have its place */
    fetch_set_state(fetch, FETCH_FLUSHING);
    fetch_set_timer(fetch);
}

/* Once more, without the question. */
static void ask_not_first(struct fetch *fetch, const struct transfer_result *result)
{
    fetch_add_times(fetch, result);
    fetch->request->asks_not_first = true;
    fetch_set_state(fetch, FETCH_QUEUED);
    fetch_queue(fetch);
}

static void on_done(void *ctx, const struct transfer_result *result)
{
    struct fetch *fetch = ctx;
    fetch_note_connection(fetch, result);
    if (fetch_retry(fetch, result))
        return;
    if (result->is_expect_refused) {
        ask_not_first(fetch, result);
    } else if (result->code == FETCHPOOL_DENIED && fetch->check) {
        fetch_finish_check(fetch);
    } else if (result->code == FETCHPOOL_DENIED) {
        struct wire_why why;
        fetch_explain_denial(fetch, &why);
        fetch_fail(fetch, FETCHPOOL_DENIED, why.text);
    } else if (result->code != 0) {
        fetch_fail(fetch, result->code, result->why.text);
    } else if (fetch->follows) {
        follow(fetch, result);
    } else if (fetch->has_begun) {
        finish_receiving(fetch);
    } else if (is_one_redirect_too_many(fetch, transfer_get_head(fetch->transfer))) {
        struct wire_why why;
        wire_why_set(&why, "more than %llu redirects", (unsigned long long)fetch->redirects);
        fetch_fail(fetch, FETCHPOOL_REDIRECTS, why.text);
    } else {
        fetch_add_times(fetch, result);
        fetch_finish_whole(fetch, result);
    }
}

const struct transfer_events fetch_transfer_events = {
    .on_sent = on_sent,
    .on_read = on_read,
    .on_head = on_head,
    .on_body = on_body,
    .on_done = on_done,
};

/* ---- Life ----------------------------------------------------------------------------------- */

struct fetch *fetch_create(const struct fetch_context *context, struct request *request,
                           const struct fetch_client *client, const struct fetch_events *events,
                           void *ctx)
{
    uint64_t now = uv_hrtime();
    struct fetch *fetch = malloc(sizeof *fetch);
    if (!fetch) {
        request_destroy(request);
        return NULL;
    }
    *fetch = (struct fetch){
        .context = context,
        .request = request,
        .events = events,
        .ctx = ctx,
        .state = FETCH_QUEUED,
        .started_ns = now,
        .entered_ns = now,
        .queued_ns = now,
        .is_safe = request_is_safe(request),
    };
    if (fetch_policy_init(fetch, client) < 0) {
        request_destroy(request);
        free(fetch);
        return NULL;
    }
    uv_timer_init(context->loop, &fetch->timer);
    fetch->timer.data = fetch;
    fetch_flow_init(fetch, client->group);
    fetch_queue(fetch);
    return fetch;
}

void fetch_cancel(struct fetch *fetch, int code_not_sent, int code_sent, const char *reason)
{
    fetch_fail(fetch, fetch->was_sent ? code_sent : code_not_sent, reason);
}

void fetch_abandon(struct fetch *fetch)
{
    fetch_flow_finish(fetch);
    fetch_set_state(fetch, FETCH_ENDED);
    int code = fetch_get_abandon_code(fetch);
    count(fetch, code, (fetch->entered_ns - fetch->started_ns) / NS_PER_US);
    dispose(fetch);
}
