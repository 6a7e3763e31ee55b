/*
 * timeout: the one number of an encoded message that changes when the message is sent again. The
 * bytes around it stay where they are, for a body may be large.
 */
#include "fetchpool_wire.h"

#include "buffer.h"

/* How many bytes a number takes behind its first: an unsigned integer of MessagePack. */
static size_t number_bytes(uint8_t first)
{
    return first >= 0xcc && first <= 0xcf ? (size_t)1 << (first - 0xcc) : 0;
}

static void write_number(uint8_t *at, uint64_t number)
{
    size_t count = number_bytes(*at);
    if (count == 0)
        *at = (uint8_t)number;
    for (; count > 0; count--, number >>= 8)
        at[count] = (uint8_t)number;
}

/* In as many bytes as it had, whether or not it needs them: the protocol takes both. */
void wire_fetch_shorten(struct buffer *buffer, size_t timeout_at, uint64_t timeout_ms)
{
    if (timeout_at > 0)
        write_number(buffer->data + timeout_at, timeout_ms);
}
