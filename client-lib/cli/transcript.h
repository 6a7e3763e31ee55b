/*
 * transcript: a message of the protocol as a line of JSON: what kind it is, which request it
 * belongs to, what it says.
 */
#pragma once

#include "buffer.h"
#include "fetchpool_wire.h"

/* Where a message stands, and how much of it is shown. */
struct transcript_place {
    const char *file; /* NULL: not shown */
    uint64_t offset;
    size_t length;
    size_t max_bytes; /* of each text, and of each bytes */
};

/* Appends the line. What could not be allocated is in the buffer's `error`. */
void transcript_put(struct buffer *out, const struct wire_message *message,
                    const struct transcript_place *place);
