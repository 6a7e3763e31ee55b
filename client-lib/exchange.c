/* exchange: see exchange.h. */
#include "exchange.h"

#include <errno.h>
#include <stdlib.h>

#include "deadline.h"
#include "request.h"
#include "response.h"

void exchange_init(struct exchange *exchange, uint32_t id, const struct fetchpool_request *request)
{
    *exchange = (struct exchange){.id = id, .upload_size = WIRE_UNSET};
    buffer_init(&exchange->held, SIZE_MAX); /* the window bounds it */
    if (request) {
        const struct wire_fetch *fetch = &request->fetch;
        exchange->is_fetch = true;
        exchange->functions = request->functions;
        exchange->patience = (struct patience){
            .timeout_ms = request_timeout_ms(request),
            .phases_ms = request_phases_ms(request),
            .grace_ms = FETCHPOOL_GRACE_MS,
            .is_stream = fetch->stream || fetch->upload,
        };
        exchange->window = fetch->window == WIRE_UNSET ? WIRE_DEFAULT_WINDOW : fetch->window;
        exchange->upload_size = fetch->upload_size;
    }
    patience_begin(&exchange->patience);
    exchange_rewind(exchange);
}

void exchange_rewind(struct exchange *exchange)
{
    exchange->state = EXCHANGE_WAITING;
    exchange->granted = exchange->window;
    exchange->is_uploading = exchange->functions.on_read != NULL;
    exchange->allowance = 0;
    patience_renew(&exchange->patience);
}

void exchange_finish(struct exchange *exchange)
{
    fetchpool_response_free(exchange->response);
    buffer_finish(&exchange->held);
}

struct fetchpool_response *exchange_take_response(struct exchange *exchange)
{
    struct fetchpool_response *response = exchange->response;
    exchange->response = NULL;
    return response;
}

/* ---- Endings --------------------------------------------------------------------------------- */

void exchange_end(struct exchange *exchange)
{
    exchange->state = EXCHANGE_ENDED;
    exchange->is_uploading = false;
}

void exchange_fail(struct exchange *exchange, struct fetchpool_response *failure)
{
    exchange->response = response_after_head(exchange->response, failure);
    exchange_end(exchange);
}

/* The daemon has to be told, unless it has said its last word already. */
void exchange_stop(struct exchange *exchange, struct fetchpool_response *failure)
{
    exchange->stop_errno = errno;
    exchange_fail(exchange, failure);
    if (!exchange->is_whole)
        exchange->state = EXCHANGE_STOPPING;
}

void exchange_stop_by_function(struct exchange *exchange, const char *name)
{
    exchange_stop(exchange, response_failed(FETCHPOOL_STOPPED, "%s ended the request", name));
}

void exchange_cancel(struct exchange *exchange)
{
    if (exchange->state == EXCHANGE_STOPPING || exchange->state == EXCHANGE_ENDED)
        return;
    exchange->is_cancelled = true;
    exchange_stop(exchange, response_failed(FETCHPOOL_CANCELLED_SENT, "the request was cancelled"));
}

/* The daemon's own words, which replace those of a cancelled request, not those of a stopped one.
 */
static void end_with(struct exchange *exchange, struct fetchpool_response *failure)
{
    if (exchange->state == EXCHANGE_STOPPING && !exchange->is_cancelled)
        fetchpool_response_free(failure);
    else
        exchange->response = response_after_head(exchange->response, failure);
    exchange_end(exchange);
}

/* ---- The caller's functions: their time does not count --------------------------------------- */

static bool call_on_headers(struct exchange *exchange)
{
    struct fetchpool_response *response = exchange->response;
    struct wire_str body = response->fetch.body;
    uint64_t body_bytes = response->body_bytes;
    int64_t since = deadline_now();
    exchange->is_called = true;
    response->fetch.body = (struct wire_str){0};
    response->body_bytes = 0;
    int result = exchange->functions.on_headers(exchange->functions.headers_ctx, response);
    response->fetch.body = body;
    response->body_bytes = body_bytes;
    patience_excuse(&exchange->patience, since);
    return result == 0;
}

static void hand(struct exchange *exchange, const char *bytes, size_t length)
{
    int64_t since = deadline_now();
    exchange->is_called = true;
    int result = exchange->functions.on_body(exchange->functions.body_ctx, bytes, length);
    patience_excuse(&exchange->patience, since);
    exchange->consumed += length;
    if (exchange->state != EXCHANGE_STREAMING) /* it was cancelled by that function */
        return;
    exchange->response->body_bytes += length;
    if (result != 0)
        exchange_stop_by_function(exchange, "on_body");
}

/* ---- Body bytes ------------------------------------------------------------------------------ */

static size_t held_left(const struct exchange *exchange)
{
    return exchange->held.length - exchange->held_taken;
}

static void hand_over(struct exchange *exchange)
{
    while (exchange->state == EXCHANGE_STREAMING && !exchange->is_paused &&
           held_left(exchange) > 0) {
        size_t size = held_left(exchange);
        if (size > WIRE_MAX_DATA_BYTES)
            size = WIRE_MAX_DATA_BYTES;
        const char *bytes = (const char *)exchange->held.data + exchange->held_taken;
        exchange->held_taken += size;
        hand(exchange, bytes, size);
    }
    if (exchange->state != EXCHANGE_STREAMING || held_left(exchange) > 0)
        return;
    exchange->held_taken = 0;
    buffer_finish(&exchange->held);
    if (exchange->is_whole)
        exchange_end(exchange);
}

void exchange_hand_over(struct exchange *exchange)
{
    if (exchange->held.length > 0)
        hand_over(exchange);
}

static void hold(struct exchange *exchange, struct wire_str bytes)
{
    if (buffer_append(&exchange->held, bytes.data, bytes.length) < 0)
        exchange_stop(exchange, response_unreadable());
}

static void deliver(struct exchange *exchange, struct wire_str bytes)
{
    if (bytes.length == 0)
        return;
    if (exchange->is_paused || held_left(exchange) > 0)
        hold(exchange, bytes);
    else
        hand(exchange, bytes.data, bytes.length);
}

/* ---- Messages -------------------------------------------------------------------------------- */

/* A daemon that is older than streams answers with the whole body at once. */
static void take_whole_body(struct exchange *exchange)
{
    struct wire_str body = exchange->response->fetch.body;
    exchange->response->fetch.body = (struct wire_str){0};
    exchange->response->body_bytes = 0;
    exchange->is_whole = true;
    hold(exchange, body);
    hand_over(exchange);
}

static void take_head(struct exchange *exchange)
{
    bool is_streamed = exchange->functions.on_body && exchange->response->fetch.is_streamed;
    exchange->state = EXCHANGE_STREAMING;
    exchange->is_whole = !is_streamed;
    bool goes_on = !exchange->functions.on_headers || call_on_headers(exchange);
    if (!goes_on && exchange->state == EXCHANGE_STREAMING)
        exchange_stop_by_function(exchange, "on_headers");
    if (exchange->state != EXCHANGE_STREAMING || is_streamed)
        return;
    if (exchange->functions.on_body)
        take_whole_body(exchange);
    else
        exchange_end(exchange);
}

/* What comes for a request that is being stopped: only whether it is over is of interest. */
static void pass_response(struct exchange *exchange, struct fetchpool_response *response)
{
    bool is_head = exchange->functions.on_body && response->code == FETCHPOOL_OK &&
                   response->fetch.is_streamed;
    bool is_wanted = exchange->is_cancelled && !exchange->functions.on_body;
    if (response->code != FETCHPOOL_OK) {
        end_with(exchange, response);
        return;
    }
    if (is_wanted) {
        fetchpool_response_free(exchange->response);
        exchange->response = response;
    } else {
        fetchpool_response_free(response);
    }
    if (!is_head)
        exchange_end(exchange);
}

int exchange_on_response(struct exchange *exchange, struct letter letter,
                         struct wire_message *message, struct wire_why *why)
{
    if (exchange->state == EXCHANGE_STREAMING) {
        wire_message_close(message);
        free(letter.bytes);
        wire_why_set(why, "request %u is answered twice", exchange->id);
        return -EBADMSG;
    }
    struct fetchpool_response *response = response_of(letter, message, exchange->is_fetch);
    patience_renew(&exchange->patience);
    if (exchange->state == EXCHANGE_STOPPING) {
        pass_response(exchange, response);
        return 0;
    }
    exchange->response = response;
    if (response->code == FETCHPOOL_OK && exchange->is_fetch)
        take_head(exchange);
    else
        exchange_end(exchange);
    return 0;
}

static int take_data(struct exchange *exchange, struct wire_str bytes, struct wire_why *why)
{
    if (exchange->state == EXCHANGE_WAITING)
        return wire_why_set(why, "data before the header fields of request %u", exchange->id);
    if (exchange->is_whole)
        return wire_why_set(why, "data after the end of request %u", exchange->id);
    if (bytes.length > exchange->granted)
        return wire_why_set(why, "more data than was granted to request %u", exchange->id);
    exchange->granted -= bytes.length;
    exchange->received += bytes.length;
    if (exchange->state == EXCHANGE_STREAMING)
        deliver(exchange, bytes);
    return 0;
}

static int take_end(struct exchange *exchange, const struct wire_note *note, struct letter view,
                    struct wire_why *why)
{
    uint64_t said = note->end.bytes;
    if (exchange->state == EXCHANGE_WAITING)
        return wire_why_set(why, "the end before the header fields of request %u", exchange->id);
    if (exchange->is_whole)
        return wire_why_set(why, "a second end of request %u", exchange->id);
    if (said != exchange->received)
        return wire_why_set(why, "the body of request %u has %llu bytes, of which %llu came",
                            exchange->id, (unsigned long long)said,
                            (unsigned long long)exchange->received);
    if (exchange->state == EXCHANGE_STOPPING) {
        exchange_end(exchange);
        return 0;
    }
    exchange->is_whole = true;
    if (response_end(exchange->response, &note->end, view) < 0)
        exchange_fail(exchange, response_unreadable());
    else
        hand_over(exchange);
    return 0;
}

static void take_window(struct exchange *exchange, uint64_t bytes)
{
    if (bytes > UINT64_MAX - exchange->allowance)
        bytes = UINT64_MAX - exchange->allowance;
    exchange->allowance += bytes;
}

int exchange_on_note(struct exchange *exchange, const struct wire_note *note, struct letter view,
                     struct wire_why *why)
{
    int result = 0;
    patience_renew(&exchange->patience);
    switch (note->kind) {
    case WIRE_NOTE_DATA:
        result = take_data(exchange, note->bytes, why);
        break;
    case WIRE_NOTE_END:
        result = take_end(exchange, note, view, why);
        break;
    case WIRE_NOTE_WINDOW:
        take_window(exchange, note->window);
        break;
    case WIRE_NOTE_ERROR:
        end_with(exchange, response_failed(note->code, "%.*s", WIRE_STR(note->text)));
        break;
    case WIRE_NOTE_UNKNOWN:
    case WIRE_NOTE_CANCEL:
    case WIRE_NOTE_GOAWAY:
        break;
    }
    return result < 0 ? -EBADMSG : 0;
}

/* ---- Grants ---------------------------------------------------------------------------------- */

void exchange_put_grant(struct exchange *exchange, struct buffer *out)
{
    bool is_worth_it = exchange->consumed > 0 && exchange->consumed >= exchange->window / 2;
    if (exchange->state != EXCHANGE_STREAMING || exchange->is_whole || exchange->is_paused ||
        !is_worth_it)
        return;
    wire_put_window(out, exchange->id, exchange->consumed);
    exchange->granted += exchange->consumed;
    exchange->consumed = 0;
}
