/* frame: see frame.h. */
#include "frame.h"

#include <string.h>

/* The last column of a cell that was cut. */
#define CUT_MARK ">"

/* What a name has in place of its middle. */
#define GAP_MARK "~"

/* Between two words that flow. */
#define GAP "  "

/* A window is some tens of KiB; the rows of a pool that is printed are bounded by the message. */
#define FRAME_MAX_BYTES ((size_t)64 << 20)

void frame_init(struct frame *frame, size_t columns, size_t rows)
{
    *frame = (struct frame){.columns = columns, .rows = rows, .title = FRAME_NO_TITLE};
    buffer_init(&frame->text, FRAME_MAX_BYTES);
}

void frame_finish(struct frame *frame)
{
    buffer_finish(&frame->text);
}

bool frame_is_full(const struct frame *frame)
{
    return frame->row >= frame->rows;
}

bool frame_has_edges(const struct frame *frame)
{
    return frame->rows != FRAME_ANY_HEIGHT;
}

void frame_put(struct frame *frame, const char *bytes, size_t length)
{
    bool has_edges = frame_has_edges(frame);
    for (size_t i = 0; i < length && (frame->column < frame->columns || !has_edges); i++) {
        bool is_shown = bytes[i] >= 0x20 && bytes[i] < 0x7f;
        if (!frame_is_full(frame))
            buffer_append(&frame->text, is_shown ? &bytes[i] : "?", 1);
        frame->column++;
    }
}

void frame_put_text(struct frame *frame, const char *text)
{
    frame_put(frame, text, strlen(text));
}

static void put_spaces(struct frame *frame, size_t count)
{
    while (count-- > 0)
        frame_put(frame, " ", 1);
}

void frame_put_cell(struct frame *frame, const char *bytes, size_t length, size_t width,
                    bool to_the_right)
{
    size_t padding = width > length ? width - length : 0;
    bool is_cut = length > width && frame_has_edges(frame);
    if (to_the_right)
        put_spaces(frame, padding);
    frame_put(frame, bytes, is_cut ? width - 1 : length);
    if (is_cut)
        frame_put_text(frame, CUT_MARK);
    if (!to_the_right)
        put_spaces(frame, padding);
}

void frame_put_name(struct frame *frame, const char *bytes, size_t length, size_t width)
{
    if (length <= width || !frame_has_edges(frame)) {
        frame_put_cell(frame, bytes, length, width, false);
        return;
    }
    size_t end = width / 2;
    frame_put(frame, bytes, width - strlen(GAP_MARK) - end);
    frame_put_text(frame, GAP_MARK);
    frame_put(frame, bytes + length - end, end);
}

void frame_flow(struct frame *frame, const char *text)
{
    if (frame->column > 0 && frame->column + strlen(GAP) + strlen(text) > frame->columns)
        frame_end_line(frame);
    if (frame->column > 0)
        frame_put_text(frame, GAP);
    frame_put_text(frame, text);
}

/* What fills the last cell of a line is of no use. */
static void trim(struct buffer *text)
{
    size_t length = text->length;
    while (length > 0 && text->data[length - 1] == ' ')
        length--;
    if (text->error == 0)
        buffer_truncate(text, length);
}

void frame_end_line(struct frame *frame)
{
    if (!frame_is_full(frame)) {
        trim(&frame->text);
        buffer_append(&frame->text, "\n", 1);
    }
    frame->row++;
    frame->column = 0;
}
