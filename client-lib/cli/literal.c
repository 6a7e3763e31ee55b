/* literal: see literal.h. No tree of the message is built: it may have millions of values. */
#include "literal.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "character.h"
#include "fetchpool_wire.h"
#include "value.h"

/* Room for any number. */
#define NUMBER_BYTES 32

/* Digits that every decimal number keeps on its way through a double; and every double. */
#define DIGITS       15
#define DIGITS_EXACT 17

/* ---- Text ------------------------------------------------------------------------------------ */

/* Bytes of the character that begins here; 0 for none. */
static size_t sequence_length(const char *bytes, size_t length)
{
    return wire_utf8_length((struct wire_str){bytes, length});
}

/* How many of the bytes are whole UTF-8 sequences, from the first on. */
static size_t text_length(const char *bytes, size_t length)
{
    size_t at = 0;
    while (at < length) {
        size_t count = sequence_length(bytes + at, length - at);
        if (count == 0)
            break;
        at += count;
    }
    return at;
}

/* One character. What may not be shown is below U+00A0, where UTF-8's last byte is its number. */
static void put_escaped(struct buffer *out, const char *bytes, size_t length)
{
    if (length == 1 && (*bytes == '"' || *bytes == '\\'))
        buffer_append_format(out, "\\%c", *bytes);
    else if (*bytes == '\n' || *bytes == '\r' || *bytes == '\t')
        buffer_append_format(out, "\\%c", *bytes == '\n' ? 'n' : *bytes == '\r' ? 'r' : 't');
    else if (character_length(bytes, length) == 0)
        buffer_append_format(out, "\\u%04x", (unsigned char)bytes[length - 1]);
    else
        buffer_append(out, bytes, length);
}

void literal_put_text(struct buffer *out, const char *bytes, size_t length)
{
    buffer_append(out, "\"", 1);
    while (length > 0 && out->error == 0) {
        size_t count = sequence_length(bytes, length);
        if (count > 0)
            put_escaped(out, bytes, count);
        else
            buffer_append(out, "?", 1);
        count = count > 0 ? count : 1;
        bytes += count;
        length -= count;
    }
    buffer_append(out, "\"", 1);
}

/* ---- Bytes ----------------------------------------------------------------------------------- */

static void put_base64(struct buffer *out, const char *bytes, size_t length)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *at = (const unsigned char *)bytes;
    buffer_append(out, "\"", 1);
    for (size_t i = 0; i < length && out->error == 0; i += 3) {
        size_t count = length - i < 3 ? length - i : 3;
        uint32_t group = (uint32_t)at[i] << 16;
        group |= count > 1 ? (uint32_t)at[i + 1] << 8 : 0;
        group |= count > 2 ? at[i + 2] : 0;
        const char quartet[4] = {digits[group >> 18], digits[group >> 12 & 63],
                                 count > 1 ? digits[group >> 6 & 63] : '=',
                                 count > 2 ? digits[group & 63] : '='};
        buffer_append(out, quartet, sizeof quartet);
    }
    buffer_append(out, "\"", 1);
}

/* The most bytes of a UTF-8 sequence, less one: what a cut may leave of its last one. */
#define CUT_SEQUENCE_BYTES 3

static void put_string(struct buffer *out, const struct fetchpool_value *value, size_t max_bytes)
{
    const char *bytes = fetchpool_value_string(value);
    size_t length = fetchpool_value_length(value);
    bool is_cut = length > max_bytes;
    size_t shown = is_cut ? max_bytes : length;
    size_t text = text_length(bytes, shown);
    bool is_text = text == shown || (is_cut && shown - text <= CUT_SEQUENCE_BYTES && text > 0);
    const char *kind = value_is_bin(value) ? "bin" : "str";
    if (is_text && !is_cut && !value_is_bin(value)) {
        literal_put_text(out, bytes, length);
        return;
    }
    buffer_append_format(out, "{\"%s%s\":", kind, is_text ? "" : "_base64");
    if (is_text)
        literal_put_text(out, bytes, text);
    else
        put_base64(out, bytes, shown);
    if (is_cut)
        buffer_append_format(out, ",\"length\":%zu", length);
    buffer_append(out, "}", 1);
}

static void put_extension(struct buffer *out, int type, const char *bytes, size_t length,
                          size_t max_bytes)
{
    buffer_append_format(out, "{\"ext\":%d,\"base64\":", type);
    put_base64(out, bytes, length < max_bytes ? length : max_bytes);
    if (length > max_bytes)
        buffer_append_format(out, ",\"length\":%zu", length);
    buffer_append(out, "}", 1);
}

/* ---- Numbers --------------------------------------------------------------------------------- */

static void put_integer(struct buffer *out, const struct fetchpool_value *value)
{
    uint64_t number;
    if (value_as_unsigned(value, &number))
        buffer_append_format(out, "%" PRIu64, number);
    else
        buffer_append_format(out, "%" PRId64, fetchpool_value_integer(value));
}

/* With a point or an exponent, so that it is no integer to its reader either. */
static void put_real(struct buffer *out, double real)
{
    char number[NUMBER_BYTES];
    if (!isfinite(real)) {
        const char *name = isnan(real) ? "nan" : real > 0 ? "inf" : "-inf";
        buffer_append_format(out, "{\"float\":\"%s\"}", name);
        return;
    }
    snprintf(number, sizeof number, "%.*g", DIGITS, real);
    if (strtod(number, NULL) != real)
        snprintf(number, sizeof number, "%.*g", DIGITS_EXACT, real);
    buffer_append_text(out, number);
    if (!strpbrk(number, ".e"))
        buffer_append_text(out, ".0");
}

/* ---- Values ---------------------------------------------------------------------------------- */

static void put_array(struct buffer *out, const struct fetchpool_value *array, size_t max_bytes)
{
    buffer_append(out, "[", 1);
    for (size_t i = 0; i < fetchpool_value_length(array) && out->error == 0; i++) {
        if (i > 0)
            buffer_append(out, ",", 1);
        literal_put(out, fetchpool_value_at(array, i), max_bytes);
    }
    buffer_append(out, "]", 1);
}

static void put_key(struct buffer *out, const struct fetchpool_value *key, size_t max_bytes)
{
    const char *bytes = fetchpool_value_string(key);
    size_t length = fetchpool_value_length(key);
    if (bytes && !value_is_bin(key) && length <= max_bytes &&
        text_length(bytes, length) == length) {
        literal_put_text(out, bytes, length);
        return;
    }
    struct buffer text;
    buffer_init(&text, SIZE_MAX / 2);
    literal_put(&text, key, max_bytes);
    literal_put_text(out, (const char *)text.data, text.length);
    if (text.error && !out->error)
        out->error = text.error;
    buffer_finish(&text);
}

static void put_map(struct buffer *out, const struct fetchpool_value *map, size_t max_bytes)
{
    buffer_append(out, "{", 1);
    for (size_t i = 0; i < fetchpool_value_length(map) && out->error == 0; i++) {
        if (i > 0)
            buffer_append(out, ",", 1);
        put_key(out, fetchpool_value_key_at(map, i), max_bytes);
        buffer_append(out, ":", 1);
        literal_put(out, fetchpool_value_at(map, i), max_bytes);
    }
    buffer_append(out, "}", 1);
}

void literal_put(struct buffer *out, const struct fetchpool_value *value, size_t max_bytes)
{
    int8_t type;
    const char *bytes;
    size_t length;
    switch (fetchpool_value_type(value)) {
    case FETCHPOOL_NIL:
        if (value_as_extension(value, &type, &bytes, &length))
            put_extension(out, type, bytes, length, max_bytes);
        else
            buffer_append_text(out, "null");
        break;
    case FETCHPOOL_BOOLEAN:
        buffer_append_text(out, fetchpool_value_integer(value) ? "true" : "false");
        break;
    case FETCHPOOL_INTEGER:
        put_integer(out, value);
        break;
    case FETCHPOOL_REAL:
        put_real(out, fetchpool_value_real(value));
        break;
    case FETCHPOOL_STRING:
        put_string(out, value, max_bytes);
        break;
    case FETCHPOOL_ARRAY:
        put_array(out, value, max_bytes);
        break;
    case FETCHPOOL_MAP:
        put_map(out, value, max_bytes);
        break;
    }
}
