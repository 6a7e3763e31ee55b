/* transcript: see transcript.h. */
#include "transcript.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "literal.h"

static void put_id(struct buffer *out, uint32_t id)
{
    buffer_append_format(out, ",\"id\":%" PRIu32, id);
}

static void put_method(struct buffer *out, struct wire_str method, size_t max_bytes)
{
    buffer_append_text(out, ",\"method\":");
    literal_put_text(out, method.data, method.length < max_bytes ? method.length : max_bytes);
}

/* The map of a request's params without the array around it; anything else as it is. */
static void put_params(struct buffer *out, const struct fetchpool_value *params, bool is_request,
                       size_t max_bytes)
{
    const struct fetchpool_value *map = fetchpool_value_at(params, 0);
    bool is_one_map = is_request && fetchpool_value_type(params) == FETCHPOOL_ARRAY &&
                      fetchpool_value_length(params) == 1 &&
                      fetchpool_value_type(map) == FETCHPOOL_MAP;
    buffer_append_text(out, ",\"params\":");
    literal_put(out, is_one_map ? map : params, max_bytes);
}

/* The name of a code that is known, so that nobody has to look it up. */
static void put_code_name(struct buffer *out, int code)
{
    const char *name = fetchpool_code_name(code);
    if (code != FETCHPOOL_OK && name)
        buffer_append_format(out, ",\"code\":\"%s\"", name);
}

static void put_request(struct buffer *out, const struct wire_message *message, size_t max_bytes)
{
    put_id(out, message->id);
    put_method(out, message->method, max_bytes);
    put_params(out, message->params, true, max_bytes);
}

/* Error or result; both where both are there, which the protocol does not allow. */
static void put_response(struct buffer *out, const struct wire_message *message, size_t max_bytes)
{
    int code;
    struct wire_str text;
    bool has_error = fetchpool_value_type(message->error) != FETCHPOOL_NIL;
    put_id(out, message->id);
    if (has_error) {
        wire_error_read(message->error, &code, &text);
        put_code_name(out, code);
        buffer_append_text(out, ",\"error\":");
        literal_put(out, message->error, max_bytes);
    }
    if (!has_error || fetchpool_value_type(message->result) != FETCHPOOL_NIL) {
        buffer_append_text(out, ",\"result\":");
        literal_put(out, message->result, max_bytes);
    }
}

/* What the daemon would close the connection for is said; who writes a client wants to know. */
static void put_notification(struct buffer *out, const struct wire_message *message,
                             size_t max_bytes)
{
    struct wire_why why;
    struct wire_note note;
    int result = wire_note_decode(&note, message, &why);
    bool is_known = result == 0 && note.kind != WIRE_NOTE_UNKNOWN;
    if (is_known && note.kind != WIRE_NOTE_GOAWAY)
        put_id(out, note.id);
    put_method(out, message->method, max_bytes);
    if (is_known && note.kind == WIRE_NOTE_ERROR)
        put_code_name(out, note.code);
    put_params(out, message->params, false, max_bytes);
    if (result == -EINVAL) {
        buffer_append_text(out, ",\"broken\":");
        literal_put_text(out, why.text, strlen(why.text));
    }
    if (result == 0)
        wire_note_finish(&note);
    else if (result == -ENOMEM)
        out->error = result;
}

void transcript_put(struct buffer *out, const struct wire_message *message,
                    const struct transcript_place *place)
{
    static const char *const kinds[] = {
        [WIRE_REQUEST] = "request",
        [WIRE_RESPONSE] = "response",
        [WIRE_NOTIFICATION] = "notification",
    };
    buffer_append_text(out, "{");
    if (place->file) {
        buffer_append_text(out, "\"file\":");
        literal_put_text(out, place->file, strlen(place->file));
        buffer_append_text(out, ",");
    }
    buffer_append_format(out, "\"offset\":%" PRIu64 ",\"bytes\":%zu,\"type\":\"%s\"", place->offset,
                         place->length, kinds[message->kind]);
    switch (message->kind) {
    case WIRE_REQUEST:
        put_request(out, message, place->max_bytes);
        break;
    case WIRE_RESPONSE:
        put_response(out, message, place->max_bytes);
        break;
    case WIRE_NOTIFICATION:
        put_notification(out, message, place->max_bytes);
        break;
    }
    buffer_append_text(out, "}\n");
}
