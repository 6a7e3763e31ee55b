/* call: see call.h. */
#include "call.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "deadline.h"
#include "fetchpool_wire.h"
#include "response.h"

/* The id of every channel's first message. Requests have others: see client_next_id(). */
#define HELLO_ID 0

/* A hello with the longest name that makes sense is far below it. */
#define HELLO_MAX_BYTES 4096

/* What one attempt came to. */
struct outcome {
    struct fetchpool_response *response; /* owned, never NULL */
    bool may_resend;                     /* the daemon cannot have acted on the request */
};

void call_init(struct call *call, struct fetchpool *client)
{
    *call = (struct call){
        .client = client,
        .id = client_next_id(client),
        .started = deadline_now(),
    };
    buffer_init(&call->message, WIRE_MAX_MESSAGE_BYTES);
}

void call_finish(struct call *call)
{
    buffer_finish(&call->message);
}

/* The daemon's own default is only known once it has answered hello, so this is asked anew. */
static int64_t call_deadline(const struct call *call, const struct channel *channel)
{
    uint64_t timeout_ms = call->timeout_ms;
    if (timeout_ms == 0 && channel)
        timeout_ms = channel->daemon_timeout_ms;
    if (timeout_ms == 0)
        timeout_ms = FETCHPOOL_DEFAULT_TIMEOUT_MS;
    return call->started + (int64_t)timeout_ms + call->grace_ms;
}

/* ---- Failures -------------------------------------------------------------------------------- */

static struct fetchpool_response *not_connected(const struct call *call, int error)
{
    char text[128];
    const char *reason = strerror_r(-error, text, sizeof text);
    if (error == -ENOMEM)
        return response_no_memory();
    if (error == -ENAMETOOLONG)
        reason = "the path is too long for a Unix socket, which takes 107 bytes";
    if (error == -ETIMEDOUT)
        reason = "the daemon did not accept in time";
    return response_failed(FETCHPOOL_NO_DAEMON, "connect to fetchpoold at %s failed: %s",
                           call->client->path, reason);
}

static struct fetchpool_response *not_read(const struct call *call)
{
    return response_failed(FETCHPOOL_NO_DAEMON,
                           "fetchpoold at %s closed the socket before it had read the request",
                           call->client->path);
}

static struct fetchpool_response *no_answer(const struct call *call, const struct channel *channel,
                                            int error)
{
    char text[128];
    const char *path = call->client->path;
    switch (error) {
    case -ENOMEM:
        return response_unreadable();
    case -ETIMEDOUT:
        return response_failed(FETCHPOOL_DEADLINE, "fetchpoold at %s did not answer within %lld ms",
                               path, (long long)(call_deadline(call, channel) - call->started));
    case -EBADMSG:
        return response_failed(FETCHPOOL_BAD_REPLY, "what answers at %s is no fetchpoold: %s", path,
                               channel->inbox.scanner.reason);
    case -ENODATA:
        return response_failed(FETCHPOOL_LOST, "fetchpoold at %s went away before it answered",
                               path);
    default:
        return response_failed(FETCHPOOL_LOST, "reading from fetchpoold at %s failed: %s", path,
                               strerror_r(-error, text, sizeof text));
    }
}

/* ---- Receiving ------------------------------------------------------------------------------- */

/* Notes the timeout that holds where a request names none. */
static void read_hello(struct channel *channel, const struct wire_message *message)
{
    const struct fetchpool_value *limits = fetchpool_value_get(message->result, "limits");
    int64_t timeout_ms = fetchpool_value_integer(fetchpool_value_get(limits, "timeout"));
    if (timeout_ms > 0 && timeout_ms <= UINT32_MAX)
        channel->daemon_timeout_ms = (uint64_t)timeout_ms;
}

/* Everything that is not the answer: what nobody waits for here is passed over. */
static void take_note(struct channel *channel, const struct wire_message *message)
{
    if (message->kind == WIRE_RESPONSE && message->id == HELLO_ID)
        read_hello(channel, message);
    else if (message->kind == WIRE_NOTIFICATION && wire_str_is(message->method, "goaway"))
        channel->is_leaving = true;
}

/* Reads one message. NULL if it was not the answer. Takes the letter. */
static struct fetchpool_response *read_letter(const struct call *call, struct channel *channel,
                                              struct letter letter)
{
    struct wire_message message;
    struct wire_why why;
    int result = wire_message_open(&message, letter.bytes, letter.length, &why);
    if (result < 0) {
        free(letter.bytes);
        if (result == -ENOMEM)
            return response_unreadable();
        return response_failed(FETCHPOOL_BAD_REPLY, "what answers at %s is no fetchpoold: %s",
                               call->client->path, why.text);
    }
    if (message.kind == WIRE_RESPONSE && message.id == call->id)
        return response_of(letter, &message, call->is_fetch);
    take_note(channel, &message);
    wire_message_close(&message);
    free(letter.bytes);
    return NULL;
}

/* Waits for the answer. 0 and a response, or what channel_receive() said. */
static int receive_answer(const struct call *call, struct channel *channel,
                          struct fetchpool_response **out_response)
{
    struct fetchpool_response *response = NULL;
    while (!response) {
        struct letter letter;
        int result = channel_receive(channel, &letter, call_deadline(call, channel));
        if (result < 0)
            return result;
        response = read_letter(call, channel, letter);
    }
    *out_response = response;
    return 0;
}

/* ---- Sending --------------------------------------------------------------------------------- */

/* A new channel's hello goes out in the same system call as its first request. */
static int send_request(const struct call *call, struct channel *channel)
{
    struct buffer hello;
    struct wire_hello greeting = {.client = wire_str_of(client_name(call->client)),
                                  .version = wire_str_of(fetchpool_version())};
    buffer_init(&hello, HELLO_MAX_BYTES);
    if (!channel->is_greeted)
        wire_hello_encode(&hello, HELLO_ID, &greeting);
    if (hello.error < 0)
        buffer_truncate(&hello, 0); /* it is optional: the request goes without */
    struct iovec pieces[] = {
        {.iov_base = hello.data, .iov_len = hello.length},
        {.iov_base = call->message.data, .iov_len = call->message.length},
    };
    int result = channel_send(channel, pieces, 2, call_deadline(call, channel));
    channel->is_greeted = true;
    buffer_finish(&hello);
    return result;
}

/*
 * One attempt on one channel, which it takes.
 *
 * Two things prove that the daemon cannot have acted on the request. A send that failed: it never
 * got all the bytes. And ECONNRESET: a Unix socket says that if, and only if, its other end was
 * closed with bytes unread or before it was accepted (unix(7) has no word on it, the kernel's
 * unix_release_sock() has); a channel carries one request at a time and all earlier ones were
 * answered, so the unread bytes are the end of this one. An end of file after a whole request
 * proves nothing: the daemon may have read it, acted on it, and died.
 *
 * The daemon refuses a message that is too large by an answer and a close, without reading the
 * rest: so after a failed send there may still be an answer, and it says more than the error does.
 */
static struct outcome attempt(const struct call *call, struct channel *channel)
{
    struct fetchpool_response *response;
    int sent = send_request(call, channel);
    int received = sent;
    if (sent != -ETIMEDOUT)
        received = receive_answer(call, channel, &response);
    if (received < 0) {
        bool is_unread = received != -ETIMEDOUT && (sent < 0 || received == -ECONNRESET);
        response = is_unread ? not_read(call) : no_answer(call, channel, received);
        channel_destroy(channel);
        return (struct outcome){.response = response, .may_resend = is_unread};
    }
    bool is_unread = response->code == FETCHPOOL_SHUTTING_DOWN;
    if (sent < 0 || is_unread || response->code == FETCHPOOL_BAD_REPLY)
        channel_destroy(channel);
    else
        client_give_channel(call->client, channel);
    return (struct outcome){.response = response, .may_resend = is_unread};
}

static struct outcome attempt_anew(const struct call *call)
{
    struct channel *channel;
    int result = channel_create(&channel, call->client->path, call_deadline(call, NULL));
    if (result < 0)
        return (struct outcome){.response = not_connected(call, result)};
    return attempt(call, channel);
}

static struct fetchpool_response *run_encoded(const struct call *call)
{
    struct channel *channel = client_take_channel(call->client);
    struct outcome first = channel ? attempt(call, channel) : attempt_anew(call);
    if (!first.may_resend)
        return first.response;
    struct fetchpool_response *second = attempt_anew(call).response;
    /* "I am shutting down" is the better news where nobody has come after it. */
    if (first.response->code == FETCHPOOL_SHUTTING_DOWN && second->code == FETCHPOOL_NO_DAEMON) {
        fetchpool_response_free(second);
        return first.response;
    }
    fetchpool_response_free(first.response);
    return second;
}

struct fetchpool_response *call_run(struct call *call)
{
    switch (call->message.error) {
    case 0:
        return run_encoded(call);
    case -EMSGSIZE:
        return response_failed(FETCHPOOL_TOO_LARGE,
                               "the request is larger than the %llu bytes of the protocol",
                               (unsigned long long)WIRE_MAX_MESSAGE_BYTES);
    default:
        return response_no_memory();
    }
}
