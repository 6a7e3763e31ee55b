/*
 * field_list: header fields in order, repeats included, with the bytes that they live in. Owns its
 * memory and knows nothing of what a field means.
 */
#pragma once

#include "buffer.h"
#include "fetchpool_wire.h"

struct field_list {
    struct buffer text; /* names and values, each ended by a NUL */
    struct wire_field *fields;
    size_t count, capacity;
};

/* `max_bytes` bounds the names and values together. */
void field_list_init(struct field_list *list, size_t max_bytes);
void field_list_finish(struct field_list *list);
void field_list_clear(struct field_list *list);

/* Empty, until it is used again: with its memory, if that is no more than this. */
#define FIELD_LIST_RESTING_BYTES 1024
void field_list_rest(struct field_list *list);

/* 0, -ENOMEM, or -EMSGSIZE beyond the bound. Views from before are void after it. */
int field_list_add(struct field_list *list, struct wire_str name, struct wire_str value);

/* Continues the value of the last field with a space, unless either is empty, and more. The same
 * results; no field, no change. */
int field_list_extend(struct field_list *list, struct wire_str more);

/* Views, as long as nothing is added. */
const struct wire_field *field_list_fields(const struct field_list *list);

/* The value of the first field of that name, without regard to case; absent if there is none. */
struct wire_str field_list_find(const struct field_list *list, const char *name);
