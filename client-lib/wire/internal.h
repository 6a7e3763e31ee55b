/* What the files of wire/ share among themselves: msgpack-c's packer over a buffer, and fields. */
#pragma once

#include "buffer.h"
#include "fetchpool_wire.h"

#include <msgpack.h>

/* A packer that appends to the buffer. Cheap: make one where it is needed. */
msgpack_packer wire_packer(struct buffer *buffer);

void wire_pack_str(msgpack_packer *packer, struct wire_str str);
void wire_pack_bin(msgpack_packer *packer, struct wire_str str);

/*
 * As str if it is UTF-8, else as bin. Origins send Latin-1 or worse; as str it would make many
 * libraries refuse the whole message, as bin it costs nobody anything.
 */
void wire_pack_any(msgpack_packer *packer, struct wire_str bytes);

/* Writes "KEY must be EXPECTED, not WHAT IT IS"; returns -EINVAL. */
int wire_wrong_type(struct wire_why *why, const char *key, const char *expected,
                    const struct fetchpool_value *value);

/* 0, -ENOMEM or -EINVAL with the reason. Replaces and frees what the outputs held before. */
int wire_read_fields(struct wire_field **out_fields, size_t *out_count,
                     const struct fetchpool_value *value, struct wire_why *why);
void wire_pack_fields(msgpack_packer *packer, const struct wire_field *fields, size_t count);

/* A key and its number; and that number, 0 where there is none. */
void wire_pack_number(msgpack_packer *packer, const char *key, uint64_t number);
uint64_t wire_number_in(const struct fetchpool_value *map, const char *key);

void wire_pack_timing(msgpack_packer *packer, const struct fetchpool_timing *timing);
struct fetchpool_timing wire_read_timing(const struct fetchpool_value *map);
