/* fetch_deadline: when a fetch runs out of time, in which state, by whose word. Reads only. */
#include "fetch_internal.h"

static struct fetch_deadline client_stall(const struct fetch *fetch, const char *complaint)
{
    return (struct fetch_deadline){
        .limit_ms = fetch->context->config->client_stall_timeout_ms,
        .name = "client_stall",
        .complaint = complaint,
    };
}

/* Somebody else's attempt to open a connection counts as its own. */
static struct fetch_deadline opening(const struct fetch *fetch)
{
    uint64_t since_ns = fetch->state == FETCH_QUEUED ? dispatch_opening_since_ns(&fetch->ticket)
                                                     : fetch->opening_ns;
    return (struct fetch_deadline){.since_ns = since_ns,
                                   .limit_ms = fetch->request->connect_timeout_ms,
                                   .name = "connect_timeout"};
}

static struct fetch_deadline deadline_of_state(const struct fetch *fetch)
{
    const struct request *request = fetch->request;
    bool waits_for_upload = fetch_upload_is_open(fetch) && fetch->upload.is_starved;
    switch (fetch->state) {
    case FETCH_QUEUED:
        if (!dispatch_waits_for_opening(&fetch->ticket))
            return (struct fetch_deadline){.since_ns = fetch->queued_ns,
                                           .limit_ms = request->queue_timeout_ms,
                                           .name = "queue_timeout"};
        return opening(fetch);
    case FETCH_CONNECTING:
        return opening(fetch);
    case FETCH_WAITING:
        return (struct fetch_deadline){.limit_ms = request->first_byte_timeout_ms,
                                       .name = "first_byte_timeout"};
    case FETCH_SENDING:
    case FETCH_RECEIVING:
        if (waits_for_upload)
            return client_stall(fetch, "sent nothing of its upload");
        break;
    case FETCH_STALLED:
    case FETCH_FLUSHING:
        return client_stall(fetch, "took nothing of the body");
    case FETCH_ENDED:
        break;
    }
    return (struct fetch_deadline){.limit_ms = request->idle_timeout_ms, .name = "idle_timeout"};
}

struct fetch_deadline fetch_next_deadline(const struct fetch *fetch)
{
    struct fetch_deadline deadline = deadline_of_state(fetch);
    struct fetch_deadline total = {.limit_ms = fetch->request->total_timeout_ms, .name = "timeout"};
    uint64_t since_ns = deadline.since_ns ? deadline.since_ns : fetch->entered_ns;
    deadline.at_ns = since_ns + deadline.limit_ms * NS_PER_MS;
    total.at_ns = fetch->started_ns + total.limit_ms * NS_PER_MS;
    return deadline.at_ns < total.at_ns ? deadline : total;
}

uint64_t fetch_next_look_ns(const struct fetch *fetch)
{
    uint64_t at_ns = fetch_next_deadline(fetch).at_ns;
    uint64_t opening_ns = fetch->queued_ns + fetch->request->connect_timeout_ms * NS_PER_MS;
    bool may_open = fetch->state == FETCH_QUEUED && opening_ns < at_ns;
    return may_open && opening_ns > uv_hrtime() ? opening_ns : at_ns;
}
