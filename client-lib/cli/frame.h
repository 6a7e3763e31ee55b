/*
 * frame: lines of text that fit a window: no line is wider than it, and no more lines than it is
 * high. What would be too much is left out. What is no window has no edges: its width says only
 * where to lay things out, and nothing is cut.
 *
 * Whatever is put into a frame, its text has no bytes but printable ASCII and line ends: names that
 * a client or an origin chose go through here, so a byte is a column, and none steers a terminal.
 */
#pragma once

#include "buffer.h"

#include <stdbool.h>
#include <stddef.h>

/* The height of what is no window. */
#define FRAME_ANY_HEIGHT ((size_t)-1)

/* No line is the title. */
#define FRAME_NO_TITLE ((size_t)-1)

struct frame {
    struct buffer text; /* its lines, each with its end */
    size_t columns;
    size_t rows;
    size_t row;    /* lines that have ended */
    size_t column; /* where the line now written is */
    size_t title;  /* the line that stands out from the others */
};

void frame_init(struct frame *frame, size_t columns, size_t rows);
void frame_finish(struct frame *frame);

/* Is there no line left to write to? What is put then is left out. */
bool frame_is_full(const struct frame *frame);

/* Is it a window, which cuts what is too much? */
bool frame_has_edges(const struct frame *frame);

/* Goes on where the line is, up to the frame's edge if it has any. */
void frame_put(struct frame *frame, const char *bytes, size_t length);
void frame_put_text(struct frame *frame, const char *text);

/* As much as `width`: filled with spaces, or cut, which a mark at the end says. */
void frame_put_cell(struct frame *frame, const char *bytes, size_t length, size_t width,
                    bool to_the_right);

/* A cell with a name whose end says as much as its beginning: a mark stands for its middle if it is
 * too long. The width is 1 or more. */
void frame_put_name(struct frame *frame, const char *bytes, size_t length, size_t width);

/* A word of a text that flows: two spaces after the one before, or on a line of its own. */
void frame_flow(struct frame *frame, const char *text);

void frame_end_line(struct frame *frame);
