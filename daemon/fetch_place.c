/* fetch_place: how a fetch gets its place on a connection, for each attempt of each hop: through
 * the queue of its user and origin. */
#include "fetch_internal.h"

#include <stddef.h>
#include <stdlib.h>

static struct fetch *fetch_of(struct dispatch_ticket *ticket)
{
    return (struct fetch *)((char *)ticket - offsetof(struct fetch, ticket));
}

/* ---- What the queue says -------------------------------------------------------------------- */

static void drop_transfer(struct fetch *fetch)
{
    transfer_destroy(fetch->transfer);
    fetch->transfer = NULL;
}

/* It is on its way by `code` 0, or fails, from the loop, with this code and sentence. */
static void go_on(struct fetch *fetch, int code, const struct wire_why *why)
{
    if (code == 0)
        fetch_set_timer(fetch);
    else
        fetch_fail_soon(fetch, code, why->text);
}

static void on_place(struct dispatch_ticket *ticket, struct pool_connection *connection)
{
    struct fetch *fetch = fetch_of(ticket);
    struct wire_why why;
    struct transfer_place place = {
        .pool = fetch->context->dispatch->pool,
        .spares = fetch->context->spares,
        .user = fetch->flow.stall.group->uid,
        .connection = connection,
        .guard = fetch->policy ? &fetch->guard : NULL,
        .added = fetch_find_credential(fetch),
        .config = fetch->context->config,
    };
    fetch_set_state(fetch, FETCH_CONNECTING);
    fetch->timing.queue_us += (fetch->entered_ns - fetch->queued_ns) / NS_PER_US;
    fetch->opening_ns = fetch->opening_ns ? fetch->opening_ns : fetch->entered_ns;
    int code = transfer_create(&fetch->transfer, &place, fetch->request, &fetch_transfer_events,
                               fetch, &why);
    go_on(fetch, code, &why);
}

static void on_wait(struct dispatch_ticket *ticket)
{
    struct fetch *fetch = fetch_of(ticket);
    fetch->opening_ns = dispatch_opening_since_ns(ticket);
    fetch_set_timer(fetch);
}

static void on_refusal(struct dispatch_ticket *ticket, int code, const char *message)
{
    fetch_fail(fetch_of(ticket), code, message);
}

static const struct dispatch_events dispatch_events = {
    .on_place = on_place,
    .on_wait = on_wait,
    .on_refusal = on_refusal,
};

/* ---- Into the queue ------------------------------------------------------------------------- */

static int lack_memory(int code, struct wire_why *why)
{
    if (code == FETCHPOOL_BUSY)
        wire_why_set(why, "the daemon is out of memory");
    return code;
}

/* 0, or a code with the reason. */
static int meet_origin(struct fetch *fetch, struct wire_why *why)
{
    const struct url *url = &fetch->request->url;
    if (fetch->origin)
        return 0;
    int code = fetch_ask_policy(fetch, why);
    if (code != 0)
        return code;
    fetch->origin = origin_hold(fetch->context->dispatch->origins, url->origin, url->host);
    if (!fetch->origin)
        return lack_memory(FETCHPOOL_BUSY, why);
    if (!fetch->check)
        origin_join_tally(fetch->context->dispatch->origins, fetch->origin,
                          fetch->context->config->metrics_origins);
    retry_budget_note_request(&fetch->origin->budget, fetch->queued_ns / NS_PER_MS);
    code = request_terms(fetch->request, &fetch->terms);
    return lack_memory(code == 0 ? fetch_set_partition(fetch) : code, why);
}

static int enter(struct fetch *fetch, struct wire_why *why)
{
    const struct request *request = fetch->request;
    int code = meet_origin(fetch, why);
    if (code != 0)
        return code;
    fetch->ticket.events = &dispatch_events;
    fetch->ticket.want.origin = fetch->origin;
    fetch->ticket.want.kind = transfer_kind(request);
    fetch->ticket.want.terms = fetch->terms;
    fetch->ticket.policy = fetch->policy;
    fetch->ticket.want.partition = fetch->partition;
    fetch->ticket.want.has_identity = request_has_identity(request);
    fetch->ticket.want.is_alone = request->wants_decoding && fetch->ticket.want.kind != POOL_HTTP_1;
    fetch->ticket.want.is_private = request_binds_connection(request);
    fetch->ticket.want.guard = fetch->policy ? &fetch->guard : NULL;
    if (fetch->check)
        fetch->ticket.want.choice = POOL_NEW; /* of which nothing comes */
    fetch->ticket.want.only_looks_up = fetch->check != NULL;
    fetch->ticket.want.is_proxied = request->proxy != NULL;
    return dispatch_enter(fetch->context->dispatch, &fetch->ticket, fetch->flow.stall.group->uid,
                          why);
}

static void reset_attempt(struct fetch *fetch)
{
    drop_transfer(fetch);
    fetch->follows = false;
    fetch->body_bytes = 0;
    fetch->opening_ns = 0;
    fetch_reset_account(fetch);
    fetch->upload.is_starved = false;
    buffer_finish(&fetch->body);
    buffer_init(&fetch->body, fetch->request->max_body_bytes);
}

void fetch_queue(struct fetch *fetch)
{
    struct wire_why why;
    reset_attempt(fetch);
    dispatch_leave(fetch->context->dispatch, &fetch->ticket);
    int code = enter(fetch, &why);
    go_on(fetch, code, &why);
}

void fetch_place_again(struct fetch *fetch)
{
    struct wire_why why;
    fetch->misplaced++;
    drop_transfer(fetch);
    fetch_set_state(fetch, FETCH_QUEUED);
    int code = dispatch_return(fetch->context->dispatch, &fetch->ticket, &why);
    go_on(fetch, code, &why);
}

void fetch_choose(struct fetch *fetch, enum pool_choice choice, uint64_t number)
{
    fetch->ticket.want.choice = choice;
    fetch->ticket.want.number = number;
}

/* ---- Out of it ------------------------------------------------------------------------------ */

/* At its origin, and for the daemon as a whole. */
static void note_phase(const struct fetch *fetch, enum stats_phase_name phase, uint64_t us)
{
    origin_note_phase(fetch->origin, phase, us);
    stats_phase_add(&fetch->context->stats->phases[phase], us);
}

static void count_phases(const struct fetch *fetch, const struct fetchpool_timing *timing)
{
    if (timing->resolve_us + timing->connect_us + timing->tls_us > 0) {
        note_phase(fetch, STATS_RESOLVE, timing->resolve_us);
        note_phase(fetch, STATS_CONNECT, timing->connect_us);
        note_phase(fetch, STATS_TLS, timing->tls_us);
    }
    if (timing->first_byte_us > 0)
        note_phase(fetch, STATS_FIRST_BYTE, timing->first_byte_us);
}

void fetch_count_at_origin(struct fetch *fetch, int code, uint64_t total_us)
{
    if (!fetch->origin)
        return;
    origin_note_end(fetch->origin, code);
    note_phase(fetch, STATS_QUEUE, fetch->timing.queue_us);
    count_phases(fetch, &fetch->timing);
    note_phase(fetch, STATS_TOTAL, total_us);
}

void fetch_leave_origin(struct fetch *fetch)
{
    drop_transfer(fetch);
    dispatch_leave(fetch->context->dispatch, &fetch->ticket);
    if (fetch->origin)
        origin_release(fetch->context->dispatch->origins, fetch->origin);
    free(fetch->terms);
    free(fetch->partition);
    fetch->origin = NULL;
    fetch->terms = fetch->partition = NULL;
    fetch->was_reported = false;
    fetch->retries = fetch->misplaced = 0;
    fetch->first_code = 0;
    fetch->ticket.want = (struct pool_want){0};
}
