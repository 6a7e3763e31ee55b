/*
 * exchange_upload: the half of an exchange that sends: what the caller's on_read gives, as far as
 * the daemon has granted it.
 */
#include "exchange.h"

#include <string.h>

#include "deadline.h"
#include "response.h"

/* Upload bytes in one message: few enough that the others on the same socket are not kept waiting.
 */
#define UPLOAD_CHUNK_BYTES 32768

static ptrdiff_t call_on_read(struct exchange *exchange, uint8_t *space, size_t size)
{
    int64_t since = deadline_now();
    exchange->is_called = true;
    exchange->is_starved = exchange->may_wait;
    ptrdiff_t length = exchange->functions.on_read(exchange->functions.read_ctx, space, size);
    patience_excuse(&exchange->patience, since);
    return length;
}

/* At its announced size it is asked for its end, which needs no grant. */
static bool is_complete(const struct exchange *exchange)
{
    return exchange->uploaded == exchange->upload_size;
}

bool exchange_can_upload(const struct exchange *exchange)
{
    bool is_open = exchange->state == EXCHANGE_WAITING || exchange->state == EXCHANGE_STREAMING;
    return is_open && !exchange->is_whole && exchange->is_uploading && !exchange->is_paused &&
           !exchange->is_starved && (exchange->allowance > 0 || is_complete(exchange));
}

static void put_end(struct exchange *exchange, struct outbox *out)
{
    bool is_short = exchange->upload_size != WIRE_UNSET && !is_complete(exchange);
    exchange->is_uploading = false;
    if (is_short)
        exchange_stop(exchange, response_failed(FETCHPOOL_STOPPED,
                                                "the upload ended after %llu of %llu bytes",
                                                (unsigned long long)exchange->uploaded,
                                                (unsigned long long)exchange->upload_size));
    else
        wire_put_end(&out->bytes, exchange->id, NULL);
}

/* The bytes stand behind the room for the head of a full piece; that of a short one is shorter. */
static void put_data(struct exchange *exchange, struct outbox *out, uint8_t *space, size_t room,
                     size_t length)
{
    uint8_t head[WIRE_DATA_HEAD_BYTES];
    size_t head_length = wire_data_head(head, exchange->id, length);
    if (length > exchange->upload_size - exchange->uploaded) {
        exchange_stop(exchange, response_failed(FETCHPOOL_STOPPED,
                                                "the upload is longer than the %llu bytes "
                                                "announced",
                                                (unsigned long long)exchange->upload_size));
        return;
    }
    if (head_length != room)
        memmove(space + head_length, space + room, length);
    memcpy(space, head, head_length);
    outbox_filled(out, head_length + length);
    exchange->uploaded += length;
    exchange->allowance -= length;
}

/* on_read writes into the outbox, where nothing else is written meanwhile: whatever the caller asks
 * for from inside it goes over another socket, or is only noted. */
void exchange_put_upload(struct exchange *exchange, struct outbox *out)
{
    uint8_t head[WIRE_DATA_HEAD_BYTES];
    size_t size = UPLOAD_CHUNK_BYTES;
    if (size > exchange->allowance && !is_complete(exchange))
        size = (size_t)exchange->allowance;
    size_t room = wire_data_head(head, exchange->id, size);
    uint8_t *space = outbox_space(out, WIRE_DATA_HEAD_BYTES + size);
    if (!space)
        return; /* nothing can be sent any more: the channel says so */
    ptrdiff_t length = call_on_read(exchange, space + room, size);
    if (exchange->state != EXCHANGE_WAITING && exchange->state != EXCHANGE_STREAMING)
        return; /* it was cancelled by that function */
    bool is_late = length == FETCHPOOL_READ_LATER && exchange->may_wait;
    exchange->is_starved &= is_late; /* unless it was resumed meanwhile */
    if (is_late)
        return;
    if (length < 0 || (size_t)length > size)
        exchange_stop_by_function(exchange, "on_read");
    else if (length == 0)
        put_end(exchange, out);
    else
        put_data(exchange, out, space, room, (size_t)length);
}
