/*
 * fetch_flow: a streamed body on its way from the origin to the client, see fetch.h.
 *
 * Bytes are passed on uncopied while the client has granted them and its socket has room. When it
 * has not, the fetch stalls: what libcurl brings is refused. What is left of a piece that went in
 * part is kept here, and what libcurl had kept when it is resumed.
 */
#include "fetch_internal.h"

#include <stddef.h>

/* What libcurl may have decoded of a body that waits is not known, and most often little. It is
 * counted as if it were all that it could be from this time on. */
#define DECODED_UNCOUNTED_NS ((uint64_t)NS_PER_MS * 1000)

/* What is kept of a body whose content coding is undone; beyond it libcurl keeps some. */
#define MOST_DECODED_BYTES ((size_t)1 << 20)

static size_t smaller(uint64_t a, uint64_t b)
{
    return (size_t)(a < b ? a : b);
}

/* ---- Stalling ------------------------------------------------------------------------------- */

static struct fetch *fetch_of(struct stall_entry *entry)
{
    return (struct fetch *)((char *)entry - offsetof(struct fetch, flow.stall));
}

size_t fetch_get_waiting_bytes(const struct fetch *fetch)
{
    size_t known = fetch->flow.queue.length + transfer_get_backlog(fetch->transfer);
    bool is_long = uv_hrtime() - fetch->entered_ns > DECODED_UNCOUNTED_NS;
    bool may_hide = fetch->request->wants_decoding && known > 0 && is_long;
    return may_hide ? known + TRANSFER_MOST_DECODED : known;
}

static size_t measure(struct stall_entry *entry)
{
    return fetch_get_waiting_bytes(fetch_of(entry));
}

static void evict(struct stall_entry *entry, const char *limit, uint64_t limit_bytes)
{
    struct fetch *fetch = fetch_of(entry);
    struct wire_why why;
    wire_why_set(&why,
                 "the client takes too little: the bodies that wait are larger than %llu bytes "
                 "([limits] %s), and this one has waited longest",
                 (unsigned long long)limit_bytes, limit);
    fetch_fail(fetch, FETCHPOOL_CLIENT_TOO_SLOW, why.text);
}

bool fetch_flow_is_stalled(const struct fetch *fetch)
{
    return fetch->state == FETCH_STALLED || fetch->state == FETCH_FLUSHING;
}

static void stall(struct fetch *fetch)
{
    if (fetch_flow_is_stalled(fetch))
        return;
    fetch_set_state(fetch, FETCH_STALLED);
    stall_enter(fetch->context->stalls, &fetch->flow.stall);
    fetch_set_timer(fetch);
}

/* It moved, if not to its end: others have waited longer now. */
static void stall_anew(struct fetch *fetch)
{
    stall_leave(fetch->context->stalls, &fetch->flow.stall);
    stall_enter(fetch->context->stalls, &fetch->flow.stall);
    fetch_touch(fetch);
}

void fetch_flow_init(struct fetch *fetch, struct stall_group *group)
{
    fetch->flow.window = fetch->request->window_bytes;
    fetch->flow.stall = (struct stall_entry){.group = group, .measure = measure, .evict = evict};
}

void fetch_flow_finish(struct fetch *fetch)
{
    if (fetch_flow_is_stalled(fetch))
        stall_leave(fetch->context->stalls, &fetch->flow.stall);
    byte_queue_finish(&fetch->flow.queue);
}

/* ---- Passing on ----------------------------------------------------------------------------- */

/* As much as the client takes now. */
static size_t pass_on(struct fetch *fetch, const uint8_t *bytes, size_t length)
{
    struct fetch_flow *flow = &fetch->flow;
    size_t passed = 0;
    while (passed < length && flow->window > 0 && fetch->events->has_room(fetch->ctx)) {
        size_t piece = smaller(smaller(length - passed, flow->window), WIRE_MAX_DATA_BYTES);
        fetch->events->on_data(fetch->ctx, bytes + passed, piece);
        flow->window -= piece;
        flow->sent += piece;
        passed += piece;
    }
    return passed;
}

/* Is the rest of a piece to be kept here, and not by libcurl? */
static bool keeps(const struct fetch *fetch, size_t passed)
{
    bool is_bounded = !fetch->request->wants_decoding ||
                      fetch->flow.queue.length < MOST_DECODED_BYTES;
    return passed > 0 || (fetch->flow.is_emptying && is_bounded);
}

int fetch_flow_take(struct fetch *fetch, const uint8_t *bytes, size_t length, struct wire_why *why)
{
    size_t passed = fetch->flow.queue.length == 0 ? pass_on(fetch, bytes, length) : 0;
    if (passed == length)
        return 0;
    stall(fetch);
    if (!keeps(fetch, passed))
        return TRANSFER_REFUSED;
    if (byte_queue_append(&fetch->flow.queue, bytes + passed, length - passed) == 0)
        return 0;
    wire_why_set(why, "the daemon is out of memory");
    return FETCHPOOL_INTERNAL;
}

bool fetch_hold(struct fetch *fetch)
{
    if (!fetch->has_begun || fetch->state != FETCH_RECEIVING || !transfer_hold(fetch->transfer))
        return false;
    stall(fetch);
    return true;
}

/* ---- Going on ------------------------------------------------------------------------------- */

/* Returns whether anything moved. */
static bool drain_queue(struct fetch *fetch)
{
    struct byte_queue *queue = &fetch->flow.queue;
    const uint8_t *bytes;
    uint64_t before = fetch->flow.sent;
    for (;;) {
        size_t length = byte_queue_peek(queue, &bytes);
        size_t passed = pass_on(fetch, bytes, length);
        byte_queue_skip(queue, passed);
        if (passed == 0 || passed < length)
            return fetch->flow.sent > before;
    }
}

/*
 * libcurl gives up all that it kept, and what the client does not take of that is kept here. Were
 * it refused, libcurl would keep it and grant the origin as much again, each time; so it is resumed
 * only when nothing is left here. What it decodes is bounded only in this way.
 */
static void empty_libcurl(struct fetch *fetch)
{
    fetch->flow.is_emptying = true;
    transfer_resume_receiving(fetch->transfer); /* may stall it again, or end it */
    fetch->flow.is_emptying = false; /* an ended fetch has its memory until the loop's next turn */
}

void fetch_resume(struct fetch *fetch)
{
    if (!fetch_flow_is_stalled(fetch))
        return;
    if (drain_queue(fetch))
        stall_anew(fetch);
    if (fetch->flow.queue.length > 0)
        return;
    if (fetch->state == FETCH_FLUSHING) {
        fetch_finish_stream(fetch);
        return;
    }
    if (fetch->flow.window == 0 || !fetch->events->has_room(fetch->ctx))
        return;
    stall_leave(fetch->context->stalls, &fetch->flow.stall);
    fetch_set_state(fetch, FETCH_RECEIVING);
    fetch_set_timer(fetch);
    empty_libcurl(fetch);
}

void fetch_add_window(struct fetch *fetch, uint64_t bytes)
{
    uint64_t most = UINT64_MAX - fetch->flow.window;
    fetch->flow.window += bytes < most ? bytes : most;
    fetch_resume(fetch);
}
