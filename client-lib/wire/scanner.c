/*
 * scanner: see scanner.h. The format is the MessagePack specification's; a tag is one byte, then
 * come its length or value bytes (the "head"), then its payload, then its children.
 */
#include "scanner.h"

#include <assert.h>

void scanner_init(struct scanner *scanner, uint64_t max_bytes, uint32_t max_elements)
{
    *scanner = (struct scanner){.max_bytes = max_bytes, .max_elements = max_elements, .type = -1};
}

static int broken(struct scanner *scanner, const char *reason)
{
    scanner->reason = reason;
    return -1;
}

static int too_large(struct scanner *scanner)
{
    scanner->is_too_large = true;
    return broken(scanner, "the message is larger than allowed");
}

/* One value is complete; closes every array and map that it was the last of. */
static void value_ended(struct scanner *scanner)
{
    while (scanner->depth > 0) {
        if (scanner->depth == 1)
            scanner->index++;
        if (--scanner->open[scanner->depth - 1] > 0)
            return;
        scanner->depth--;
    }
}

static int begin_children(struct scanner *scanner, uint64_t count)
{
    if (count > scanner->max_elements - scanner->elements)
        return broken(scanner, "the message has more elements than allowed");
    scanner->elements += (uint32_t)count;
    if (scanner->depth == SCANNER_MAX_DEPTH)
        return broken(scanner, "the message is nested deeper than allowed");
    if (count == 0)
        value_ended(scanner);
    else
        scanner->open[scanner->depth++] = (uint32_t)count;
    return 0;
}

static int begin_payload(struct scanner *scanner, uint64_t length)
{
    if (length > scanner->max_bytes - scanner->bytes)
        return too_large(scanner);
    scanner->skip = length;
    if (length == 0)
        value_ended(scanner);
    return 0;
}

/* The envelope's first two values are its type and its id. */
static void note_number(struct scanner *scanner, uint64_t number)
{
    if (scanner->depth != 1)
        return;
    if (scanner->index == 0 && number <= INT64_MAX) {
        scanner->type = (int64_t)number;
    } else if (scanner->index == 1 && number <= UINT32_MAX) {
        scanner->has_id = true;
        scanner->id = (uint32_t)number;
    }
}

/* How many length or value bytes follow a tag, or -1 for the one tag that is never used. */
static int head_size(uint8_t tag)
{
    static const int8_t sizes[32] = {
        [0xc0 - 0xc0] = 0, [0xc1 - 0xc0] = -1, [0xc2 - 0xc0] = 0, [0xc3 - 0xc0] = 0,
        [0xc4 - 0xc0] = 1, [0xc5 - 0xc0] = 2,  [0xc6 - 0xc0] = 4,                    /* bin */
        [0xc7 - 0xc0] = 1, [0xc8 - 0xc0] = 2,  [0xc9 - 0xc0] = 4,                    /* ext */
        [0xca - 0xc0] = 4, [0xcb - 0xc0] = 8,                                        /* float */
        [0xcc - 0xc0] = 1, [0xcd - 0xc0] = 2,  [0xce - 0xc0] = 4, [0xcf - 0xc0] = 8, /* uint */
        [0xd0 - 0xc0] = 1, [0xd1 - 0xc0] = 2,  [0xd2 - 0xc0] = 4, [0xd3 - 0xc0] = 8, /* int */
        [0xd4 - 0xc0] = 0, [0xd5 - 0xc0] = 0,  [0xd6 - 0xc0] = 0, [0xd7 - 0xc0] = 0,
        [0xd8 - 0xc0] = 0,                                        /* fixext */
        [0xd9 - 0xc0] = 1, [0xda - 0xc0] = 2,  [0xdb - 0xc0] = 4, /* str */
        [0xdc - 0xc0] = 2, [0xdd - 0xc0] = 4,                     /* array */
        [0xde - 0xc0] = 2, [0xdf - 0xc0] = 4,                     /* map */
    };
    return tag >= 0xc0 && tag <= 0xdf ? sizes[tag - 0xc0] : 0;
}

/* A tag and its head are complete. */
static int act_on(struct scanner *scanner, uint8_t tag, uint64_t head)
{
    bool is_array = (tag & 0xf0) == 0x90 || tag == 0xdc || tag == 0xdd;
    if (scanner->depth == 0 && !is_array)
        return broken(scanner, "a message must be an array");
    if (tag <= 0x7f || (tag >= 0xcc && tag <= 0xcf)) {
        note_number(scanner, tag <= 0x7f ? tag : head);
        return begin_payload(scanner, 0);
    }
    if (tag <= 0x8f)
        return begin_children(scanner, 2 * (uint64_t)(tag & 0x0f));
    if (tag <= 0x9f)
        return begin_children(scanner, tag & 0x0f);
    if (tag <= 0xbf)
        return begin_payload(scanner, tag & 0x1f);
    switch (tag) {
    case 0xc4:
    case 0xc5:
    case 0xc6:
    case 0xd9:
    case 0xda:
    case 0xdb:
        return begin_payload(scanner, head);
    case 0xc7:
    case 0xc8:
    case 0xc9:
        return begin_payload(scanner, head + 1);
    case 0xd4:
    case 0xd5:
    case 0xd6:
    case 0xd7:
    case 0xd8:
        return begin_payload(scanner, 1 + (1u << (tag - 0xd4)));
    case 0xdc:
    case 0xdd:
        return begin_children(scanner, head);
    case 0xde:
    case 0xdf:
        return begin_children(scanner, 2 * head);
    default: /* nil, booleans, floats and signed integers: their head was all */
        return begin_payload(scanner, 0);
    }
}

static int take_tag(struct scanner *scanner, uint8_t tag)
{
    int size = head_size(tag);
    if (size < 0)
        return broken(scanner, "the byte 0xc1 is not MessagePack");
    if (scanner->bytes == 1) /* the outermost value begins */
        scanner->elements = 1;
    if (size == 0)
        return act_on(scanner, tag, 0);
    scanner->tag = tag;
    scanner->head = 0;
    scanner->head_left = (unsigned)size;
    return 0;
}

static int take_head(struct scanner *scanner, uint8_t byte)
{
    scanner->head = scanner->head << 8 | byte;
    return --scanner->head_left > 0 ? 0 : act_on(scanner, scanner->tag, scanner->head);
}

static size_t take_payload(struct scanner *scanner, size_t available)
{
    size_t taken = available < scanner->skip ? available : (size_t)scanner->skip;
    scanner->skip -= taken;
    scanner->bytes += taken;
    if (scanner->skip == 0)
        value_ended(scanner);
    return taken;
}

static bool is_whole(const struct scanner *scanner)
{
    return scanner->bytes > 0 && scanner->depth == 0 && scanner->head_left == 0 &&
           scanner->skip == 0;
}

size_t scanner_feed(struct scanner *scanner, const uint8_t *bytes, size_t length,
                    enum scan_result *out_result)
{
    assert(!scanner->reason);
    if (is_whole(scanner))
        scanner_init(scanner, scanner->max_bytes, scanner->max_elements);
    size_t used = 0;
    while (used < length) {
        if (scanner->skip > 0) {
            used += take_payload(scanner, length - used);
        } else {
            if (scanner->bytes == scanner->max_bytes) {
                too_large(scanner);
                break;
            }
            scanner->bytes++;
            uint8_t byte = bytes[used++];
            int result = scanner->head_left > 0 ? take_head(scanner, byte)
                                                : take_tag(scanner, byte);
            if (result < 0)
                break;
        }
        if (is_whole(scanner)) {
            *out_result = SCAN_WHOLE;
            return used;
        }
    }
    *out_result = scanner->reason ? SCAN_BROKEN : SCAN_MORE;
    return used;
}
