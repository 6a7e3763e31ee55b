/*
 * envelope: [0, id, method, params], [1, id, error, result] and [2, method, params], opened and
 * written; and the pieces that messages without a struct of their own are put together from.
 */
#include "internal.h"
#include "value.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <msgpack.h>

int wire_why_set(struct wire_why *why, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    vsnprintf(why->text, sizeof why->text, format, values);
    va_end(values);
    for (char *c = why->text; *c; c++) {
        if (*c < 0x20 || *c > 0x7e)
            *c = '?';
    }
    return -EINVAL;
}

/* ---- Opening -------------------------------------------------------------------------------- */

static bool read_id(const struct fetchpool_value *value, uint32_t *out_id)
{
    uint64_t number;
    if (!value_as_unsigned(value, &number) || number > UINT32_MAX)
        return false;
    *out_id = (uint32_t)number;
    return true;
}

static int bad_envelope(struct wire_why *why, const char *reason)
{
    wire_why_set(why, "%s", reason);
    return -EBADMSG;
}

static int read_method(struct wire_message *message, const struct fetchpool_value *value,
                       struct wire_why *why)
{
    message->method = (struct wire_str){fetchpool_value_string(value),
                                        fetchpool_value_length(value)};
    return message->method.data ? 0 : bad_envelope(why, "a message's method must be a string");
}

static int read_envelope(struct wire_message *message, const struct fetchpool_value *root,
                         struct wire_why *why)
{
    uint64_t kind;
    if (!value_as_unsigned(fetchpool_value_at(root, 0), &kind) || kind > WIRE_NOTIFICATION)
        return bad_envelope(why, "a message's first value must be 0, 1 or 2");
    message->kind = (enum wire_kind)kind;
    size_t length = fetchpool_value_length(root);
    if (length != (kind == WIRE_NOTIFICATION ? 3 : 4))
        return bad_envelope(why, "a message must be an array of 4 values, a notification of 3");
    if (kind != WIRE_NOTIFICATION && !read_id(fetchpool_value_at(root, 1), &message->id))
        return bad_envelope(why, "a message's id must be an unsigned integer of 32 bits");
    if (kind == WIRE_RESPONSE) {
        message->error = fetchpool_value_at(root, 2);
        message->result = fetchpool_value_at(root, 3);
        return 0;
    }
    message->params = fetchpool_value_at(root, length - 1);
    return read_method(message, fetchpool_value_at(root, length - 2), why);
}

/* What a message's values are kept in; its strings stay where they came. */
struct tree {
    msgpack_zone zone;
    msgpack_object root;
};

/*
 * The values of a request have some hundred bytes. That many malloc() has at hand; the 8 KiB that
 * msgpack_unpack_next() asks for it looks for, each time.
 */
#define SMALL_MESSAGE_BYTES 1024
#define SMALL_ZONE_BYTES    960

static struct tree *create_tree(size_t length)
{
    bool is_small = length <= SMALL_MESSAGE_BYTES;
    struct tree *tree = malloc(sizeof *tree);
    if (tree &&
        msgpack_zone_init(&tree->zone, is_small ? SMALL_ZONE_BYTES : MSGPACK_ZONE_CHUNK_SIZE))
        return tree;
    free(tree);
    return NULL;
}

int wire_message_open(struct wire_message *out_message, const uint8_t *bytes, size_t length,
                      struct wire_why *why)
{
    struct tree *tree = create_tree(length);
    if (!tree)
        return -ENOMEM;
    struct wire_message message = {.memory = tree};
    int result;
    switch (msgpack_unpack((const char *)bytes, length, NULL, &tree->zone, &tree->root)) {
    case MSGPACK_UNPACK_SUCCESS:
    case MSGPACK_UNPACK_EXTRA_BYTES:
        result = read_envelope(&message, (const struct fetchpool_value *)&tree->root, why);
        break;
    case MSGPACK_UNPACK_NOMEM_ERROR:
        result = -ENOMEM;
        break;
    default:
        result = bad_envelope(why, "the message is not MessagePack");
        break;
    }
    if (result < 0)
        wire_message_close(&message);
    else
        *out_message = message;
    return result;
}

void wire_message_close(struct wire_message *message)
{
    struct tree *tree = message->memory;
    if (tree)
        msgpack_zone_destroy(&tree->zone);
    free(tree);
    *message = (struct wire_message){0};
}

int wire_params_map(const struct fetchpool_value *params, const struct fetchpool_value **out_map,
                    struct wire_why *why)
{
    bool is_array = fetchpool_value_type(params) == FETCHPOOL_ARRAY;
    if (!is_array || fetchpool_value_length(params) > 1)
        return wire_why_set(why, "params must be an array of at most one map");
    const struct fetchpool_value *map = fetchpool_value_at(params, 0);
    enum fetchpool_type type = fetchpool_value_type(map);
    bool is_empty = type == FETCHPOOL_NIL ||
                    (type == FETCHPOOL_ARRAY && fetchpool_value_length(map) == 0);
    if (!is_empty && type != FETCHPOOL_MAP)
        return wire_why_set(why, "params must hold a map, not %s", value_type_name(map));
    *out_map = is_empty ? NULL : map;
    return 0;
}

void wire_error_read(const struct fetchpool_value *error, int *out_code, struct wire_str *out_text)
{
    uint64_t code;
    const struct fetchpool_value *text = fetchpool_value_at(error, 1);
    bool has_code = value_as_unsigned(fetchpool_value_at(error, 0), &code) && code <= INT32_MAX;
    *out_code = has_code && code != 0 ? (int)code : FETCHPOOL_INTERNAL;
    *out_text = fetchpool_value_string(text)
                    ? (struct wire_str){fetchpool_value_string(text), fetchpool_value_length(text)}
                    : wire_str_of("the daemon gave no reason");
}

/* ---- Writing -------------------------------------------------------------------------------- */

void wire_put_request(struct buffer *buffer, uint32_t id, const char *method)
{
    wire_put_array(buffer, 4);
    wire_put_unsigned(buffer, WIRE_REQUEST);
    wire_put_unsigned(buffer, id);
    wire_put_text(buffer, method);
    wire_put_array(buffer, 0);
}

static void put_response_start(struct buffer *buffer, uint32_t id)
{
    wire_put_array(buffer, 4);
    wire_put_unsigned(buffer, WIRE_RESPONSE);
    wire_put_unsigned(buffer, id);
}

void wire_put_result(struct buffer *buffer, uint32_t id)
{
    put_response_start(buffer, id);
    wire_put_nil(buffer);
}

void wire_put_error(struct buffer *buffer, uint32_t id, int code, const char *text)
{
    put_response_start(buffer, id);
    wire_put_array(buffer, 2);
    wire_put_unsigned(buffer, (uint64_t)code);
    wire_put_text(buffer, text);
    wire_put_nil(buffer);
}

void wire_put_goaway(struct buffer *buffer, const char *reason)
{
    wire_put_array(buffer, 3);
    wire_put_unsigned(buffer, WIRE_NOTIFICATION);
    wire_put_text(buffer, "goaway");
    wire_put_array(buffer, 1);
    wire_put_text(buffer, reason);
}
