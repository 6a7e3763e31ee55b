/* fetch: see fetch.h. */
#include "fetch_internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NS_PER_US 1000
#define NS_PER_MS 1000000

/* ---- State and deadlines -------------------------------------------------------------------- */

static void set_state(struct fetch *fetch, enum fetch_state state)
{
    switch (state) {
    case FETCH_CONNECTING: /* the next hop */
        assert(fetch->state == FETCH_RECEIVING || fetch->state == FETCH_CONNECTING);
        break;
    case FETCH_WAITING:
        assert(fetch->state == FETCH_CONNECTING);
        break;
    case FETCH_RECEIVING:
        assert(fetch->state == FETCH_WAITING);
        break;
    case FETCH_ENDED:
        assert(fetch->state != FETCH_ENDED);
        break;
    }
    fetch->state = state;
    fetch->entered_ns = uv_hrtime();
}

static void on_timer(uv_timer_t *timer);

/*
 * The timer is not moved at each byte: when it fires early, it is set again. States that follow
 * each other quickly cost one timer that way.
 */
static void set_timer(struct fetch *fetch)
{
    uint64_t now = uv_hrtime();
    uint64_t at = fetch_next_deadline(fetch).at_ns;
    uint64_t patience = fetch_patience_ends_ns(fetch);
    at = patience < at ? patience : at;
    uint64_t delay_ms = at > now ? (at - now + NS_PER_MS - 1) / NS_PER_MS : 0;
    uv_update_time(fetch->context->loop);
    if (!uv_is_active((uv_handle_t *)&fetch->timer) ||
        uv_timer_get_due_in(&fetch->timer) > delay_ms)
        uv_timer_start(&fetch->timer, on_timer, delay_ms, 0);
}

/* ---- End ------------------------------------------------------------------------------------ */

static void on_timer_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* Gives everything back; the memory follows when libuv has let go of the timer. */
static void dispose(struct fetch *fetch)
{
    transfer_destroy(fetch->transfer);
    request_destroy(fetch->request);
    buffer_finish(&fetch->body);
    uv_close((uv_handle_t *)&fetch->timer, on_timer_closed);
}

static void count(const struct fetch *fetch, int code)
{
    struct stats *stats = fetch->context->stats;
    stats->requests++;
    if (code != 0)
        stats->requests_failed++;
    if (code > 0 && code < FETCHPOOL_BUSY)
        stats->requests_refused++;
}

static void end(struct fetch *fetch, const struct fetch_outcome *outcome)
{
    set_state(fetch, FETCH_ENDED);
    count(fetch, outcome->code);
    fetch->events->on_end(fetch->ctx, outcome);
    dispose(fetch);
}

/*
 * "Not sent" must be true of the whole fetch. Where an earlier hop carried a request that an origin
 * may have acted on, what failed is following the redirect.
 */
static int honest_code(const struct fetch *fetch, int code, const char *message,
                       struct wire_why *out_why)
{
    bool says_not_sent = code >= FETCHPOOL_BUSY && code < FETCHPOOL_TIMEOUT_SENT;
    if (!says_not_sent || !fetch->was_sent || fetch->is_safe) {
        wire_why_set(out_why, "%s", message);
        return code;
    }
    wire_why_set(out_why, "redirect to %s: %s", fetch->request->url.origin, message);
    return FETCHPOOL_REDIRECTS;
}

static void end_with_error(struct fetch *fetch, int code, const char *message)
{
    struct wire_why why;
    struct fetch_outcome outcome = {
        .code = honest_code(fetch, code, message, &why),
        .message = why.text,
        .request = fetch->request,
        .total_us = (uv_hrtime() - fetch->started_ns) / NS_PER_US,
    };
    end(fetch, &outcome);
}

static void add_times(struct fetch *fetch, const struct transfer_result *result)
{
    fetch->timing.queue_us += result->wait_us;
    fetch->timing.resolve_us += result->resolve_us;
    fetch->timing.connect_us += result->connect_us;
    fetch->timing.tls_us += result->tls_us;
    fetch->timing.first_byte_us += result->first_byte_us;
}

static struct wire_connection describe_connection(const struct transfer_result *result)
{
    return (struct wire_connection){
        .id = result->connection.id,
        .is_reused = result->is_connection_reused,
        .requests = result->connection.requests,
        .age_ms = result->connection.age_ms,
        .peer = wire_str_of(result->connection.peer),
    };
}

static void end_with_response(struct fetch *fetch, const struct transfer_result *result)
{
    const struct transfer_head *head = transfer_get_head(fetch->transfer);
    fetch->timing.total_us = (uv_hrtime() - fetch->started_ns) / NS_PER_US;
    struct wire_response response = {
        .status = head->status,
        .fields = field_list_fields(head->fields),
        .field_count = head->fields->count,
        .body = {(const char *)fetch->body.data, fetch->body.length},
        .http = wire_str_of(head->http),
        .url = wire_str_of(fetch->request->url.text),
        .redirects = fetch->redirects,
        .connection = describe_connection(result),
        .timing = fetch->timing,
    };
    struct fetch_outcome outcome = {
        .message = "",
        .response = &response,
        .request = fetch->request,
        .total_us = fetch->timing.total_us,
    };
    end(fetch, &outcome);
}

/* A deadline has passed: the sentence says which, and what was being waited for. */
static void end_with_timeout(struct fetch *fetch, const struct fetch_deadline *deadline)
{
    struct wire_why step = {"start"}, why;
    if (fetch->transfer)
        transfer_describe_step(fetch->transfer, &step);
    wire_why_set(&why, "%s timed out after %llu ms (%s)", step.text,
                 (unsigned long long)deadline->limit_ms, deadline->name);
    end_with_error(fetch, fetch->was_sent ? FETCHPOOL_TIMEOUT_SENT : FETCHPOOL_TIMEOUT, why.text);
}

static void start_transfer(struct fetch *fetch);

/* Nothing was sent, so another transfer may take over. */
static void stop_waiting(struct fetch *fetch)
{
    transfer_destroy(fetch->transfer);
    fetch->transfer = NULL;
    fetch->waits = false;
    fetch->timing.queue_us += (uv_hrtime() - fetch->entered_ns) / NS_PER_US;
    start_transfer(fetch);
}

static void on_timer(uv_timer_t *timer)
{
    struct fetch *fetch = timer->data;
    struct fetch_deadline deadline = fetch_next_deadline(fetch);
    uint64_t now = uv_hrtime();
    if (fetch->start_code != 0)
        end_with_error(fetch, fetch->start_code, fetch->start_why.text);
    else if (now >= deadline.at_ns)
        end_with_timeout(fetch, &deadline);
    else if (now >= fetch_patience_ends_ns(fetch))
        stop_waiting(fetch);
    else
        set_timer(fetch);
}

/* ---- What the transfer says ----------------------------------------------------------------- */

static void on_sent(void *ctx)
{
    struct fetch *fetch = ctx;
    fetch->was_sent = true;
    fetch->context->stats->bytes_to_origins += fetch->request->body_length;
    set_state(fetch, FETCH_WAITING);
    set_timer(fetch);
}

static void on_head(void *ctx, const struct transfer_head *head)
{
    struct fetch *fetch = ctx;
    fetch->follows = fetch->request->redirects_left > 0 && request_is_redirect(head->status) &&
                     field_list_find(head->fields, "Location").data;
    set_state(fetch, FETCH_RECEIVING);
    set_timer(fetch);
}

/* The body of a redirect is of no use to anybody, but it has to end some time. */
static uint64_t most_bytes(const struct fetch *fetch)
{
    return fetch->follows ? fetch->context->config->max_body_bytes : fetch->body.limit;
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
    fetch->entered_ns = uv_hrtime();
    fetch->context->stats->bytes_from_origins += length;
    fetch->body_bytes += length;
    if (fetch->body_bytes > most_bytes(fetch)) {
        wire_why_set(why, "the response body is larger than %llu bytes (max_body)",
                     (unsigned long long)most_bytes(fetch));
        return FETCHPOOL_BODY_TOO_LARGE;
    }
    return fetch->follows ? 0 : hold(fetch, bytes, length, why);
}

static void start(struct fetch *fetch);

/* The answer of this hop says where the next one goes. */
static void follow(struct fetch *fetch, const struct transfer_result *result)
{
    struct wire_why why;
    const struct transfer_head *head = transfer_get_head(fetch->transfer);
    struct wire_str location = field_list_find(head->fields, "Location");
    add_times(fetch, result);
    int code = request_redirect(fetch->request, head->status, location, fetch->context->config,
                                &why);
    if (code != 0) {
        struct wire_why sentence;
        wire_why_set(&sentence, "redirect to \"%.*s\": %s",
                     (int)(location.length < 80 ? location.length : 80), location.data, why.text);
        end_with_error(fetch, code, sentence.text);
        return;
    }
    fetch->redirects++;
    fetch->context->stats->redirects++;
    transfer_destroy(fetch->transfer);
    fetch->transfer = NULL;
    buffer_finish(&fetch->body);
    set_state(fetch, FETCH_CONNECTING);
    start(fetch);
}

/* More redirects than allowed, where some were: the caller who allowed none wants the redirect. */
static bool is_one_redirect_too_many(const struct fetch *fetch)
{
    const struct transfer_head *head = transfer_get_head(fetch->transfer);
    return fetch->redirects > 0 && fetch->request->redirects_left == 0 &&
           request_is_redirect(head->status) && field_list_find(head->fields, "Location").data;
}

static void on_done(void *ctx, const struct transfer_result *result)
{
    struct fetch *fetch = ctx;
    if (result->code != 0) {
        end_with_error(fetch, result->code, result->why.text);
    } else if (fetch->follows) {
        follow(fetch, result);
    } else if (is_one_redirect_too_many(fetch)) {
        struct wire_why why;
        wire_why_set(&why, "more than %llu redirects", (unsigned long long)fetch->redirects);
        end_with_error(fetch, FETCHPOOL_REDIRECTS, why.text);
    } else {
        add_times(fetch, result);
        end_with_response(fetch, result);
    }
}

static const struct transfer_events transfer_events = {
    .on_sent = on_sent,
    .on_head = on_head,
    .on_body = on_body,
    .on_done = on_done,
};

/* ---- Life ----------------------------------------------------------------------------------- */

/* A transfer that cannot be started is reported from the loop, so that callers have one case. */
static void start_transfer(struct fetch *fetch)
{
    const struct fetch_context *context = fetch->context;
    bool is_apart = request_has_own_terms(fetch->request);
    struct pool *pool = is_apart ? context->pool_apart : context->pool;
    fetch->start_code = transfer_create(&fetch->transfer, pool, context->config, fetch->request,
                                        fetch->waits && !is_apart, &transfer_events, fetch,
                                        &fetch->start_why);
    if (fetch->start_code == 0)
        set_timer(fetch);
    else
        uv_timer_start(&fetch->timer, on_timer, 0, 0);
}

/* One hop: a request, its answer. */
static void start(struct fetch *fetch)
{
    fetch->follows = false;
    fetch->waits = fetch->context->config->share_timeout_ms > 0;
    fetch->body_bytes = 0;
    buffer_init(&fetch->body, fetch->request->max_body_bytes);
    start_transfer(fetch);
}

struct fetch *fetch_create(const struct fetch_context *context, struct request *request,
                           const struct fetch_events *events, void *ctx)
{
    struct fetch *fetch = calloc(1, sizeof *fetch);
    if (!fetch) {
        request_destroy(request);
        return NULL;
    }
    *fetch = (struct fetch){
        .context = context,
        .request = request,
        .events = events,
        .ctx = ctx,
        .state = FETCH_CONNECTING,
        .started_ns = uv_hrtime(),
        .entered_ns = uv_hrtime(),
        .is_safe = request_is_safe(request),
    };
    uv_timer_init(context->loop, &fetch->timer);
    fetch->timer.data = fetch;
    start(fetch);
    return fetch;
}

void fetch_cancel(struct fetch *fetch, int code_not_sent, int code_sent, const char *reason)
{
    end_with_error(fetch, fetch->was_sent ? code_sent : code_not_sent, reason);
}

void fetch_abandon(struct fetch *fetch)
{
    set_state(fetch, FETCH_ENDED);
    count(fetch, fetch->was_sent ? FETCHPOOL_CANCELLED_SENT : FETCHPOOL_CANCELLED);
    dispose(fetch);
}

size_t fetch_get_held_bytes(const struct fetch *fetch)
{
    return fetch->held_bytes;
}

const struct request *fetch_get_request(const struct fetch *fetch)
{
    return fetch->request;
}
