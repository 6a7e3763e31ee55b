/*
 * top_view: the three lists that fetchpool top can show: of what, which columns, in which order.
 * Which columns are shown depends on the width; the first one that is text takes what is left.
 */
#pragma once

#include "frame.h"
#include "top_sample.h"

#include <stdbool.h>
#include <stddef.h>

/* In place of a column to sort by: requests a second, then running, waiting and in all. */
#define TOP_BUSIEST ((size_t)-1)

enum top_kind {
    TOP_TEXT,
    TOP_NAME, /* a number that names something: never shortened */
    TOP_COUNT,
    TOP_RATE,        /* the row's, since the sample before */
    TOP_PERCENT,     /* of a ratio */
    TOP_SPAN,        /* of milliseconds */
    TOP_CONNECTIONS, /* "3/12": in use, open */
    TOP_LATENCY      /* "12/340": the middle and the 99th of 100, in ms */
};

struct top_column {
    const char *title;
    const char *key; /* of the row */
    size_t width;    /* 0: what the others leave */
    enum top_kind kind;
    bool is_extra; /* only where there is plenty of room */
};

struct top_view {
    const char *method;  /* of the daemon */
    char letter;         /* the key that shows it */
    const char *key;     /* what tells one row from another */
    const char *busy[3]; /* what is compared, after the rate, to tell which is busier */
    const struct top_column *columns;
    size_t column_count;
};

extern const struct top_view top_views[];
extern const size_t top_view_count;

/* In this order from the top. `column` is an index, or TOP_BUSIEST. */
void top_view_sort(const struct top_view *view, size_t column, struct top_row *rows, size_t count);

/* The titles, in capitals that of the column which is sorted by; then as many rows as there is room
 * for. */
void top_view_draw(const struct top_view *view, size_t column, const struct top_row *rows,
                   size_t count, struct frame *frame);
