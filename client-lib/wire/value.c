/*
 * value: reads MessagePack values without showing msgpack-c. A `struct fetchpool_value` pointer is
 * a `msgpack_object` pointer; nothing is converted or copied.
 */
#include "value.h"

#include <string.h>

#include <msgpack.h>

static const msgpack_object *object_of(const struct fetchpool_value *value)
{
    static const msgpack_object nil = {.type = MSGPACK_OBJECT_NIL};
    return value ? (const msgpack_object *)value : &nil;
}

static const struct fetchpool_value *value_of(const msgpack_object *object)
{
    return (const struct fetchpool_value *)object;
}

enum fetchpool_type fetchpool_value_type(const struct fetchpool_value *value)
{
    switch (object_of(value)->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        return FETCHPOOL_BOOLEAN;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return FETCHPOOL_INTEGER;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return FETCHPOOL_REAL;
    case MSGPACK_OBJECT_STR:
    case MSGPACK_OBJECT_BIN:
        return FETCHPOOL_STRING;
    case MSGPACK_OBJECT_ARRAY:
        return FETCHPOOL_ARRAY;
    case MSGPACK_OBJECT_MAP:
        return FETCHPOOL_MAP;
    case MSGPACK_OBJECT_NIL:
    case MSGPACK_OBJECT_EXT:
        return FETCHPOOL_NIL;
    }
    return FETCHPOOL_NIL;
}

size_t fetchpool_value_length(const struct fetchpool_value *value)
{
    const msgpack_object *object = object_of(value);
    switch (fetchpool_value_type(value)) {
    case FETCHPOOL_STRING:
        return object->type == MSGPACK_OBJECT_STR ? object->via.str.size : object->via.bin.size;
    case FETCHPOOL_ARRAY:
        return object->via.array.size;
    case FETCHPOOL_MAP:
        return object->via.map.size;
    default:
        return 0;
    }
}

int64_t fetchpool_value_integer(const struct fetchpool_value *value)
{
    const msgpack_object *object = object_of(value);
    switch (object->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        return object->via.boolean;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return object->via.u64 > INT64_MAX ? INT64_MAX : (int64_t)object->via.u64;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return object->via.i64;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        if (object->via.f64 >= (double)INT64_MAX)
            return INT64_MAX;
        if (object->via.f64 <= (double)INT64_MIN)
            return INT64_MIN;
        return object->via.f64 == object->via.f64 ? (int64_t)object->via.f64 : 0;
    default:
        return 0;
    }
}

double fetchpool_value_real(const struct fetchpool_value *value)
{
    const msgpack_object *object = object_of(value);
    switch (object->type) {
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return object->via.f64;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return (double)object->via.u64;
    default:
        return (double)fetchpool_value_integer(value);
    }
}

const char *fetchpool_value_string(const struct fetchpool_value *value)
{
    const msgpack_object *object = object_of(value);
    if (fetchpool_value_type(value) != FETCHPOOL_STRING)
        return NULL;
    const char *bytes = object->type == MSGPACK_OBJECT_STR ? object->via.str.ptr
                                                           : object->via.bin.ptr;
    return bytes ? bytes : "";
}

const struct fetchpool_value *fetchpool_value_at(const struct fetchpool_value *value, size_t index)
{
    const msgpack_object *object = object_of(value);
    if (index >= fetchpool_value_length(value))
        return NULL;
    if (object->type == MSGPACK_OBJECT_ARRAY)
        return value_of(&object->via.array.ptr[index]);
    if (object->type == MSGPACK_OBJECT_MAP)
        return value_of(&object->via.map.ptr[index].val);
    return NULL;
}

const struct fetchpool_value *fetchpool_value_key_at(const struct fetchpool_value *value,
                                                     size_t index)
{
    const msgpack_object *object = object_of(value);
    if (object->type != MSGPACK_OBJECT_MAP || index >= object->via.map.size)
        return NULL;
    return value_of(&object->via.map.ptr[index].key);
}

const struct fetchpool_value *fetchpool_value_get(const struct fetchpool_value *value,
                                                  const char *key)
{
    const msgpack_object *object = object_of(value);
    if (object->type != MSGPACK_OBJECT_MAP || !key)
        return NULL;
    for (uint32_t i = 0; i < object->via.map.size; i++) {
        if (value_is_text(value_of(&object->via.map.ptr[i].key), key))
            return value_of(&object->via.map.ptr[i].val);
    }
    return NULL;
}

bool value_is_text(const struct fetchpool_value *value, const char *text)
{
    const char *bytes = fetchpool_value_string(value);
    size_t length = strlen(text);
    return bytes && fetchpool_value_length(value) == length && memcmp(bytes, text, length) == 0;
}

bool value_as_unsigned(const struct fetchpool_value *value, uint64_t *out_number)
{
    const msgpack_object *object = object_of(value);
    if (object->type != MSGPACK_OBJECT_POSITIVE_INTEGER)
        return false;
    *out_number = object->via.u64;
    return true;
}

bool value_as_boolean(const struct fetchpool_value *value, bool *out_boolean)
{
    const msgpack_object *object = object_of(value);
    if (object->type != MSGPACK_OBJECT_BOOLEAN)
        return false;
    *out_boolean = object->via.boolean;
    return true;
}

bool value_is_bin(const struct fetchpool_value *value)
{
    return object_of(value)->type == MSGPACK_OBJECT_BIN;
}

bool value_as_extension(const struct fetchpool_value *value, int8_t *out_type,
                        const char **out_bytes, size_t *out_length)
{
    const msgpack_object *object = object_of(value);
    if (object->type != MSGPACK_OBJECT_EXT)
        return false;
    *out_type = object->via.ext.type;
    *out_bytes = object->via.ext.ptr;
    *out_length = object->via.ext.size;
    return true;
}

const char *value_type_name(const struct fetchpool_value *value)
{
    switch (fetchpool_value_type(value)) {
    case FETCHPOOL_NIL:
        return "nil";
    case FETCHPOOL_BOOLEAN:
        return "a boolean";
    case FETCHPOOL_INTEGER:
        return object_of(value)->type == MSGPACK_OBJECT_NEGATIVE_INTEGER ? "a negative integer"
                                                                         : "an integer";
    case FETCHPOOL_REAL:
        return "a floating-point number";
    case FETCHPOOL_STRING:
        return "a string";
    case FETCHPOOL_ARRAY:
        return "an array";
    case FETCHPOOL_MAP:
        return "a map";
    }
    return "nothing known";
}
