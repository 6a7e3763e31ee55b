/* fetch: see fetch.h. */
#include "fetch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "transfer.h"

#define NS_PER_US 1000
#define NS_PER_MS 1000000

enum fetch_state { FETCH_CONNECTING, FETCH_WAITING, FETCH_RECEIVING, FETCH_ENDED };

struct fetch {
    const struct fetch_context *context;
    struct request *request;
    struct transfer *transfer;
    fetch_on_end on_end;
    void *ctx;

    enum fetch_state state;
    uv_timer_t timer;
    uint64_t started_ns;
    uint64_t entered_ns; /* the state, or its last byte in FETCH_RECEIVING */
    uint64_t redirects;
    bool was_sent;      /* some hop's request was */
    bool is_repeatable; /* the first hop's method is idempotent */
    bool follows;       /* the answer that comes in is a redirect to be followed */
    int start_code;     /* 0, or why no transfer could be started */
    struct wire_why start_why;
    struct buffer body;
    struct fetchpool_timing timing; /* sums over the hops so far */
};

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

struct deadline {
    uint64_t at_ns;
    uint64_t limit_ms;
    const char *name; /* as the client knows it */
};

static struct deadline deadline_of_state(const struct fetch *fetch)
{
    const struct request *request = fetch->request;
    switch (fetch->state) {
    case FETCH_CONNECTING:
        return (struct deadline){.limit_ms = request->connect_timeout_ms,
                                 .name = "connect_timeout"};
    case FETCH_WAITING:
        return (struct deadline){.limit_ms = request->first_byte_timeout_ms,
                                 .name = "first_byte_timeout"};
    case FETCH_RECEIVING:
    case FETCH_ENDED:
        break;
    }
    return (struct deadline){.limit_ms = request->idle_timeout_ms, .name = "idle_timeout"};
}

static struct deadline next_deadline(const struct fetch *fetch)
{
    struct deadline deadline = deadline_of_state(fetch);
    struct deadline total = {.limit_ms = fetch->request->total_timeout_ms, .name = "timeout"};
    deadline.at_ns = fetch->entered_ns + deadline.limit_ms * NS_PER_MS;
    total.at_ns = fetch->started_ns + total.limit_ms * NS_PER_MS;
    return deadline.at_ns < total.at_ns ? deadline : total;
}

static void on_timer(uv_timer_t *timer);

/*
 * The timer is not moved at each byte: when it fires early, it is set again. States that follow
 * each other quickly cost one timer that way.
 */
static void set_timer(struct fetch *fetch)
{
    uint64_t now = uv_hrtime();
    uint64_t at = next_deadline(fetch).at_ns;
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
    fetch->on_end(fetch->ctx, outcome);
    dispose(fetch);
}

static void end_with_error(struct fetch *fetch, int code, const char *message)
{
    struct fetch_outcome outcome = {
        .code = code,
        .message = message,
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
static void end_with_timeout(struct fetch *fetch, const struct deadline *deadline)
{
    struct wire_why step = {"start"}, why;
    if (fetch->transfer)
        transfer_describe_step(fetch->transfer, &step);
    wire_why_set(&why, "%s timed out after %llu ms (%s)", step.text,
                 (unsigned long long)deadline->limit_ms, deadline->name);
    end_with_error(fetch, fetch->was_sent ? FETCHPOOL_TIMEOUT_SENT : FETCHPOOL_TIMEOUT, why.text);
}

static void on_timer(uv_timer_t *timer)
{
    struct fetch *fetch = timer->data;
    struct deadline deadline = next_deadline(fetch);
    if (fetch->start_code != 0)
        end_with_error(fetch, fetch->start_code, fetch->start_why.text);
    else if (uv_hrtime() >= deadline.at_ns)
        end_with_timeout(fetch, &deadline);
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

static int on_body(void *ctx, const uint8_t *bytes, size_t length, struct wire_why *why)
{
    struct fetch *fetch = ctx;
    fetch->entered_ns = uv_hrtime();
    fetch->context->stats->bytes_from_origins += length;
    if (fetch->follows)
        return 0; /* the body of a redirect is of no use to anybody */
    int result = buffer_append(&fetch->body, bytes, length);
    if (result == 0)
        return 0;
    if (fetch->body.error == -EMSGSIZE) {
        wire_why_set(why, "the response body is larger than %zu bytes (max_body)",
                     fetch->body.limit);
        return FETCHPOOL_BODY_TOO_LARGE;
    }
    wire_why_set(why, "the daemon is out of memory");
    return FETCHPOOL_INTERNAL;
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

/*
 * A hop failed. If an earlier hop carried a request that must not be made twice, "not sent" would
 * be true of the last hop only, and mislead: then it is the redirect that failed.
 */
static void end_with_failure(struct fetch *fetch, const struct transfer_result *result)
{
    struct wire_why why = result->why;
    int code = result->code;
    bool is_not_sent = code < FETCHPOOL_TIMEOUT_SENT;
    if (is_not_sent && fetch->redirects > 0 && !fetch->is_repeatable) {
        wire_why_set(&why, "redirect to %s: %s", fetch->request->url.origin, result->why.text);
        code = FETCHPOOL_REDIRECTS;
    }
    end_with_error(fetch, code, why.text);
}

static void on_done(void *ctx, const struct transfer_result *result)
{
    struct fetch *fetch = ctx;
    if (result->code != 0) {
        end_with_failure(fetch, result);
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
static void start(struct fetch *fetch)
{
    const struct fetch_context *context = fetch->context;
    fetch->follows = false;
    buffer_init(&fetch->body, fetch->request->max_body_bytes);
    fetch->start_code = transfer_create(&fetch->transfer, context->pool, context->config,
                                        fetch->request, &transfer_events, fetch, &fetch->start_why);
    if (fetch->start_code == 0)
        set_timer(fetch);
    else
        uv_timer_start(&fetch->timer, on_timer, 0, 0);
}

struct fetch *fetch_create(const struct fetch_context *context, struct request *request,
                           fetch_on_end on_end, void *ctx)
{
    struct fetch *fetch = calloc(1, sizeof *fetch);
    if (!fetch) {
        request_destroy(request);
        return NULL;
    }
    *fetch = (struct fetch){
        .context = context,
        .request = request,
        .on_end = on_end,
        .ctx = ctx,
        .state = FETCH_CONNECTING,
        .started_ns = uv_hrtime(),
        .entered_ns = uv_hrtime(),
        .is_repeatable = request_is_idempotent(request),
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
