/*
 * fetch_account: what is known of a fetch while it runs, for its owner, and for whoever writes it
 * down: what it went over, what came, how long each phase took, also of one that fails or is left.
 */
#include "fetch_internal.h"

bool fetch_is_queued(const struct fetch *fetch)
{
    return fetch->state == FETCH_QUEUED;
}

bool fetch_is_untouched(const struct fetch *fetch)
{
    return fetch_is_queued(fetch) && !fetch->was_sent && !fetch->request->has_upload &&
           fetch->redirects == 0;
}

size_t fetch_get_held_bytes(const struct fetch *fetch)
{
    return fetch->held_bytes;
}

const struct request *fetch_get_request(const struct fetch *fetch)
{
    return fetch->request;
}

int fetch_get_abandon_code(const struct fetch *fetch)
{
    return fetch->was_sent ? FETCHPOOL_CANCELLED_SENT : FETCHPOOL_CANCELLED;
}

/* ---- The account ---------------------------------------------------------------------------- */

static void add_times(struct fetchpool_timing *timing, const struct transfer_result *result)
{
    timing->resolve_us += result->resolve_us;
    timing->connect_us += result->connect_us;
    timing->tls_us += result->tls_us;
    timing->first_byte_us += result->first_byte_us;
}

void fetch_add_times(struct fetch *fetch, const struct transfer_result *result)
{
    add_times(&fetch->timing, result);
    fetch->has_hop_times = true;
}

void fetch_note_head(struct fetch *fetch, const struct transfer_head *head)
{
    fetch->account.status = head->status;
    fetch->account.http = wire_str_of(head->http);
}

static void note_connection(struct access_entry *entry, const struct transfer_result *result)
{
    const char *peer = result->connection.peer;
    if (!peer || !*peer)
        return;
    entry->has_connection = true;
    entry->connection = result->connection.id;
    entry->is_reused = result->is_connection_reused;
}

void fetch_note_connection(struct fetch *fetch, const struct transfer_result *result)
{
    note_connection(&fetch->account, result);
}

void fetch_reset_account(struct fetch *fetch)
{
    fetch->has_hop_times = false;
    fetch->account.has_connection = fetch->account.is_reused = false;
    fetch->account.status = 0;
    fetch->account.http = (struct wire_str){0};
}

void fetch_account(const struct fetch *fetch, struct access_entry *out_entry)
{
    const struct request *request = fetch->request;
    *out_entry = fetch->account;
    out_entry->method = wire_str_of(request->method);
    out_entry->url = wire_str_of(request->url.text);
    out_entry->origin = wire_str_of(request->url.origin);
    out_entry->tag = wire_str_of(request->tag);
    out_entry->redirects = (unsigned)fetch->redirects;
    out_entry->timing = fetch->timing;
    out_entry->timing.total_us = (uv_hrtime() - fetch->started_ns) / NS_PER_US;
    if (fetch->transfer && !fetch->has_hop_times) {
        struct transfer_result so_far = {0};
        transfer_measure(fetch->transfer, &so_far);
        note_connection(out_entry, &so_far);
        add_times(&out_entry->timing, &so_far);
    }
}
