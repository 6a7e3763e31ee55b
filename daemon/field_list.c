/*
 * field_list: see field_list.h. While the list grows, its text may move, so that `data` of each
 * view is set anew after every move.
 */
#include "field_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LEAST_FIELDS 16

void field_list_init(struct field_list *list, size_t max_bytes)
{
    *list = (struct field_list){0};
    buffer_init(&list->text, max_bytes);
}

void field_list_finish(struct field_list *list)
{
    buffer_finish(&list->text);
    free(list->fields);
    list->fields = NULL;
    list->count = list->capacity = 0;
}

void field_list_clear(struct field_list *list)
{
    buffer_truncate(&list->text, 0);
    list->count = 0;
}

void field_list_rest(struct field_list *list)
{
    if (list->text.capacity > FIELD_LIST_RESTING_BYTES || list->capacity > LEAST_FIELDS)
        field_list_finish(list);
    else
        field_list_clear(list);
}

static int reserve_field(struct field_list *list)
{
    if (list->count < list->capacity)
        return 0;
    size_t capacity = list->capacity ? 2 * list->capacity : LEAST_FIELDS;
    struct wire_field *fields = realloc(list->fields, capacity * sizeof *fields);
    if (!fields)
        return -ENOMEM;
    list->fields = fields;
    list->capacity = capacity;
    return 0;
}

static uint8_t *put_string(uint8_t *at, struct wire_str str)
{
    if (str.length > 0)
        memcpy(at, str.data, str.length);
    at[str.length] = '\0';
    return at + str.length + 1;
}

/* The text is name, NUL, value, NUL, and so on: the views follow from their lengths. */
static void renew_views(struct field_list *list)
{
    const char *at = (const char *)list->text.data;
    for (size_t i = 0; i < list->count; i++) {
        struct wire_field *field = &list->fields[i];
        field->name.data = at;
        field->value.data = at + field->name.length + 1;
        at = field->value.data + field->value.length + 1;
    }
}

int field_list_add(struct field_list *list, struct wire_str name, struct wire_str value)
{
    const uint8_t *before = list->text.data;
    if (reserve_field(list) < 0)
        return -ENOMEM;
    uint8_t *at = buffer_extend(&list->text, name.length + value.length + 2);
    if (!at) {
        int result = list->text.error;
        buffer_truncate(&list->text, list->text.length); /* its error is told, and forgotten */
        return result;
    }
    uint8_t *value_at = put_string(at, name);
    put_string(value_at, value);
    list->fields[list->count++] = (struct wire_field){
        .name = {(const char *)at, name.length},
        .value = {(const char *)value_at, value.length},
    };
    if (list->text.data != before)
        renew_views(list);
    return 0;
}

int field_list_extend(struct field_list *list, struct wire_str more)
{
    if (list->count == 0 || more.length == 0)
        return 0;
    struct wire_field *last = &list->fields[list->count - 1];
    size_t space = last->value.length > 0 ? 1 : 0;
    size_t mark = list->text.length;
    int result = buffer_append(&list->text, more.data, more.length);
    if (result == 0)
        result = buffer_append(&list->text, "", 1);
    if (result < 0) {
        buffer_truncate(&list->text, mark);
    } else {
        /* The value's NUL becomes the space, or gives way to what follows it. */
        uint8_t *nul = list->text.data + mark - 1;
        *nul = ' ';
        if (space == 0)
            memmove(nul, nul + 1, more.length + 1);
        list->text.length -= 1 - space;
        last->value.length += space + more.length;
    }
    renew_views(list);
    return result;
}

const struct wire_field *field_list_fields(const struct field_list *list)
{
    return list->fields;
}

struct wire_str field_list_find(const struct field_list *list, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < list->count; i++) {
        if (list->fields[i].name.length == length &&
            strcasecmp(list->fields[i].name.data, name) == 0)
            return list->fields[i].value;
    }
    return (struct wire_str){0};
}
