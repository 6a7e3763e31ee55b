/* top_view: see top_view.h. fetchpool(1) has a list of the columns. */
#include "top_view.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "figure.h"

/* The least that the column which takes what is left must have before another column is shown. */
#define MIN_REST        12
#define MIN_REST_EXTRAS 32

#define MAX_COLUMNS 16

/* Two figures with a slash. */
#define CELL_BYTES ((size_t)2 * FIGURE_BYTES)

static const struct top_column origin_columns[] = {
    {"origin", "origin", 0, TOP_TEXT, false},
    {"conns", "connections", 7, TOP_CONNECTIONS, false},
    {"run", "running", 5, TOP_COUNT, false},
    {"queue", "queued", 5, TOP_COUNT, false},
    {"req/s", "requests", 5, TOP_RATE, false},
    {"reuse", "reuse_ratio", 5, TOP_PERCENT, false},
    {"p50/p99 ms", "total", 11, TOP_LATENCY, false},
    {"errors", "failed", 6, TOP_COUNT, false},
    {"requests", "requests", 8, TOP_COUNT, true},
    {"http", "http", 4, TOP_TEXT, true},
    {"retries", "retries", 7, TOP_COUNT, true},
    {"limit", "idle_limit_ms", 6, TOP_SPAN, true},
    {"saved", "ms_saved", 6, TOP_SPAN, true},
    {"state", "state", 7, TOP_TEXT, false},
};

static const struct top_column connection_columns[] = {
    {"id", "id", 6, TOP_NAME, false},
    {"origin", "origin", 0, TOP_TEXT, false},
    {"req/s", "requests", 5, TOP_RATE, false},
    {"streams", "streams", 7, TOP_COUNT, false},
    {"requests", "requests", 8, TOP_COUNT, false},
    {"age", "age_ms", 6, TOP_SPAN, false},
    {"idle", "idle_ms", 6, TOP_SPAN, false},
    {"http", "http", 4, TOP_TEXT, false},
    {"peer", "peer", 21, TOP_TEXT, true},
    {"state", "state", 8, TOP_TEXT, false},
};

static const struct top_column client_columns[] = {
    {"pid", "pid", 7, TOP_NAME, false},
    {"uid", "uid", 7, TOP_NAME, false},
    {"name", "name", 0, TOP_TEXT, false},
    {"req/s", "requests", 5, TOP_RATE, false},
    {"flight", "in_flight", 6, TOP_COUNT, false},
    {"queue", "queued", 5, TOP_COUNT, false},
    {"requests", "requests", 8, TOP_COUNT, false},
    {"bytes", "bytes", 5, TOP_COUNT, false},
    {"gid", "gid", 7, TOP_NAME, true},
    {"tag", "tag", 15, TOP_TEXT, false},
};

#define COLUMNS(list) (list), sizeof(list) / sizeof(list)[0]

const struct top_view top_views[] = {
    {"origins", 'o', "origin", {"running", "queued", "requests"}, COLUMNS(origin_columns)},
    {"connections", 'c', "id", {"streams", "requests", NULL}, COLUMNS(connection_columns)},
    {"clients", 'l', "pid", {"in_flight", "queued", "requests"}, COLUMNS(client_columns)},
};
const size_t top_view_count = sizeof top_views / sizeof top_views[0];

/* ---- Values ---------------------------------------------------------------------------------- */

static double number_of(const struct fetchpool_value *map, const char *key)
{
    const struct fetchpool_value *value = fetchpool_value_get(map, key);
    return fetchpool_value_type(value) == FETCHPOOL_NIL ? NAN : fetchpool_value_real(value);
}

/* Microseconds on the wire. */
static double latency_of(const struct top_row *row, const char *phase, const char *percentile)
{
    const struct fetchpool_value *timings = fetchpool_value_get(row->value, "timings");
    return number_of(fetchpool_value_get(timings, phase), percentile) / 1000;
}

static double number_in(const struct top_column *column, const struct top_row *row)
{
    switch (column->kind) {
    case TOP_RATE:
        return row->rate;
    case TOP_LATENCY:
        return latency_of(row, column->key, "p99");
    case TOP_TEXT:
    case TOP_NAME:
    case TOP_COUNT:
    case TOP_PERCENT:
    case TOP_SPAN:
    case TOP_CONNECTIONS:
        break;
    }
    return number_of(row->value, column->key);
}

/* ---- Order ----------------------------------------------------------------------------------- */

struct order {
    const struct top_view *view;
    const struct top_column *column; /* NULL: the busiest first */
};

/* The larger first, what is not known last. */
static int compare_numbers(double one, double other)
{
    if (isnan(one) || isnan(other))
        return isnan(one) - isnan(other);
    return (one < other) - (one > other);
}

static int compare_texts(const struct fetchpool_value *one, const struct fetchpool_value *other)
{
    size_t length = fetchpool_value_length(one), others = fetchpool_value_length(other);
    const char *bytes = fetchpool_value_string(one), *other_bytes = fetchpool_value_string(other);
    if (!bytes || !other_bytes)
        return !bytes - !other_bytes;
    int result = memcmp(bytes, other_bytes, length < others ? length : others);
    return result != 0 ? result : (length > others) - (length < others);
}

static int compare_busy(const struct top_view *view, const struct top_row *one,
                        const struct top_row *other)
{
    int result = compare_numbers(one->rate, other->rate);
    for (size_t i = 0; result == 0 && i < sizeof view->busy / sizeof view->busy[0]; i++) {
        if (view->busy[i])
            result = compare_numbers(number_of(one->value, view->busy[i]),
                                     number_of(other->value, view->busy[i]));
    }
    return result;
}

/* Of rows that are alike, so that they do not change places at each drawing. */
static int compare_keys(const struct top_view *view, const struct top_row *one,
                        const struct top_row *other)
{
    int result = compare_texts(fetchpool_value_get(one->value, view->key),
                               fetchpool_value_get(other->value, view->key));
    return result != 0 ? result
                       : compare_numbers(number_of(one->value, view->key),
                                         number_of(other->value, view->key));
}

static int compare(const void *one_row, const void *other_row, void *ctx)
{
    const struct top_row *one = one_row, *other = other_row;
    const struct order *order = ctx;
    const struct top_column *column = order->column;
    int result = 0;
    if (column && column->kind == TOP_TEXT)
        result = compare_texts(fetchpool_value_get(one->value, column->key),
                               fetchpool_value_get(other->value, column->key));
    else if (column)
        result = compare_numbers(number_in(column, one), number_in(column, other));
    if (result == 0)
        result = compare_busy(order->view, one, other);
    if (result == 0)
        result = compare_keys(order->view, one, other);
    return result;
}

void top_view_sort(const struct top_view *view, size_t column, struct top_row *rows, size_t count)
{
    struct order order = {.view = view};
    if (column < view->column_count)
        order.column = &view->columns[column];
    if (count > 1)
        qsort_r(rows, count, sizeof *rows, compare, &order);
}

/* ---- Width ----------------------------------------------------------------------------------- */

struct layout {
    size_t widths[MAX_COLUMNS]; /* 0: not shown */
};

/* Shows those columns for which there is room; `rest` is what is left without them. */
static size_t give_widths(struct layout *layout, const struct top_view *view, size_t rest,
                          bool is_extra)
{
    size_t least = is_extra ? MIN_REST_EXTRAS : MIN_REST;
    for (size_t i = 0; i < view->column_count; i++) {
        const struct top_column *column = &view->columns[i];
        if (column->width == 0 || column->is_extra != is_extra || rest < column->width + 1 + least)
            continue;
        layout->widths[i] = column->width;
        rest -= column->width + 1;
    }
    return rest;
}

static size_t longest_text(const struct top_column *column, const struct top_row *rows,
                           size_t count)
{
    size_t longest = 0;
    for (size_t i = 0; i < count; i++) {
        size_t length = fetchpool_value_length(fetchpool_value_get(rows[i].value, column->key));
        longest = length > longest ? length : longest;
    }
    return longest;
}

/* Without edges, the column which takes what is left takes what it needs. */
static void lay_out(struct layout *out_layout, const struct top_view *view,
                    const struct top_row *rows, size_t count, const struct frame *frame)
{
    *out_layout = (struct layout){0};
    size_t rest = give_widths(out_layout, view, frame->columns, false);
    rest = give_widths(out_layout, view, rest, true);
    for (size_t i = 0; i < view->column_count; i++) {
        const struct top_column *column = &view->columns[i];
        if (column->width > 0)
            continue;
        size_t need = frame_has_edges(frame) ? 0 : longest_text(column, rows, count);
        out_layout->widths[i] = need > rest ? need : rest;
    }
}

/* ---- Drawing --------------------------------------------------------------------------------- */

static void put_pair(char *out, double one, double other, void (*put)(char[FIGURE_BYTES], double))
{
    char first[FIGURE_BYTES], second[FIGURE_BYTES];
    put(first, one);
    put(second, other);
    snprintf(out, CELL_BYTES, "%s/%s", first, second);
}

static void put_latency(char *out, const struct top_column *column, const struct top_row *row)
{
    double middle = latency_of(row, column->key, "p50");
    double high = latency_of(row, column->key, "p99");
    if (isnan(middle) && isnan(high))
        snprintf(out, CELL_BYTES, "-");
    else
        put_pair(out, middle, high, figure_fine);
}

static void put_connections(char *out, const struct top_column *column, const struct top_row *row)
{
    double open = number_of(row->value, column->key);
    double idle = number_of(row->value, "idle");
    put_pair(out, open > idle ? open - idle : 0, open, figure_count);
}

static void put_number(char *out, const struct top_column *column, const struct top_row *row)
{
    switch (column->kind) {
    case TOP_RATE:
        figure_fine(out, row->rate);
        break;
    case TOP_PERCENT:
        figure_percent(out, number_of(row->value, column->key));
        break;
    case TOP_SPAN:
        figure_duration(out, number_of(row->value, column->key));
        break;
    case TOP_CONNECTIONS:
        put_connections(out, column, row);
        break;
    case TOP_LATENCY:
        put_latency(out, column, row);
        break;
    case TOP_NAME:
        snprintf(out, CELL_BYTES, "%lld",
                 (long long)fetchpool_value_integer(fetchpool_value_get(row->value, column->key)));
        break;
    case TOP_TEXT: /* has no number */
    case TOP_COUNT:
        figure_count(out, number_of(row->value, column->key));
        break;
    }
}

/* Does it end like "host:8443"? An address of IPv6 ends with its bracket. */
static bool has_port(const char *host, size_t length)
{
    size_t rest = length;
    while (rest > 0 && isdigit((unsigned char)host[rest - 1]))
        rest--;
    return rest > 0 && rest < length && host[rest - 1] == ':';
}

/* The name of an origin without its scheme. The port of http is written out, so that it does not
 * look like the https of the same host. */
static void shorten(struct buffer *out, const char *name, size_t length)
{
    static const char secure[] = "https://", plain[] = "http://";
    size_t scheme = 0;
    if (length > strlen(secure) && memcmp(name, secure, strlen(secure)) == 0)
        scheme = strlen(secure);
    else if (length > strlen(plain) && memcmp(name, plain, strlen(plain)) == 0)
        scheme = strlen(plain);
    buffer_append(out, name + scheme, length - scheme);
    if (scheme == strlen(plain) && !has_port(name + scheme, length - scheme))
        buffer_append_text(out, ":80");
}

/* In the column that takes what is left. */
static void draw_name(const char *name, size_t length, size_t width, struct frame *frame)
{
    struct buffer text;
    buffer_init(&text, SIZE_MAX / 2);
    if (length > width)
        shorten(&text, name, length);
    else
        buffer_append(&text, name, length);
    frame_put_name(frame, (const char *)text.data, text.length, width);
    buffer_finish(&text);
}

static void draw_text(const struct top_column *column, const struct fetchpool_value *value,
                      size_t width, struct frame *frame)
{
    const char *text = fetchpool_value_string(value);
    size_t length = fetchpool_value_length(value);
    if (length == 0 || fetchpool_value_type(value) != FETCHPOOL_STRING)
        frame_put_cell(frame, "-", 1, width, false);
    else if (column->width == 0)
        draw_name(text, length, width, frame);
    else
        frame_put_cell(frame, text, length, width, false);
}

static void draw_cell(const struct top_column *column, const struct top_row *row, size_t width,
                      struct frame *frame)
{
    char text[CELL_BYTES];
    if (column->kind == TOP_TEXT) {
        draw_text(column, fetchpool_value_get(row->value, column->key), width, frame);
    } else {
        put_number(text, column, row);
        frame_put_cell(frame, text, strlen(text), width, true);
    }
}

/* In capitals where it says what the order is: a mark would need a place of its own. */
static void draw_title(const struct top_column *column, bool is_sorted_by, size_t width,
                       struct frame *frame)
{
    char text[CELL_BYTES];
    size_t length = strlen(column->title);
    for (size_t i = 0; i < length; i++)
        text[i] = (char)(is_sorted_by ? toupper(column->title[i]) : column->title[i]);
    frame_put_cell(frame, text, length, width, column->kind != TOP_TEXT);
}

/* A row, or without one the titles. */
static void draw_line(const struct top_view *view, const struct layout *layout, size_t sorted_by,
                      const struct top_row *row, struct frame *frame)
{
    for (size_t i = 0; i < view->column_count; i++) {
        if (layout->widths[i] == 0)
            continue;
        if (frame->column > 0)
            frame_put_text(frame, " ");
        if (row)
            draw_cell(&view->columns[i], row, layout->widths[i], frame);
        else
            draw_title(&view->columns[i], i == sorted_by, layout->widths[i], frame);
    }
    frame_end_line(frame);
}

void top_view_draw(const struct top_view *view, size_t column, const struct top_row *rows,
                   size_t count, struct frame *frame)
{
    struct layout layout;
    lay_out(&layout, view, rows, count, frame);
    frame->title = frame->row;
    draw_line(view, &layout, column, NULL, frame);
    for (size_t i = 0; i < count && !frame_is_full(frame); i++)
        draw_line(view, &layout, column, &rows[i], frame);
}
