/*
 * literal: any MessagePack value as JSON on one line, for reading and for jq. Unlike json, it
 * shows what JSON has no word for:
 *
 *     {"bin": "hello\n"}                bytes that are UTF-8
 *     {"bin_base64": "/9j/"}            bytes that are not
 *     {"str_base64": "/9j/"}            text that is not
 *     {"bin": "hel", "length": 70000}   longer than is shown: its beginning, and its bytes in all
 *     {"ext": 5, "base64": "AAA="}      an extension
 *     {"float": "nan"}                  also inf, -inf
 *
 * A key that is no UTF-8 text is the JSON of what it is, as text; a key that comes twice is shown
 * twice. Control characters are escaped, those of 8 bits included.
 */
#pragma once

#include "buffer.h"
#include "fetchpool.h"

/*
 * Appends the value; of each text and each bytes at most max_bytes are shown. What could not be
 * allocated is in the buffer's `error`.
 */
void literal_put(struct buffer *out, const struct fetchpool_value *value, size_t max_bytes);

/* Appends these bytes as a JSON string; what is not UTF-8 as "?". */
void literal_put_text(struct buffer *out, const char *bytes, size_t length);
