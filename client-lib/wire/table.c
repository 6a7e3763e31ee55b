/* table: see table.h. Reads values through the public functions only. */
#include "table.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "buffer.h"

/* Columns beyond this are not shown; the widest table of the protocol has ten. */
#define TABLE_MAX_COLUMNS 24

/* A longer cell is shown whole, and pushes its line's later cells aside: other lines are not padded
 * for its sake. */
#define TABLE_MAX_WIDTH 80

/* Room for any number, and for the start of a string that is only measured. */
#define CELL_TEXT_BYTES 32

struct cell {
    const char *bytes;
    size_t length;
    char number[CELL_TEXT_BYTES];
};

static void cell_set(struct cell *cell, const struct fetchpool_value *value)
{
    int length = 0;
    cell->bytes = cell->number;
    switch (fetchpool_value_type(value)) {
    case FETCHPOOL_STRING:
        cell->bytes = fetchpool_value_string(value);
        cell->length = fetchpool_value_length(value);
        return;
    case FETCHPOOL_INTEGER:
        length = snprintf(cell->number, sizeof cell->number, "%lld",
                          (long long)fetchpool_value_integer(value));
        break;
    case FETCHPOOL_REAL:
        length = snprintf(cell->number, sizeof cell->number, "%.6g", fetchpool_value_real(value));
        break;
    case FETCHPOOL_BOOLEAN:
        length = snprintf(cell->number, sizeof cell->number, "%s",
                          fetchpool_value_integer(value) ? "yes" : "no");
        break;
    case FETCHPOOL_NIL:
        length = snprintf(cell->number, sizeof cell->number, "-");
        break;
    case FETCHPOOL_ARRAY:
    case FETCHPOOL_MAP:
        length = snprintf(cell->number, sizeof cell->number, "(%zu)",
                          fetchpool_value_length(value));
        break;
    }
    cell->length = length > 0 ? (size_t)length : 0;
}

static bool is_number(const struct fetchpool_value *value)
{
    enum fetchpool_type type = fetchpool_value_type(value);
    return type == FETCHPOOL_INTEGER || type == FETCHPOOL_REAL;
}

static void put_printable(struct buffer *out, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length && out->error == 0; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        buffer_append(out, byte < 0x20 || byte == 0x7f ? "?" : &bytes[i], 1);
    }
}

static void put_spaces(struct buffer *out, size_t count)
{
    while (count-- > 0 && out->error == 0)
        buffer_append(out, " ", 1);
}

/* The last cell of a line is not padded on its right. */
static void put_cell(struct buffer *out, const struct cell *cell, size_t width, bool to_the_right,
                     bool is_last)
{
    size_t padding = width > cell->length ? width - cell->length : 0;
    if (to_the_right)
        put_spaces(out, padding);
    put_printable(out, cell->bytes, cell->length);
    if (is_last)
        buffer_append(out, "\n", 1);
    else
        put_spaces(out, (to_the_right ? 0 : padding) + 2);
}

static size_t column_width(const struct fetchpool_value *list, const struct fetchpool_value *name,
                           size_t column)
{
    size_t width = fetchpool_value_length(name);
    for (size_t row = 0; row < fetchpool_value_length(list); row++) {
        struct cell cell;
        cell_set(&cell, fetchpool_value_at(fetchpool_value_at(list, row), column));
        if (cell.length > width)
            width = cell.length;
    }
    return width < TABLE_MAX_WIDTH ? width : TABLE_MAX_WIDTH;
}

/* The rows of a table are maps with the same keys in the same order. */
static void render_table(struct buffer *out, const struct fetchpool_value *list)
{
    const struct fetchpool_value *first = fetchpool_value_at(list, 0);
    size_t columns = fetchpool_value_length(first);
    size_t widths[TABLE_MAX_COLUMNS];
    struct cell cell;
    if (columns > TABLE_MAX_COLUMNS)
        columns = TABLE_MAX_COLUMNS;
    for (size_t i = 0; i < columns; i++) {
        const struct fetchpool_value *name = fetchpool_value_key_at(first, i);
        widths[i] = column_width(list, name, i);
        cell_set(&cell, name);
        put_cell(out, &cell, widths[i], is_number(fetchpool_value_at(first, i)), i + 1 == columns);
    }
    for (size_t row = 0; row < fetchpool_value_length(list); row++) {
        const struct fetchpool_value *map = fetchpool_value_at(list, row);
        for (size_t i = 0; i < columns; i++) {
            const struct fetchpool_value *value = fetchpool_value_at(map, i);
            cell_set(&cell, value);
            put_cell(out, &cell, widths[i], is_number(value), i + 1 == columns);
        }
    }
}

/* `prefix` is the name of the map that this one is in, with its dot. */
static void render_map(struct buffer *out, const struct fetchpool_value *map, const char *prefix)
{
    for (size_t i = 0; i < fetchpool_value_length(map); i++) {
        const struct fetchpool_value *key = fetchpool_value_key_at(map, i);
        const struct fetchpool_value *value = fetchpool_value_at(map, i);
        struct cell name, cell;
        cell_set(&name, key);
        if (fetchpool_value_type(value) == FETCHPOOL_MAP && prefix[0] == '\0') {
            char inner[64];
            snprintf(inner, sizeof inner, "%.*s.", (int)name.length, name.bytes);
            render_map(out, value, inner);
            continue;
        }
        cell_set(&cell, value);
        put_printable(out, prefix, strlen(prefix));
        put_printable(out, name.bytes, name.length);
        buffer_append(out, " ", 1);
        put_printable(out, cell.bytes, cell.length);
        buffer_append(out, "\n", 1);
    }
}

void table_render(struct buffer *out, const struct fetchpool_value *value)
{
    struct cell cell;
    switch (fetchpool_value_type(value)) {
    case FETCHPOOL_ARRAY:
        if (fetchpool_value_length(value) == 0)
            buffer_append_text(out, "none\n");
        else
            render_table(out, value);
        break;
    case FETCHPOOL_MAP:
        render_map(out, value, "");
        break;
    default:
        cell_set(&cell, value);
        put_cell(out, &cell, 0, false, true);
        break;
    }
}
