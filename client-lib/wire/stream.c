/*
 * stream: the notifications that carry bodies: `data`, `end`, `window`, `cancel`, `error`, and
 * `goaway`; one decoder for both directions, the writers below it.
 */
#include "internal.h"
#include "value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- Reading -------------------------------------------------------------------------------- */

static int read_data(struct wire_note *note, const struct fetchpool_value *params,
                     struct wire_why *why)
{
    const struct fetchpool_value *value = fetchpool_value_at(params, 1);
    const char *bytes = fetchpool_value_string(value);
    if (!bytes)
        return wire_wrong_type(why, "the body of data", "bytes", value);
    note->bytes = (struct wire_str){bytes, fetchpool_value_length(value)};
    if (note->bytes.length > WIRE_MAX_DATA_BYTES)
        return wire_why_set(why, "a data message has %zu bytes; at most %d are allowed",
                            note->bytes.length, WIRE_MAX_DATA_BYTES);
    return 0;
}

static int read_end(struct wire_note *note, const struct fetchpool_value *params,
                    struct wire_why *why)
{
    const struct fetchpool_value *map = fetchpool_value_at(params, 1);
    const struct fetchpool_value *trailers = fetchpool_value_get(map, "trailers");
    struct wire_field *fields = NULL;
    size_t count = 0;
    int result = trailers ? wire_read_fields(&fields, &count, trailers, why) : 0;
    if (result < 0)
        return result;
    note->end = (struct wire_end){
        .bytes = wire_number_in(map, "bytes"),
        .timing = wire_read_timing(fetchpool_value_get(map, "timing")),
        .trailers = fields,
        .trailer_count = count,
    };
    return 0;
}

static int read_window(struct wire_note *note, const struct fetchpool_value *params,
                       struct wire_why *why)
{
    const struct fetchpool_value *value = fetchpool_value_at(params, 1);
    if (!value_as_unsigned(value, &note->window))
        return wire_wrong_type(why, "the bytes of window", "an unsigned integer", value);
    return 0;
}

static int read_nothing(struct wire_note *note, const struct fetchpool_value *params,
                        struct wire_why *why)
{
    (void)note;
    (void)params;
    (void)why;
    return 0;
}

static int read_error(struct wire_note *note, const struct fetchpool_value *params,
                      struct wire_why *why)
{
    uint64_t code;
    const struct fetchpool_value *text = fetchpool_value_at(params, 2);
    if (!value_as_unsigned(fetchpool_value_at(params, 1), &code) || code == 0 || code > INT32_MAX)
        return wire_wrong_type(why, "the code of error", "an unsigned integer",
                               fetchpool_value_at(params, 1));
    note->code = (int)code;
    note->text = fetchpool_value_string(text)
                     ? (struct wire_str){fetchpool_value_string(text), fetchpool_value_length(text)}
                     : wire_str_of("the daemon gave no reason");
    return 0;
}

static int read_goaway(struct wire_note *note, const struct fetchpool_value *params,
                       struct wire_why *why)
{
    const struct fetchpool_value *text = fetchpool_value_at(params, 0);
    (void)why;
    if (fetchpool_value_string(text)) /* an array has a length, but no bytes */
        note->text = (struct wire_str){fetchpool_value_string(text), fetchpool_value_length(text)};
    return 0;
}

static const struct {
    const char *method;
    enum wire_note_kind kind;
    bool has_id;
    int (*read)(struct wire_note *note, const struct fetchpool_value *params, struct wire_why *why);
} notes[] = {
    {"data", WIRE_NOTE_DATA, true, read_data},
    {"end", WIRE_NOTE_END, true, read_end},
    {"window", WIRE_NOTE_WINDOW, true, read_window},
    {"cancel", WIRE_NOTE_CANCEL, true, read_nothing},
    {"error", WIRE_NOTE_ERROR, true, read_error},
    {"goaway", WIRE_NOTE_GOAWAY, false, read_goaway},
};

static int read_id(struct wire_note *note, const struct wire_message *message, struct wire_why *why)
{
    uint64_t id;
    if (!value_as_unsigned(fetchpool_value_at(message->params, 0), &id) || id > UINT32_MAX)
        return wire_why_set(why, "%.*s must name the id of a request", WIRE_STR(message->method));
    note->id = (uint32_t)id;
    return 0;
}

int wire_note_decode(struct wire_note *out_note, const struct wire_message *message,
                     struct wire_why *why)
{
    struct wire_note note = {0};
    int result = 0;
    for (size_t i = 0; i < sizeof notes / sizeof notes[0]; i++) {
        if (!wire_str_is(message->method, notes[i].method))
            continue;
        note.kind = notes[i].kind;
        if (fetchpool_value_type(message->params) != FETCHPOOL_ARRAY)
            result = wire_why_set(why, "the params of %s must be an array", notes[i].method);
        else if (notes[i].has_id)
            result = read_id(&note, message, why);
        if (result == 0)
            result = notes[i].read(&note, message->params, why);
        break;
    }
    if (result == 0)
        *out_note = note;
    return result;
}

void wire_note_finish(struct wire_note *note)
{
    free((void *)note->end.trailers);
    note->end.trailers = NULL;
    note->end.trailer_count = 0;
}

/* ---- Writing -------------------------------------------------------------------------------- */

static void put_start(struct buffer *buffer, const char *method, uint32_t id, size_t params)
{
    wire_put_array(buffer, 3);
    wire_put_unsigned(buffer, WIRE_NOTIFICATION);
    wire_put_text(buffer, method);
    wire_put_array(buffer, params);
    wire_put_unsigned(buffer, id);
}

size_t wire_data_head(uint8_t out_head[WIRE_DATA_HEAD_BYTES], uint32_t id, size_t length)
{
    struct buffer head = {
        .data = out_head,
        .capacity = WIRE_DATA_HEAD_BYTES,
        .limit = WIRE_DATA_HEAD_BYTES, /* which it never needs */
    };
    put_start(&head, "data", id, 2);
    wire_put_bin_head(&head, length);
    return head.length;
}

void wire_put_end(struct buffer *buffer, uint32_t id, const struct wire_end *end)
{
    put_start(buffer, "end", id, 2);
    wire_put_map(buffer, end ? 3 : 0);
    if (!end)
        return;
    wire_put_number(buffer, "bytes", end->bytes);
    wire_put_text(buffer, "timing");
    wire_put_timing(buffer, &end->timing);
    wire_put_text(buffer, "trailers");
    wire_put_fields(buffer, end->trailers, end->trailer_count);
}

void wire_put_window(struct buffer *buffer, uint32_t id, uint64_t bytes)
{
    put_start(buffer, "window", id, 2);
    wire_put_unsigned(buffer, bytes);
}

void wire_put_cancel(struct buffer *buffer, uint32_t id)
{
    put_start(buffer, "cancel", id, 1);
}

void wire_put_stream_error(struct buffer *buffer, uint32_t id, int code, const char *text)
{
    put_start(buffer, "error", id, 3);
    wire_put_unsigned(buffer, (uint64_t)code);
    wire_put_text(buffer, text);
}
