/* link: see link.h. */
#include "link.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>
#include <utlist.h>

#include "deadline.h"
#include "failure.h"
#include "reader.h"
#include "response.h"

/* What is received, and what is sent, in one turn: others in the program's loop have theirs. */
#define TURN_BYTES ((uint64_t)1 << 20)

/* More than this is not put before a socket that does not take it. */
#define OUTBOX_FULL_BYTES ((size_t)128 << 10)

/* Requests at once, as long as the daemon has not said: its default [limits] requests_per_client.
 */
#define DEFAULT_MAX_REQUESTS 256

/* ---- Life ------------------------------------------------------------------------------------ */

static int watch(struct link *link, int operation, uint32_t events)
{
    struct epoll_event event = {.events = events};
    link->events = events;
    return epoll_ctl(link->epoll_fd, operation, link->channel->fd, &event) < 0 ? -errno : 0;
}

int link_create(struct link **out_link, const struct door *door, const char *name, int epoll_fd,
                struct wire_why *why)
{
    struct link *link = malloc(sizeof *link);
    if (!link)
        return -ENOMEM;
    *link = (struct link){.path = door->path, .epoll_fd = epoll_fd};
    int result = channel_create_now(&link->channel, door, why);
    if (result == 0)
        result = watch(link, EPOLL_CTL_ADD, EPOLLIN);
    if (result < 0) {
        link_forget(link);
        return result;
    }
    channel_greet(link->channel, name);
    *out_link = link;
    return 0;
}

void link_forget(struct link *link)
{
    channel_destroy(link->channel);
    free(link);
}

/* Closing a descriptor does not take it out of the set while a forked child has a copy of it. */
void link_destroy(struct link *link)
{
    epoll_ctl(link->epoll_fd, EPOLL_CTL_DEL, link->channel->fd, NULL);
    link_forget(link);
}

bool link_is_open(const struct link *link)
{
    return link->error == 0 && link->channel->send_error == 0 && !link->channel->is_leaving;
}

bool link_has_room(const struct link *link)
{
    uint64_t most = link->channel->max_requests;
    if (most == 0)
        most = DEFAULT_MAX_REQUESTS;
    return HASH_COUNT(link->running) < most &&
           outbox_waiting(&link->channel->outbox) < OUTBOX_FULL_BYTES;
}

bool link_is_idle(const struct link *link)
{
    return !link->running && outbox_waiting(&link->channel->outbox) == 0;
}

/* ---- Calls come and go ----------------------------------------------------------------------- */

/* A timeout that the request names began with its submission; the daemon's own begins when it is
 * first sent. Either is one for all attempts. */
static void be_patient(struct fetchpool_call *call)
{
    struct patience *patience = &call->exchange.patience;
    if (call->attempts == 0 && patience->timeout_ms == 0)
        patience_begin(patience);
}

int link_start(struct link *link, struct fetchpool_call *call)
{
    struct outbox *outbox = &link->channel->outbox;
    HASH_ADD(hh, link->running, exchange.id, sizeof call->exchange.id, call);
    if (!call->hh.tbl) /* uthash had no memory */
        return -ENOMEM;
    exchange_rewind(&call->exchange);
    be_patient(call);
    wire_fetch_shorten(&call->message, call->timeout_at,
                       patience_to_tell_ms(&call->exchange.patience));
    outbox->bytes.is_secret |= call->message.is_secret;
    buffer_append(&outbox->bytes, call->message.data, call->message.length);
    call->message_end = outbox_end(outbox);
    call->is_unread = false;
    call->is_cancel_sent = false;
    call->attempts++;
    return 0;
}

static void move_to_ended(struct link *link, struct fetchpool_call *call)
{
    assert(link->running);
    HASH_DEL(link->running, call);
    DL_APPEND(link->ended, call);
}

struct fetchpool_call *link_take_ended(struct link *link)
{
    struct fetchpool_call *call = link->ended;
    if (call)
        DL_DELETE(link->ended, call);
    return call;
}

/* "I am shutting down", said to the request and not in the middle of its answer. */
static bool is_refused(const struct exchange *exchange)
{
    const struct fetchpool_response *response = exchange->response;
    return response->code == FETCHPOOL_SHUTTING_DOWN && response->fetch.status == 0 &&
           !exchange->is_called && !exchange->is_cancelled;
}

/* Draws the consequences of what has happened to a call. */
static void settle(struct link *link, struct fetchpool_call *call)
{
    struct exchange *exchange = &call->exchange;
    switch (exchange->state) {
    case EXCHANGE_WAITING:
        return;
    case EXCHANGE_STREAMING:
        buffer_finish(&call->message);
        return;
    case EXCHANGE_STOPPING:
        if (call->is_cancel_sent)
            return;
        wire_put_cancel(&link->channel->outbox.bytes, exchange->id);
        call->is_cancel_sent = true;
        call->stop_deadline = deadline_now() + FETCHPOOL_GRACE_MS;
        return;
    case EXCHANGE_ENDED:
        call->is_unread = is_refused(exchange);
        if (call->is_unread)
            link->channel->is_leaving = true;
        move_to_ended(link, call);
        return;
    }
}

/* ---- Receiving ------------------------------------------------------------------------------- */

static struct fetchpool_call *call_of(struct exchange *exchange)
{
    return (struct fetchpool_call *)((char *)exchange - offsetof(struct fetchpool_call, exchange));
}

static struct exchange *find_running(void *ctx, uint32_t id)
{
    struct link *link = ctx;
    struct fetchpool_call *call;
    HASH_FIND(hh, link->running, &id, sizeof id, call);
    return call ? &call->exchange : NULL;
}

/* All that the inbox holds. 0, or why nothing more can come. */
static int take_messages(struct link *link)
{
    for (;;) {
        struct exchange *taker = NULL;
        int result = reader_take(link->channel, find_running, link, &taker, &link->why);
        if (taker) {
            exchange_put_grant(taker, &link->channel->outbox.bytes);
            settle(link, call_of(taker));
        }
        if (result <= 0)
            return result;
    }
}

void link_receive(struct link *link)
{
    struct inbox *inbox = &link->channel->inbox;
    uint64_t received = 0;
    int result = link->error;
    while (result == 0 && received < TURN_BYTES) {
        result = channel_receive(link->channel);
        if (result < 0)
            break;
        received += inbox->length - inbox->scanned;
        result = take_messages(link);
        channel_flush(link->channel); /* its failure is the channel's to remember */
    }
    if (result != -EAGAIN)
        link->error = result;
    link->is_behind = result == 0;
    if (!link->running)
        inbox_trim(inbox);
}

/* ---- Sending --------------------------------------------------------------------------------- */

/* A call's turn to write. Whether it has written upload, which counts. */
static bool tend_call(struct link *link, struct fetchpool_call *call)
{
    struct outbox *outbox = &link->channel->outbox;
    exchange_hand_over(&call->exchange);
    exchange_put_grant(&call->exchange, &outbox->bytes);
    bool can_upload = exchange_can_upload(&call->exchange) && link->channel->send_error == 0 &&
                      outbox_waiting(outbox) < OUTBOX_FULL_BYTES;
    if (can_upload)
        exchange_put_upload(&call->exchange, outbox);
    settle(link, call);
    return can_upload;
}

static bool tend_calls(struct link *link)
{
    struct fetchpool_call *call;
    struct fetchpool_call *following;
    bool has_more = false;
    HASH_ITER (hh, link->running, call, following)
        has_more |= tend_call(link, call);
    return has_more;
}

static int flush(struct link *link)
{
    int result = channel_flush(link->channel);
    if (result == -ENOMEM)
        link->error = result;
    return result;
}

/* Waits for the socket to take more, if there is more. */
static void watch_for(struct link *link, bool has_more)
{
    has_more |= outbox_waiting(&link->channel->outbox) > 0;
    uint32_t events = has_more && link->channel->send_error == 0 ? EPOLLIN | EPOLLOUT : EPOLLIN;
    if (events != link->events)
        watch(link, EPOLL_CTL_MOD, events);
}

void link_send(struct link *link)
{
    flush(link);
    watch_for(link, link->events & EPOLLOUT);
}

void link_tend(struct link *link)
{
    const struct outbox *outbox = &link->channel->outbox;
    uint64_t gone = outbox->gone;
    bool has_more = true;
    int result = 0;
    while (link->error == 0 && result == 0 && has_more && outbox->gone - gone < TURN_BYTES) {
        has_more = tend_calls(link);
        result = flush(link);
    }
    watch_for(link, has_more);
}

/* ---- Ends ------------------------------------------------------------------------------------ */

static struct fetchpool_response *failure_of(const struct link *link)
{
    if (link->error == -EBADMSG)
        return failure_to_understand(link->path, link->why.text);
    return failure_to_receive(link->path, link->error);
}

/*
 * Whether the daemon cannot have acted on a request of a socket that has died: see attempt() in
 * call.c. Here many requests share the socket. Of those that were sent, ECONNRESET clears the one
 * whose end was the last byte to go; others may have been read.
 */
static bool is_unread(const struct link *link, const struct fetchpool_call *call)
{
    const struct channel *channel = link->channel;
    bool is_reset = link->error == -ECONNRESET || channel->send_error == -ECONNRESET;
    if (call->exchange.state != EXCHANGE_WAITING || call->exchange.is_called)
        return false;
    return call->message_end > channel->outbox.gone ||
           (is_reset && call->message_end == channel->outbox.gone);
}

void link_fail_calls(struct link *link)
{
    struct fetchpool_call *call;
    struct fetchpool_call *following;
    HASH_ITER (hh, link->running, call, following) {
        bool is_stopping = call->exchange.state == EXCHANGE_STOPPING;
        call->is_unread = is_unread(link, call);
        if (is_stopping)
            exchange_end(&call->exchange); /* what ended it stands */
        else
            exchange_fail(&call->exchange,
                          call->is_unread ? failure_to_be_read(link->path) : failure_of(link));
        move_to_ended(link, call);
    }
}

void link_expire(struct link *link, struct fetchpool_call *call)
{
    struct exchange *exchange = &call->exchange;
    if (exchange->state == EXCHANGE_STOPPING) {
        exchange_end(exchange);
    } else {
        uint64_t waited_ms = patience_span_ms(&exchange->patience,
                                              link->channel->daemon_timeout_ms);
        exchange_fail(exchange, failure_to_answer(link->path, waited_ms));
        wire_put_cancel(&link->channel->outbox.bytes, exchange->id);
    }
    move_to_ended(link, call);
}
