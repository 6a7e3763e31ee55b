/*
 * value: what is under `struct fetchpool_value`, for those who decode messages. The reading
 * functions are public, in fetchpool.h; the type is msgpack-c's object by another name, so that
 * nobody else has to include msgpack-c. Values are views into a decoded message: see
 * wire_message_open() in fetchpool_wire.h.
 */
#pragma once

#include "fetchpool.h"

#include <stdbool.h>

/* Is it a string that equals this text? */
bool value_is_text(const struct fetchpool_value *value, const char *text);

/* An unsigned integer. Returns false for anything else, and leaves the output alone. */
bool value_as_unsigned(const struct fetchpool_value *value, uint64_t *out_number);

/* A boolean. */
bool value_as_boolean(const struct fetchpool_value *value, bool *out_boolean);

/* Bytes (bin), which the public functions do not tell from text (str). */
bool value_is_bin(const struct fetchpool_value *value);

/* An extension, which is nil to the public functions. Returns false for anything else, and leaves
 * the outputs alone. */
bool value_as_extension(const struct fetchpool_value *value, int8_t *out_type,
                        const char **out_bytes, size_t *out_length);

/* What it is, in words for an error message: "a string". */
const char *value_type_name(const struct fetchpool_value *value);
