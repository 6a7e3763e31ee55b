/* call: see call.h. */
#include "call.h"

#include <errno.h>

#include "deadline.h"
#include "failure.h"
#include "reader.h"
#include "response.h"

/* How long the daemon has to end a request that one of the caller's functions has stopped, for the
 * channel to be used again. It does so at once; more means that it is busy, and a socket is cheap.
 */
#define CANCEL_WAIT_MS 100

void call_init(struct call *call, struct fetchpool *client, const struct fetchpool_request *request)
{
    *call = (struct call){.client = client};
    exchange_init(&call->exchange, client_next_id(client), request);
    buffer_init(&call->message, WIRE_MAX_MESSAGE_BYTES);
}

void call_finish(struct call *call)
{
    exchange_finish(&call->exchange);
    buffer_finish(&call->message);
}

/* The daemon's own default is only known once it has answered hello, so this is asked anew. */
static int64_t call_deadline(const struct call *call, const struct channel *channel)
{
    return patience_end(&call->exchange.patience, channel->daemon_timeout_ms);
}

static bool is_running(const struct call *call)
{
    return call->exchange.state == EXCHANGE_WAITING || call->exchange.state == EXCHANGE_STREAMING;
}

/* ---- The conversation ------------------------------------------------------------------------ */

static struct exchange *find_only(void *ctx, uint32_t id)
{
    struct exchange *exchange = ctx;
    return exchange->id == id ? exchange : NULL;
}

/* Sends what can be sent. What the daemon does not take any more is no reason not to listen: it may
 * have said why. */
static int send_some(struct call *call, struct channel *channel)
{
    struct outbox *outbox = &channel->outbox;
    uint64_t gone = outbox->gone;
    int result = channel_flush(channel);
    while (result == 0 && exchange_can_upload(&call->exchange)) {
        exchange_put_upload(&call->exchange, outbox);
        result = channel_flush(channel);
    }
    if (outbox->gone > gone)
        patience_renew(&call->exchange.patience);
    return result == -ENOMEM ? result : 0;
}

/* Takes all the messages that have come, and grants as their bodies are taken. */
static int take_messages(struct call *call, struct channel *channel, struct wire_why *why)
{
    struct exchange *exchange = &call->exchange;
    int result = 1;
    while (result > 0 && exchange->state != EXCHANGE_ENDED) {
        struct exchange *taker;
        result = reader_take(channel, find_only, exchange, &taker, why);
        exchange_put_grant(exchange, &channel->outbox.bytes);
        if (result > 0 && outbox_waiting(&channel->outbox) > 0)
            result = channel_flush(channel) == -ENOMEM ? -ENOMEM : 1;
    }
    return result < 0 ? result : 0;
}

/* A stream's next bytes are most often there already; an answer hardly ever is. */
static int receive_some(struct call *call, struct channel *channel, int64_t deadline)
{
    int result = -EAGAIN;
    if (call->exchange.state == EXCHANGE_STREAMING && deadline_left_ms(deadline) > 0)
        result = channel_receive(channel);
    if (result != -EAGAIN)
        return result;
    result = channel_wait(channel, deadline);
    if (result == 0)
        result = channel_receive(channel);
    return result == -EAGAIN ? 0 : result;
}

/* Until the exchange has ended or is to be stopped. 0, or why the channel is of no more use. */
static int converse(struct call *call, struct channel *channel, struct wire_why *why)
{
    for (;;) {
        int result = take_messages(call, channel, why);
        if (result == 0 && is_running(call))
            result = send_some(call, channel);
        if (result < 0 || !is_running(call))
            return result;
        result = receive_some(call, channel, call_deadline(call, channel));
        if (result < 0)
            return result;
    }
}

/* ---- Afterwards ------------------------------------------------------------------------------ */

/* Reads on to the request's end, so that nothing of it is taken for the next one's. */
static int see_out(struct call *call, struct channel *channel, int64_t deadline)
{
    int result = 0;
    wire_put_cancel(&channel->outbox.bytes, call->exchange.id);
    while (result == 0 && call->exchange.state != EXCHANGE_ENDED) {
        struct wire_why why;
        result = channel_flush(channel);
        if (result == 0 || result == -EAGAIN)
            result = channel_wait(channel, deadline);
        if (result == 0)
            result = channel_receive(channel);
        if (result == -EAGAIN)
            result = 0;
        if (result == 0)
            result = take_messages(call, channel, &why);
    }
    return result;
}

/* Takes the channel. It is fit for another request if this one's last byte has gone both ways. */
static void part_with(struct call *call, struct channel *channel)
{
    bool is_fit = call->exchange.response->code != FETCHPOOL_BAD_REPLY;
    if (call->exchange.state == EXCHANGE_STOPPING)
        is_fit = see_out(call, channel, deadline_now() + CANCEL_WAIT_MS) == 0;
    if (is_fit && channel_flush(channel) == 0)
        client_give_channel(call->client, channel);
    else
        channel_destroy(channel);
}

/* ---- Attempts -------------------------------------------------------------------------------- */

/* What one attempt came to. */
struct outcome {
    struct fetchpool_response *response; /* owned, never NULL */
    bool may_resend;                     /* the daemon cannot have acted on the request */
};

static struct outcome outcome_of(struct call *call, bool is_unread)
{
    return (struct outcome){.response = exchange_take_response(&call->exchange),
                            .may_resend = is_unread && !call->exchange.is_called};
}

static struct fetchpool_response *failure_of(const struct call *call, const struct channel *channel,
                                             int error, const struct wire_why *why)
{
    const char *path = call->client->door.path;
    if (error == -EBADMSG)
        return failure_to_understand(path, why->text);
    if (error == -ETIMEDOUT)
        return failure_to_answer(path, patience_span_ms(&call->exchange.patience,
                                                        channel->daemon_timeout_ms));
    return failure_to_receive(path, error);
}

/*
 * One attempt on one channel, which it takes.
 *
 * Two things prove that the daemon cannot have acted on the request. A send that failed: it never
 * got all the bytes. And ECONNRESET: a Unix socket says that if, and only if, its other end was
 * closed with bytes unread or before it was accepted (unix(7) has no word on it, the kernel's
 * unix_release_sock() has); a channel carries one request at a time and all earlier ones were
 * answered, so the unread bytes are the end of this one. An end of file after a whole request
 * proves nothing: the daemon may have read it, acted on it, and died. Nor does ECONNRESET once
 * more has been sent than the request: but that is upload or a grant, and then a function was
 * called.
 *
 * The daemon refuses a message that is too large by an answer and a close, without reading the
 * rest: so after a failed send there may still be an answer, and it says more than the error does.
 */
static struct outcome attempt(struct call *call, struct channel *channel)
{
    struct wire_why why;
    wire_fetch_shorten(&call->message, call->timeout_at,
                       patience_to_tell_ms(&call->exchange.patience));
    channel_greet(channel, client_name(call->client));
    int sent = channel_send(channel, &call->message, call_deadline(call, channel));
    int result = sent;
    if (sent != -ETIMEDOUT)
        result = converse(call, channel, &why);
    if (result < 0) {
        bool is_reset = result == -ECONNRESET || channel->send_error == -ECONNRESET;
        bool is_unread = result != -ETIMEDOUT && (sent < 0 || is_reset) &&
                         !call->exchange.is_called;
        exchange_fail(&call->exchange, is_unread ? failure_to_be_read(call->client->door.path)
                                                 : failure_of(call, channel, result, &why));
        channel_destroy(channel);
        return outcome_of(call, is_unread);
    }
    struct fetchpool_response *response = call->exchange.response;
    bool is_refused = response->code == FETCHPOOL_SHUTTING_DOWN && response->fetch.status == 0;
    if (is_refused)
        channel->is_leaving = true;
    part_with(call, channel);
    return outcome_of(call, is_refused);
}

static struct outcome attempt_anew(struct call *call)
{
    struct channel *channel;
    struct wire_why why;
    const struct door *door = &call->client->door;
    int64_t deadline = patience_end(&call->exchange.patience, 0);
    int result = channel_create(&channel, door, deadline, &why);
    if (result == 0)
        return attempt(call, channel);
    return (struct outcome){.response = failure_to_connect(door->path, result, &why)};
}

/* Of the attempt before and this one: "I am shutting down" is the better news where nobody has come
 * after it. */
static struct outcome better_of(struct outcome before, struct outcome now)
{
    if (before.response->code == FETCHPOOL_SHUTTING_DOWN &&
        now.response->code == FETCHPOOL_NO_DAEMON) {
        fetchpool_response_free(now.response);
        now.response = before.response;
    } else {
        fetchpool_response_free(before.response);
    }
    return now;
}

static bool may_repeat(const struct call *call, const struct outcome *outcome, int made)
{
    return outcome->may_resend && made < CLIENT_MAX_ATTEMPTS &&
           deadline_now() < patience_last_start(&call->exchange.patience);
}

static struct fetchpool_response *run_encoded(struct call *call)
{
    struct channel *channel = client_take_channel(call->client);
    struct outcome outcome = channel ? attempt(call, channel) : attempt_anew(call);
    for (int made = 1; may_repeat(call, &outcome, made); made++) {
        exchange_rewind(&call->exchange);
        outcome = better_of(outcome, attempt_anew(call));
    }
    return outcome.response;
}

struct fetchpool_response *call_run(struct call *call)
{
    if (call->message.error < 0)
        return failure_to_encode(call->message.error);
    struct fetchpool_response *response = run_encoded(call);
    if (response->code == FETCHPOOL_STOPPED)
        errno = call->exchange.stop_errno; /* of the function that stopped it */
    return response;
}
