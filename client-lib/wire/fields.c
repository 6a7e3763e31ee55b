/*
 * fields: lists of header fields, read and written. They come as [[name, value], ...] or as a map,
 * and go out as the former, which keeps order and repeats.
 */
#include "internal.h"
#include "value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int wire_wrong_type(struct wire_why *why, const char *key, const char *expected,
                    const struct fetchpool_value *value)
{
    return wire_why_set(why, "%s must be %s, not %s", key, expected, value_type_name(value));
}

static int read_field(struct wire_field *out_field, const struct fetchpool_value *name,
                      const struct fetchpool_value *value, size_t index, struct wire_why *why)
{
    if (!fetchpool_value_string(name) || !fetchpool_value_string(value))
        return wire_why_set(why, "headers[%zu] must be a name and a value, both strings", index);
    *out_field = (struct wire_field){
        .name = {fetchpool_value_string(name), fetchpool_value_length(name)},
        .value = {fetchpool_value_string(value), fetchpool_value_length(value)},
    };
    return 0;
}

int wire_read_fields(struct wire_field **out_fields, size_t *out_count,
                     const struct fetchpool_value *value, struct wire_why *why)
{
    enum fetchpool_type type = fetchpool_value_type(value);
    if (type != FETCHPOOL_ARRAY && type != FETCHPOOL_MAP)
        return wire_wrong_type(why, "headers", "an array of pairs or a map", value);
    size_t count = fetchpool_value_length(value);
    if (count == 0)
        return 0;
    struct wire_field *fields = reallocarray(NULL, count, sizeof *fields); /* each is written */
    if (!fields)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        const struct fetchpool_value *item = fetchpool_value_at(value, i);
        const struct fetchpool_value *name = fetchpool_value_key_at(value, i);
        if (type == FETCHPOOL_ARRAY) {
            name = fetchpool_value_length(item) == 2 ? fetchpool_value_at(item, 0) : NULL;
            item = fetchpool_value_at(item, 1);
        }
        int result = read_field(&fields[i], name, item, i, why);
        if (result < 0) {
            free(fields);
            return result;
        }
    }
    free(*out_fields); /* a map may hold a key twice; the last one counts */
    *out_fields = fields;
    *out_count = count;
    return 0;
}

/* How many bytes follow this first byte of a UTF-8 sequence; -1 if none can begin with it. */
static int tail_length(unsigned char first)
{
    return first < 0x80   ? 0
           : first < 0xc2 ? -1
           : first < 0xe0 ? 1
           : first < 0xf0 ? 2
           : first < 0xf5 ? 3
                          : -1;
}

/* RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF. */
size_t wire_utf8_length(struct wire_str str)
{
    const unsigned char *at = (const unsigned char *)str.data;
    int tail = str.length > 0 ? tail_length(*at) : -1;
    if (tail < 0 || (size_t)tail >= str.length)
        return 0;
    bool is_bad_second = tail > 0 &&
                         ((*at == 0xe0 && at[1] < 0xa0) || (*at == 0xed && at[1] > 0x9f) ||
                          (*at == 0xf0 && at[1] < 0x90) || (*at == 0xf4 && at[1] > 0x8f));
    if (is_bad_second)
        return 0;
    for (int i = 1; i <= tail; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    return (size_t)tail + 1;
}

/* Most are ASCII, of which eight bytes are looked at at a time. */
static size_t ascii_length(struct wire_str str)
{
    size_t length = 0;
    uint64_t eight;
    for (; str.length - length >= sizeof eight; length += sizeof eight) {
        memcpy(&eight, str.data + length, sizeof eight);
        if (eight & 0x8080808080808080)
            break;
    }
    while (length < str.length && (unsigned char)str.data[length] < 0x80)
        length++;
    return length;
}

bool wire_is_utf8(struct wire_str str)
{
    size_t ascii = ascii_length(str);
    str.data += ascii;
    str.length -= ascii;
    while (str.length > 0) {
        size_t length = wire_utf8_length(str);
        if (length == 0)
            return false;
        str.data += length;
        str.length -= length;
    }
    return true;
}

void wire_put_fields(struct buffer *buffer, const struct wire_field *fields, size_t count)
{
    wire_put_array(buffer, count);
    for (size_t i = 0; i < count; i++) {
        wire_put_array(buffer, 2);
        wire_put_any(buffer, fields[i].name);
        wire_put_any(buffer, fields[i].value);
    }
}
