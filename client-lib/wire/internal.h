/* What the files of wire/ share among themselves: values that are written, and fields. */
#pragma once

#include "buffer.h"
#include "fetchpool_wire.h"

void wire_put_bin(struct buffer *buffer, struct wire_str bytes);
/* Only what is before the bytes, which must follow. */
void wire_put_bin_head(struct buffer *buffer, size_t length);

bool wire_is_utf8(struct wire_str str);

/* Writes "KEY must be EXPECTED, not WHAT IT IS"; returns -EINVAL. */
int wire_wrong_type(struct wire_why *why, const char *key, const char *expected,
                    const struct fetchpool_value *value);

/* 0, -ENOMEM or -EINVAL with the reason. Replaces and frees what the outputs held before. */
int wire_read_fields(struct wire_field **out_fields, size_t *out_count,
                     const struct fetchpool_value *value, struct wire_why *why);
void wire_put_fields(struct buffer *buffer, const struct wire_field *fields, size_t count);

/* A key and its number; and that number, 0 where there is none. */
static inline void wire_put_number(struct buffer *buffer, const char *key, uint64_t number)
{
    wire_put_text(buffer, key);
    wire_put_unsigned(buffer, number);
}
uint64_t wire_number_in(const struct fetchpool_value *map, const char *key);

void wire_put_timing(struct buffer *buffer, const struct fetchpool_timing *timing);
struct fetchpool_timing wire_read_timing(const struct fetchpool_value *map);
