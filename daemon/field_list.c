/*
 * field_list: see field_list.h. While the list grows, its text may move, so that `data` of each
 * view is set anew after every move.
 */
#include "field_list.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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

static int reserve_field(struct field_list *list)
{
    if (list->count < list->capacity)
        return 0;
    size_t capacity = list->capacity ? 2 * list->capacity : 16;
    struct wire_field *fields = realloc(list->fields, capacity * sizeof *fields);
    if (!fields)
        return -ENOMEM;
    list->fields = fields;
    list->capacity = capacity;
    return 0;
}

static int append_string(struct buffer *text, struct wire_str str)
{
    int result = buffer_append(text, str.data, str.length);
    return result < 0 ? result : buffer_append(text, "", 1);
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
    size_t mark = list->text.length;
    const uint8_t *before = list->text.data;
    int result = reserve_field(list);
    if (result == 0)
        result = append_string(&list->text, name);
    if (result == 0)
        result = append_string(&list->text, value);
    if (result < 0) {
        buffer_truncate(&list->text, mark);
        renew_views(list);
        return result;
    }
    const char *at = (const char *)list->text.data + mark;
    list->fields[list->count++] = (struct wire_field){
        .name = {at, name.length}, .value = {at + name.length + 1, value.length}};
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
    for (size_t i = 0; i < list->count; i++) {
        if (strcasecmp(list->fields[i].name.data, name) == 0)
            return list->fields[i].value;
    }
    return (struct wire_str){0};
}
