/* framer: see framer.h. */
#include "framer.h"

#include <string.h>
#include <strings.h>

#include "fetchpool_wire.h"

void framer_init(struct framer *framer, uint64_t max_message_bytes, uint64_t max_line_bytes)
{
    *framer = (struct framer){
        .max_message_bytes = max_message_bytes,
        .max_line_bytes = max_line_bytes,
    };
}

static void choose_dialect(struct framer *framer, uint8_t first)
{
    if (first == 0x93 || first == 0x94 || first == 0xdc || first == 0xdd) {
        framer->dialect = FRAMER_MESSAGEPACK;
        scanner_init(&framer->scanner, framer->max_message_bytes, WIRE_MAX_MESSAGE_ELEMENTS);
    } else if ((first | 0x20) >= 'a' && (first | 0x20) <= 'z') {
        framer->dialect = FRAMER_TEXT;
    }
}

static enum framer_result next_message(struct framer *framer, const uint8_t *bytes, size_t length,
                                       size_t *out_length, struct framer_fault *out_fault)
{
    enum scan_result result;
    const struct scanner *scanner = &framer->scanner;
    framer->scanned += scanner_feed(&framer->scanner, bytes + framer->scanned,
                                    length - framer->scanned, &result);
    switch (result) {
    case SCAN_MORE:
        return FRAMER_MORE;
    case SCAN_WHOLE:
        *out_length = framer->scanned;
        framer->scanned = 0;
        return FRAMER_WHOLE;
    case SCAN_BROKEN:
        break;
    }
    *out_fault = (struct framer_fault){
        .reason = scanner->reason,
        .has_id = scanner->type == WIRE_REQUEST && scanner->has_id,
        .id = scanner->id,
        .is_too_large = scanner->is_too_large,
    };
    return FRAMER_BROKEN;
}

/* ---- Text ----------------------------------------------------------------------------------- */

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* Is its last word of two or more "HTTP/" and a digit? Whatever stands before: a request line that
 * is wrong in itself is followed by header fields all the same. */
static bool is_request_line(const uint8_t *line, size_t length)
{
    while (length > 0 && is_blank(line[length - 1]))
        length--;
    size_t word = length;
    while (word > 0 && !is_blank(line[word - 1]))
        word--;
    return word > 0 && length - word >= 6 &&
           strncasecmp((const char *)line + word, "HTTP/", 5) == 0 && line[word + 5] >= '0' &&
           line[word + 5] <= '9';
}

static bool is_empty_line(const uint8_t *line, size_t length)
{
    return length == 1 || (length == 2 && line[0] == '\r');
}

static enum framer_result break_text(const struct framer *framer, const char *reason,
                                     struct framer_fault *out_fault)
{
    *out_fault = (struct framer_fault){
        .reason = reason,
        .is_too_large = true,
        .is_head = framer->head_lines > 0,
    };
    return FRAMER_BROKEN;
}

/* The line from `framer->line` to `end` is whole. Is the message? */
static enum framer_result end_line(struct framer *framer, const uint8_t *bytes, size_t end,
                                   struct framer_fault *out_fault)
{
    const uint8_t *line = bytes + framer->line;
    size_t length = end - framer->line;
    framer->line = end;
    if (framer->head_lines == 0 && !is_request_line(line, length))
        return FRAMER_WHOLE;
    if (framer->head_lines > 0 && is_empty_line(line, length))
        return FRAMER_HEAD;
    if (++framer->head_lines > FRAMER_MOST_HEAD_LINES)
        return break_text(framer, "the head of an HTTP request has too many lines", out_fault);
    return FRAMER_MORE;
}

static enum framer_result check_text_size(const struct framer *framer,
                                          struct framer_fault *out_fault)
{
    if (framer->scanned - framer->line > framer->max_line_bytes)
        return break_text(framer, "a line is longer than allowed", out_fault);
    if (framer->head_lines > 0 && framer->scanned > FRAMER_MOST_HEAD_BYTES)
        return break_text(framer, "the head of an HTTP request is longer than allowed", out_fault);
    return FRAMER_MORE;
}

/* Where the client sends no more, its last line needs no end, and a head ends where it is. */
static enum framer_result next_text(struct framer *framer, const uint8_t *bytes, size_t length,
                                    bool is_last, struct framer_fault *out_fault)
{
    enum framer_result result = FRAMER_MORE;
    while (result == FRAMER_MORE && framer->scanned < length) {
        const uint8_t *end = memchr(bytes + framer->scanned, '\n', length - framer->scanned);
        framer->scanned = end ? (size_t)(end - bytes) + 1 : length;
        result = check_text_size(framer, out_fault);
        if (result == FRAMER_MORE && (end || is_last))
            result = end_line(framer, bytes, framer->scanned, out_fault);
    }
    if (result == FRAMER_MORE && is_last && framer->line < framer->scanned)
        result = end_line(framer, bytes, framer->scanned, out_fault);
    return result == FRAMER_MORE && is_last ? FRAMER_HEAD : result;
}

static enum framer_result next_line(struct framer *framer, const uint8_t *bytes, size_t length,
                                    bool is_last, size_t *out_length,
                                    struct framer_fault *out_fault)
{
    enum framer_result result = next_text(framer, bytes, length, is_last, out_fault);
    if (result != FRAMER_WHOLE && result != FRAMER_HEAD)
        return result;
    *out_length = framer->scanned;
    framer->scanned = framer->line = framer->head_lines = 0;
    return result;
}

bool framer_is_in_head(const struct framer *framer)
{
    return framer->head_lines > 0;
}

/* ---- Either --------------------------------------------------------------------------------- */

enum framer_result framer_next(struct framer *framer, const uint8_t *bytes, size_t length,
                               bool is_last, size_t *out_length, struct framer_fault *out_fault)
{
    if (framer->dialect == FRAMER_UNDECIDED)
        choose_dialect(framer, bytes[0]);
    switch (framer->dialect) {
    case FRAMER_MESSAGEPACK:
        return next_message(framer, bytes, length, out_length, out_fault);
    case FRAMER_TEXT:
        return next_line(framer, bytes, length, is_last, out_length, out_fault);
    case FRAMER_UNDECIDED:
        break;
    }
    *out_fault = (struct framer_fault){.reason = "its first byte is of no dialect"};
    return FRAMER_BROKEN;
}
