/* json: see json.h. */
#include "json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#define INDENT 2

/* Digits that every decimal number keeps on its way through a double: 0.9 stays 0.9. */
#define DIGITS 15

#define FLAGS (JSON_INDENT(INDENT) | JSON_REAL_PRECISION(DIGITS) | JSON_ENCODE_ANY)

static json_t *convert(const struct fetchpool_value *value);

/* A name that a client chose may be any bytes, JSON is UTF-8. */
static json_t *convert_string(const char *bytes, size_t length)
{
    json_t *string = json_stringn(bytes, length);
    if (string)
        return string;
    char *ascii = malloc(length + 1);
    if (!ascii)
        return NULL;
    for (size_t i = 0; i < length; i++)
        ascii[i] = (bytes[i] & 0x80) ? '?' : bytes[i];
    string = json_stringn(ascii, length);
    free(ascii);
    return string;
}

static json_t *convert_array(const struct fetchpool_value *value)
{
    json_t *array = json_array();
    int result = 0;
    for (size_t i = 0; array && result == 0 && i < fetchpool_value_length(value); i++)
        result = json_array_append_new(array, convert(fetchpool_value_at(value, i)));
    if (result == 0)
        return array;
    json_decref(array);
    return NULL;
}

/* JSON has no keys but strings; the daemon sends no others. */
static json_t *convert_map(const struct fetchpool_value *value)
{
    json_t *object = json_object();
    int result = 0;
    for (size_t i = 0; object && result == 0 && i < fetchpool_value_length(value); i++) {
        const struct fetchpool_value *key = fetchpool_value_key_at(value, i);
        char *name = strndup(fetchpool_value_string(key) ? fetchpool_value_string(key) : "",
                             fetchpool_value_length(key));
        json_t *item = name ? convert(fetchpool_value_at(value, i)) : NULL;
        result = json_object_set_new(object, name, item);
        free(name);
    }
    if (result == 0)
        return object;
    json_decref(object);
    return NULL;
}

/* JSON has neither infinities nor NaN. */
static json_t *convert_real(double real)
{
    return isfinite(real) ? json_real(real) : json_null();
}

static json_t *convert(const struct fetchpool_value *value)
{
    switch (fetchpool_value_type(value)) {
    case FETCHPOOL_NIL:
        return json_null();
    case FETCHPOOL_BOOLEAN:
        return json_boolean(fetchpool_value_integer(value));
    case FETCHPOOL_INTEGER:
        return json_integer(fetchpool_value_integer(value));
    case FETCHPOOL_REAL:
        return convert_real(fetchpool_value_real(value));
    case FETCHPOOL_STRING:
        return convert_string(fetchpool_value_string(value), fetchpool_value_length(value));
    case FETCHPOOL_ARRAY:
        return convert_array(value);
    case FETCHPOOL_MAP:
        return convert_map(value);
    }
    return NULL;
}

static int append(const char *bytes, size_t length, void *buffer)
{
    return buffer_append(buffer, bytes, length) < 0 ? -1 : 0;
}

void json_render(struct buffer *buffer, const struct fetchpool_value *value)
{
    json_t *json = convert(value);
    int result = json ? json_dump_callback(json, append, buffer, FLAGS) : -1;
    json_decref(json);
    if (result < 0 && buffer->error == 0)
        buffer->error = -ENOMEM;
    else
        buffer_append(buffer, "\n", 1);
}
