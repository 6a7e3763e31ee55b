/*
 * fetch_upload: a body on its way from the client to the origin, see fetch.h. The client sends only
 * what it was granted, and is granted more as libcurl takes it, so that one window of it is the
 * most that waits here.
 */
#include "fetch_internal.h"

#include <errno.h>

static bool is_size_known(const struct fetch *fetch)
{
    return fetch->request->upload_size != WIRE_UNSET;
}

bool fetch_upload_is_open(const struct fetch *fetch)
{
    const struct fetch_upload *upload = &fetch->upload;
    return fetch->request->has_upload && !(upload->has_ended && upload->queue.length == 0);
}

/* ---- Grants --------------------------------------------------------------------------------- */

/* In halves of the window: a grant for each read would be a message for each. */
static void grant(struct fetch *fetch)
{
    struct fetch_upload *upload = &fetch->upload;
    uint64_t window = fetch->context->config->upload_window_bytes;
    uint64_t ahead = upload->granted - upload->taken;
    if (upload->has_ended || window - ahead < window / 2)
        return;
    upload->granted += window - ahead;
    fetch->events->on_grant(fetch->ctx, window - ahead);
}

void fetch_open_upload(struct fetch *fetch)
{
    if (fetch->request->has_upload)
        grant(fetch);
}

/* A client that takes nothing of its answer does not move, whatever it sends. */
static void touch(struct fetch *fetch)
{
    if (!fetch_flow_is_stalled(fetch))
        fetch_touch(fetch);
}

/* ---- Out: to libcurl ------------------------------------------------------------------------ */

/* All of it is libcurl's now: from here on the answer is waited for. */
static void note_all_taken(struct fetch *fetch)
{
    if (fetch_upload_is_open(fetch) || fetch->state != FETCH_SENDING)
        return;
    fetch_set_state(fetch, FETCH_WAITING);
    fetch_set_timer(fetch);
}

/*
 * Of a body whose length the origin knows, the last byte waits for the client's `end`: without that
 * it must not look complete, whatever becomes of the client.
 */
static size_t bytes_to_give(const struct fetch *fetch)
{
    const struct fetch_upload *upload = &fetch->upload;
    bool is_last = is_size_known(fetch) && !upload->has_ended &&
                   upload->taken + upload->queue.length == fetch->request->upload_size;
    return is_last && upload->queue.length > 0 ? upload->queue.length - 1 : upload->queue.length;
}

enum transfer_read fetch_upload_read(struct fetch *fetch, uint8_t *buffer, size_t size,
                                     size_t *out_length)
{
    struct fetch_upload *upload = &fetch->upload;
    size_t most = bytes_to_give(fetch);
    size_t length = byte_queue_read(&upload->queue, buffer, size < most ? size : most);
    if (length > 0) {
        upload->taken += length;
        fetch->context->stats->bytes_to_origins += length;
        fetch->account.bytes_out += length;
        touch(fetch);
        grant(fetch);
        note_all_taken(fetch);
        *out_length = length;
        return TRANSFER_READ_SOME;
    }
    if (upload->has_ended) {
        note_all_taken(fetch);
        return TRANSFER_READ_END;
    }
    upload->is_starved = true;
    touch(fetch);
    fetch_set_timer(fetch); /* another deadline now, perhaps an earlier one */
    return TRANSFER_READ_LATER;
}

/* ---- In: from the client -------------------------------------------------------------------- */

/* Last: libcurl may read, and the fetch may end. */
static void feed(struct fetch *fetch)
{
    if (!fetch->upload.is_starved || !fetch->transfer)
        return;
    fetch->upload.is_starved = false;
    touch(fetch);
    fetch_set_timer(fetch);
    transfer_resume_sending(fetch->transfer);
}

/* A body that is not what was announced must not look complete: it is cut off. */
static void fail_size(struct fetch *fetch, const char *comparison)
{
    struct wire_why why;
    wire_why_set(&why, "the upload is %s than the %llu bytes announced (upload_size)", comparison,
                 (unsigned long long)fetch->request->upload_size);
    fetch_fail(fetch, fetch->was_sent ? FETCHPOOL_CANCELLED_SENT : FETCHPOOL_BAD_REQUEST, why.text);
}

static int check_open(const struct fetch *fetch, struct wire_why *why)
{
    if (!fetch->request->has_upload && fetch->upload.granted == 0)
        wire_why_set(why, "it sent data for a request without upload");
    else if (fetch->upload.has_ended)
        wire_why_set(why, "it sent data after the end of an upload");
    else
        return 0;
    return -EPROTO;
}

int fetch_add_upload(struct fetch *fetch, const uint8_t *bytes, size_t length, struct wire_why *why)
{
    struct fetch_upload *upload = &fetch->upload;
    int result = check_open(fetch, why);
    if (result < 0)
        return result;
    if (length > upload->granted - upload->received) {
        wire_why_set(why, "it sent %zu bytes of an upload where %llu were granted", length,
                     (unsigned long long)(upload->granted - upload->received));
        return -EPROTO;
    }
    upload->received += length;
    if (!fetch->request->has_upload)
        return 0; /* dropped by a redirect */
    if (is_size_known(fetch) && upload->received > fetch->request->upload_size)
        fail_size(fetch, "longer");
    else if (byte_queue_append(&upload->queue, bytes, length) < 0)
        fetch_fail(fetch, fetch->was_sent ? FETCHPOOL_INTERNAL : FETCHPOOL_BUSY,
                   "the daemon is out of memory");
    else if (length > 0)
        feed(fetch);
    return 0;
}

int fetch_end_upload(struct fetch *fetch, struct wire_why *why)
{
    struct fetch_upload *upload = &fetch->upload;
    int result = check_open(fetch, why);
    if (result < 0)
        return result;
    upload->has_ended = true;
    if (!fetch->request->has_upload)
        return 0;
    if (is_size_known(fetch) && upload->received < fetch->request->upload_size) {
        fail_size(fetch, "shorter");
        return 0;
    }
    note_all_taken(fetch);
    feed(fetch);
    return 0;
}

bool fetch_awaits_input(const struct fetch *fetch)
{
    return fetch->request->has_upload && !fetch->upload.has_ended;
}

void fetch_end_input(struct fetch *fetch)
{
    if (fetch_awaits_input(fetch))
        fetch_cancel(fetch, FETCHPOOL_CANCELLED, FETCHPOOL_CANCELLED_SENT,
                     "the client closed its end before the end of its upload");
}

void fetch_upload_drop(struct fetch *fetch)
{
    byte_queue_finish(&fetch->upload.queue);
    fetch->upload.is_starved = false;
}
