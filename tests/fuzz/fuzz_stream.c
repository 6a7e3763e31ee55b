/*
 * Notifications of streams from a client, as a conn and a session treat them: scanner, envelope,
 * decoder; and what was read, written again by our writers, is read the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"
#include "fetchpool_wire.h"
#include "scanner.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void must(int is_so)
{
    if (!is_so)
        abort();
}

static int same_str(struct wire_str one, struct wire_str other)
{
    return one.length == other.length &&
           (one.length == 0 || memcmp(one.data, other.data, one.length) == 0);
}

static int same_end(const struct wire_end *one, const struct wire_end *other)
{
    if (one->bytes != other->bytes || one->trailer_count != other->trailer_count ||
        memcmp(&one->timing, &other->timing, sizeof one->timing) != 0)
        return 0;
    for (size_t i = 0; i < one->trailer_count; i++) {
        if (!same_str(one->trailers[i].name, other->trailers[i].name) ||
            !same_str(one->trailers[i].value, other->trailers[i].value))
            return 0;
    }
    return 1;
}

static void put_data(struct buffer *buffer, const struct wire_note *note)
{
    uint8_t head[WIRE_DATA_HEAD_BYTES];
    must(note->bytes.length <= WIRE_MAX_DATA_BYTES);
    size_t head_length = wire_data_head(head, note->id, note->bytes.length);
    must(head_length <= sizeof head);
    must(buffer_append(buffer, head, head_length) == 0);
    must(buffer_append(buffer, note->bytes.data, note->bytes.length) == 0);
}

/* NUL ends our writers' texts: what has one inside does not come back whole. */
static char *text_of(struct wire_str str)
{
    char *text = malloc(str.length + 1);
    must(text != NULL);
    if (str.length > 0)
        memcpy(text, str.data, str.length);
    text[str.length] = '\0';
    return text;
}

static void put_text(struct buffer *buffer, const struct wire_note *note)
{
    char *text = text_of(note->text);
    if (note->kind == WIRE_NOTE_ERROR)
        wire_put_stream_error(buffer, note->id, note->code, text);
    else
        wire_put_goaway(buffer, text);
    free(text);
}

static void put(struct buffer *buffer, const struct wire_note *note)
{
    switch (note->kind) {
    case WIRE_NOTE_UNKNOWN:
        break;
    case WIRE_NOTE_DATA:
        put_data(buffer, note);
        break;
    case WIRE_NOTE_END:
        wire_put_end(buffer, note->id, &note->end);
        break;
    case WIRE_NOTE_WINDOW:
        wire_put_window(buffer, note->id, note->window);
        break;
    case WIRE_NOTE_CANCEL:
        wire_put_cancel(buffer, note->id);
        break;
    case WIRE_NOTE_ERROR:
    case WIRE_NOTE_GOAWAY:
        put_text(buffer, note);
        break;
    }
}

static void compare(const struct wire_note *note, const struct wire_note *again)
{
    must(note->kind == again->kind && note->id == again->id);
    must(same_str(note->bytes, again->bytes));
    must(note->window == again->window && note->code == again->code);
    must(same_end(&note->end, &again->end));
    if (!note->text.data || !memchr(note->text.data, '\0', note->text.length))
        must(same_str(note->text, again->text));
}

static void round_trip(const struct wire_note *note)
{
    struct wire_message message;
    struct wire_note again;
    struct wire_why why;
    struct scanner scanner;
    enum scan_result result;
    struct buffer buffer;
    buffer_init(&buffer, 1 << 20);
    put(&buffer, note);
    must(buffer.error == 0);
    scanner_init(&scanner, 1 << 20, WIRE_MAX_MESSAGE_ELEMENTS);
    must(scanner_feed(&scanner, buffer.data, buffer.length, &result) == buffer.length);
    must(result == SCAN_WHOLE);
    must(wire_message_open(&message, buffer.data, buffer.length, &why) == 0);
    must(wire_note_decode(&again, &message, &why) == 0);
    compare(note, &again);
    wire_note_finish(&again);
    wire_message_close(&message);
    buffer_finish(&buffer);
}

static void decode(const uint8_t *bytes, size_t length)
{
    struct wire_message message;
    struct wire_note note;
    struct wire_why why;
    if (wire_message_open(&message, bytes, length, &why) < 0)
        return;
    if (message.kind == WIRE_NOTIFICATION) {
        if (wire_note_decode(&note, &message, &why) == 0) {
            if (note.kind != WIRE_NOTE_UNKNOWN)
                round_trip(&note);
            wire_note_finish(&note);
        } else {
            must(why.text[0] != '\0');
        }
    }
    wire_message_close(&message);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct scanner scanner;
    enum scan_result result = SCAN_MORE;
    size_t at = 0;
    scanner_init(&scanner, 1 << 17, WIRE_MAX_MESSAGE_ELEMENTS);
    while (at < length) {
        size_t used = scanner_feed(&scanner, bytes + at, length - at, &result);
        if (result != SCAN_WHOLE)
            break;
        decode(bytes + at, used);
        at += used;
    }
    return 0;
}
