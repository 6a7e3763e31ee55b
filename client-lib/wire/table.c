/* table: see table.h. Reads values through the public functions only. */
#include "table.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "buffer.h"
#include "character.h"

/* Columns beyond this are not shown; the widest table of the protocol has 18. */
#define TABLE_MAX_COLUMNS 24

/* A longer cell is shown whole, and pushes its line's later cells aside: other lines are not padded
 * for its sake. */
#define TABLE_MAX_WIDTH 80

/* Room for any number. */
#define CELL_NUMBER_BYTES 32

/* Beyond this a real number is written with its exponent: its decimals say nothing any more. */
#define REAL_MAX_PLAIN 1e15

struct cell {
    const char *bytes;
    size_t length;
    char number[CELL_NUMBER_BYTES];
    struct buffer text; /* owned: a map's words; empty for anything else */
};

static void cell_finish(struct cell *cell)
{
    buffer_finish(&cell->text);
}

/* With three decimals at most, none of them a zero at the end. */
static int put_real(char *out, size_t size, double real)
{
    if (!(real > -REAL_MAX_PLAIN && real < REAL_MAX_PLAIN))
        return snprintf(out, size, "%.6g", real);
    int length = snprintf(out, size, "%.3f", real);
    while (length > 0 && out[length - 1] == '0')
        length--;
    if (length > 0 && out[length - 1] == '.')
        length--;
    return length;
}

static int put_scalar(char *out, size_t size, const struct fetchpool_value *value)
{
    switch (fetchpool_value_type(value)) {
    case FETCHPOOL_INTEGER:
        return snprintf(out, size, "%lld", (long long)fetchpool_value_integer(value));
    case FETCHPOOL_REAL:
        return put_real(out, size, fetchpool_value_real(value));
    case FETCHPOOL_BOOLEAN:
        return snprintf(out, size, "%s", fetchpool_value_integer(value) ? "yes" : "no");
    case FETCHPOOL_ARRAY:
    case FETCHPOOL_MAP:
        return snprintf(out, size, "(%zu)", fetchpool_value_length(value));
    case FETCHPOOL_STRING: /* not a scalar: its callers look at it first */
    case FETCHPOOL_NIL:
        break;
    }
    return snprintf(out, size, "-");
}

static void put_inner(struct buffer *out, const struct fetchpool_value *value)
{
    char scalar[CELL_NUMBER_BYTES];
    if (fetchpool_value_type(value) == FETCHPOOL_STRING)
        buffer_append(out, fetchpool_value_string(value), fetchpool_value_length(value));
    else
        buffer_append(out, scalar, (size_t)put_scalar(scalar, sizeof scalar, value));
}

/* "0/12/40": the keys are the same in every row, and would not fit. */
static void put_values(struct buffer *out, const struct fetchpool_value *map)
{
    for (size_t i = 0; i < fetchpool_value_length(map); i++) {
        if (i > 0)
            buffer_append(out, "/", 1);
        put_inner(out, fetchpool_value_at(map, i));
    }
}

/* "CLOSED=3 TIMEOUT=1", or "queue=0/12/40 total=800/1200/9000". */
static void put_pairs(struct buffer *out, const struct fetchpool_value *map)
{
    for (size_t i = 0; i < fetchpool_value_length(map); i++) {
        const struct fetchpool_value *value = fetchpool_value_at(map, i);
        if (i > 0)
            buffer_append(out, " ", 1);
        put_inner(out, fetchpool_value_key_at(map, i));
        buffer_append(out, "=", 1);
        if (fetchpool_value_type(value) == FETCHPOOL_MAP)
            put_values(out, value);
        else
            put_inner(out, value);
    }
}

/* To be finished. A map that memory was short for is shown as its size alone. */
static void cell_set(struct cell *cell, const struct fetchpool_value *value)
{
    enum fetchpool_type type = fetchpool_value_type(value);
    buffer_init(&cell->text, SIZE_MAX / 2);
    if (type == FETCHPOOL_STRING) {
        cell->bytes = fetchpool_value_string(value);
        cell->length = fetchpool_value_length(value);
        return;
    }
    if (type == FETCHPOOL_MAP && fetchpool_value_length(value) > 0) {
        put_pairs(&cell->text, value);
        if (cell->text.error == 0) {
            cell->bytes = (const char *)cell->text.data;
            cell->length = cell->text.length;
            return;
        }
    }
    if (type == FETCHPOOL_MAP && fetchpool_value_length(value) == 0)
        value = NULL; /* nothing there, as with nil */
    cell->bytes = cell->number;
    cell->length = (size_t)put_scalar(cell->number, sizeof cell->number, value);
}

static void put_spaces(struct buffer *out, size_t count)
{
    while (count-- > 0 && out->error == 0)
        buffer_append(out, " ", 1);
}

/* The last cell of a line is not padded on its right. */
static void put_cell(struct buffer *out, const struct fetchpool_value *value, size_t width,
                     bool to_the_right, bool is_last)
{
    struct cell cell;
    cell_set(&cell, value);
    size_t padding = width > cell.length ? width - cell.length : 0;
    if (to_the_right)
        put_spaces(out, padding);
    character_put_all(out, cell.bytes, cell.length);
    if (is_last)
        buffer_append(out, "\n", 1);
    else
        put_spaces(out, (to_the_right ? 0 : padding) + 2);
    cell_finish(&cell);
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
        cell_finish(&cell);
    }
    return width < TABLE_MAX_WIDTH ? width : TABLE_MAX_WIDTH;
}

/* Numbers stand to the right; a column of them may have nil in some rows. */
static bool is_of_numbers(const struct fetchpool_value *list, size_t column)
{
    for (size_t row = 0; row < fetchpool_value_length(list); row++) {
        const struct fetchpool_value *map = fetchpool_value_at(list, row);
        enum fetchpool_type type = fetchpool_value_type(fetchpool_value_at(map, column));
        if (type == FETCHPOOL_INTEGER || type == FETCHPOOL_REAL)
            return true;
    }
    return false;
}

/* The rows of a table are maps with the same keys in the same order. */
static void render_table(struct buffer *out, const struct fetchpool_value *list)
{
    const struct fetchpool_value *first = fetchpool_value_at(list, 0);
    size_t columns = fetchpool_value_length(first);
    size_t widths[TABLE_MAX_COLUMNS];
    bool to_the_right[TABLE_MAX_COLUMNS];
    if (columns > TABLE_MAX_COLUMNS)
        columns = TABLE_MAX_COLUMNS;
    for (size_t i = 0; i < columns; i++) {
        const struct fetchpool_value *name = fetchpool_value_key_at(first, i);
        widths[i] = column_width(list, name, i);
        to_the_right[i] = is_of_numbers(list, i);
        put_cell(out, name, widths[i], to_the_right[i], i + 1 == columns);
    }
    for (size_t row = 0; row < fetchpool_value_length(list); row++) {
        const struct fetchpool_value *map = fetchpool_value_at(list, row);
        for (size_t i = 0; i < columns; i++)
            put_cell(out, fetchpool_value_at(map, i), widths[i], to_the_right[i], i + 1 == columns);
    }
}

/* `prefix` is the name of the map that this one is in, with its dot. */
static void render_map(struct buffer *out, const struct fetchpool_value *map, const char *prefix)
{
    for (size_t i = 0; i < fetchpool_value_length(map); i++) {
        const struct fetchpool_value *key = fetchpool_value_key_at(map, i);
        const struct fetchpool_value *value = fetchpool_value_at(map, i);
        struct cell name;
        cell_set(&name, key);
        if (fetchpool_value_type(value) == FETCHPOOL_MAP && prefix[0] == '\0') {
            char inner[64];
            snprintf(inner, sizeof inner, "%.*s.", (int)name.length, name.bytes);
            render_map(out, value, inner);
        } else {
            character_put_all(out, prefix, strlen(prefix));
            character_put_all(out, name.bytes, name.length);
            buffer_append(out, " ", 1);
            put_cell(out, value, 0, false, true);
        }
        cell_finish(&name);
    }
}

void table_render(struct buffer *out, const struct fetchpool_value *value)
{
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
        put_cell(out, value, 0, false, true);
        break;
    }
}
