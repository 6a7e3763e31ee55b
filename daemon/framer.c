/* framer: see framer.h. */
#include "framer.h"

#include <string.h>

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

static enum framer_result next_line(struct framer *framer, const uint8_t *bytes, size_t length,
                                    bool is_last, size_t *out_length,
                                    struct framer_fault *out_fault)
{
    const uint8_t *end = memchr(bytes + framer->scanned, '\n', length - framer->scanned);
    size_t line = end ? (size_t)(end - bytes) + 1 : length;
    framer->scanned = end ? 0 : length;
    if (line > framer->max_line_bytes) {
        *out_fault = (struct framer_fault){.reason = "a line is longer than allowed",
                                           .is_too_large = true};
        return FRAMER_BROKEN;
    }
    if (!end && !is_last)
        return FRAMER_MORE;
    framer->scanned = 0;
    *out_length = line;
    return FRAMER_WHOLE;
}

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
