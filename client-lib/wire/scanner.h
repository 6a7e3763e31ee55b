/*
 * scanner: measures MessagePack messages before anything unpacks them.
 *
 * It is fed bytes as they come, in pieces of any size, and says where the next whole message ends,
 * or that the bytes are broken: larger, deeper or of more elements than allowed, not MessagePack,
 * or not an array. It allocates nothing and trusts no announced size, so that five bytes that
 * claim four thousand million elements cost five bytes. On its way it notes the message's type and
 * id, so that a message too large to be taken can still be answered.
 *
 * It owns nothing and knows nothing of methods or parameters.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Arrays and maps within each other: the envelope, its params, a map, a list and a pair are 5. */
#define SCANNER_MAX_DEPTH 8

enum scan_result {
    SCAN_MORE,  /* all bytes taken, the message goes on */
    SCAN_WHOLE, /* the message ends where the count says */
    SCAN_BROKEN /* no message can come of this; `reason` says why */
};

struct scanner {
    uint64_t max_bytes;
    uint32_t max_elements;

    uint64_t bytes;    /* of this message so far */
    uint32_t elements; /* announced so far, the outermost included */
    unsigned depth;
    uint32_t open[SCANNER_MAX_DEPTH]; /* values still to come, a level each */

    uint8_t tag;        /* the tag whose length bytes are being read */
    unsigned head_left; /* length bytes still to come */
    uint64_t head;
    uint64_t skip; /* payload bytes still to come */

    unsigned index; /* which value of the outermost array is next */
    int64_t type;   /* its first value, -1 while unknown */
    bool has_id;
    uint32_t id;

    bool is_too_large; /* broken for its size alone, not for its form */
    const char *reason;
};

/* The most bytes and values (strings, numbers, arrays, maps, each counted) in one message. */
void scanner_init(struct scanner *scanner, uint64_t max_bytes, uint32_t max_elements);

/*
 * Reads on. Returns how many of the bytes belong to the message: all of them with SCAN_MORE, up to
 * its last one with SCAN_WHOLE. After SCAN_WHOLE the next call begins the next message; after
 * SCAN_BROKEN no call may follow.
 */
size_t scanner_feed(struct scanner *scanner, const uint8_t *bytes, size_t length,
                    enum scan_result *out_result);
