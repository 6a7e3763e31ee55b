/* fetch_outcome: what a fetch says at its end, and how it says it honestly. */
#include "fetch_internal.h"

#include <stdlib.h>
#include <string.h>

void fetch_keep_text(char **text, const char *sentence)
{
    free(*text);
    *text = strdup(sentence);
}

const char *fetch_kept_text(const char *text)
{
    return text ? text : "the daemon is out of memory";
}

/*
 * "Not sent" must be true of the whole fetch. Where an earlier hop carried a request that an origin
 * may have acted on, what failed is following the redirect; where an earlier attempt of this hop
 * did, that is what is to be known.
 */
static int honest_code(const struct fetch *fetch, int code, const char *message,
                       struct wire_why *out_why)
{
    bool says_not_sent = code >= FETCHPOOL_BUSY && code < FETCHPOOL_TIMEOUT_SENT;
    if (says_not_sent && fetch->first_code != 0) {
        wire_why_set(out_why, "%s; sent again: %s", fetch_kept_text(fetch->first_text), message);
        return fetch->first_code;
    }
    if (!says_not_sent || !fetch->was_sent || fetch->is_safe) {
        wire_why_set(out_why, "%s", message);
        return code;
    }
    wire_why_set(out_why, "redirect to %s: %s", fetch->request->url.origin, message);
    return FETCHPOOL_REDIRECTS;
}

void fetch_fail(struct fetch *fetch, int code, const char *message)
{
    struct wire_why why;
    if (fetch->state == FETCH_QUEUED)
        fetch->timing.queue_us += (uv_hrtime() - fetch->queued_ns) / NS_PER_US;
    struct fetch_outcome outcome = {
        .code = honest_code(fetch, code, message, &why),
        .message = why.text,
        .has_begun = fetch->has_begun,
        .request = fetch->request,
        .total_us = (uv_hrtime() - fetch->started_ns) / NS_PER_US,
    };
    fetch_end(fetch, &outcome);
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

/* What is known of the answer: its head, and the transfer so far. */
struct wire_response fetch_describe(struct fetch *fetch, const struct transfer_head *head,
                                    const struct transfer_result *result)
{
    fetch->timing.total_us = (uv_hrtime() - fetch->started_ns) / NS_PER_US;
    return (struct wire_response){
        .status = head->status,
        .fields = field_list_fields(head->fields),
        .field_count = head->fields->count,
        .body = {(const char *)fetch->body.data, fetch->body.length},
        .is_streamed = fetch->request->is_streamed,
        .http = wire_str_of(head->http),
        .url = wire_str_of(fetch->request->url.text),
        .redirects = fetch->redirects,
        .connection = describe_connection(result),
        .timing = fetch->timing,
    };
}

void fetch_finish_whole(struct fetch *fetch, const struct transfer_result *result)
{
    struct wire_response response = fetch_describe(fetch, transfer_get_head(fetch->transfer),
                                                   result);
    struct fetch_outcome outcome = {
        .message = "",
        .response = &response,
        .request = fetch->request,
        .total_us = fetch->timing.total_us,
    };
    fetch_end(fetch, &outcome);
}

void fetch_finish_stream(struct fetch *fetch)
{
    const struct field_list *trailers = transfer_get_trailers(fetch->transfer);
    fetch->timing.total_us = (uv_hrtime() - fetch->started_ns) / NS_PER_US;
    struct wire_end stream_end = {
        .bytes = fetch->flow.sent,
        .timing = fetch->timing,
        .trailers = field_list_fields(trailers),
        .trailer_count = trailers->count,
    };
    struct fetch_outcome outcome = {
        .message = "",
        .has_begun = true,
        .end = &stream_end,
        .request = fetch->request,
        .total_us = fetch->timing.total_us,
    };
    fetch_end(fetch, &outcome);
}
