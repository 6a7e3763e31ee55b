/* reader: see reader.h. */
#include "reader.h"

#include <errno.h>
#include <stdlib.h>

struct reader {
    struct channel *channel;
    reader_find find;
    void *ctx;
    struct wire_why *why;
};

/* A response is kept in memory of its own, since it lives as long as its caller wants. */
static int take_response(const struct reader *reader, struct exchange **out_exchange)
{
    struct letter letter;
    struct wire_message message;
    int result = inbox_keep(&reader->channel->inbox, &letter);
    if (result < 0)
        return result;
    result = wire_message_open(&message, letter.bytes, letter.length, reader->why);
    if (result < 0) {
        free(letter.bytes);
        return result;
    }
    struct exchange *exchange = reader->find(reader->ctx, message.id);
    if (exchange && exchange->state != EXCHANGE_ENDED) {
        *out_exchange = exchange;
        return exchange_on_response(exchange, letter, &message, reader->why);
    }
    channel_take_note(reader->channel, &message);
    wire_message_close(&message);
    free(letter.bytes);
    return 0;
}

static int take_notification(const struct reader *reader, const struct wire_message *message,
                             struct letter view, struct exchange **out_exchange)
{
    struct wire_note note;
    int result = wire_note_decode(&note, message, reader->why);
    if (result < 0)
        return result == -ENOMEM ? result : -EBADMSG;
    bool has_id = note.kind != WIRE_NOTE_UNKNOWN && note.kind != WIRE_NOTE_GOAWAY;
    struct exchange *exchange = has_id ? reader->find(reader->ctx, note.id) : NULL;
    if (exchange && exchange->state != EXCHANGE_ENDED) {
        *out_exchange = exchange;
        result = exchange_on_note(exchange, &note, view, reader->why);
    }
    wire_note_finish(&note);
    return result;
}

/* Anything else is read where it lies. */
static int take_other(const struct reader *reader, struct letter view,
                      struct exchange **out_exchange)
{
    struct wire_message message;
    int result = wire_message_open(&message, view.bytes, view.length, reader->why);
    if (result < 0)
        return result;
    channel_take_note(reader->channel, &message);
    if (message.kind == WIRE_NOTIFICATION)
        result = take_notification(reader, &message, view, out_exchange);
    wire_message_close(&message);
    return result;
}

int reader_take(struct channel *channel, reader_find find, void *ctx,
                struct exchange **out_exchange, struct wire_why *why)
{
    struct reader reader = {.channel = channel, .find = find, .ctx = ctx, .why = why};
    struct letter view;
    int result = inbox_next(&channel->inbox, &view);
    if (result == -EBADMSG)
        wire_why_set(why, "%s", channel->inbox.scanner.reason);
    if (result <= 0)
        return result;
    *out_exchange = NULL;
    if (inbox_type(&channel->inbox) == WIRE_RESPONSE)
        result = take_response(&reader, out_exchange);
    else
        result = take_other(&reader, view, out_exchange);
    return result < 0 ? result : 1;
}
