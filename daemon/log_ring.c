/* log_ring: see log_ring.h. */
#include "log_ring.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Before each record. */
struct head {
    uint64_t lost; /* before it */
    size_t length;
};

int log_ring_init(struct log_ring *ring, size_t size)
{
    *ring = (struct log_ring){.bytes = malloc(size), .size = size};
    return ring->bytes ? 0 : -ENOMEM;
}

void log_ring_finish(struct log_ring *ring)
{
    free(ring->bytes);
    *ring = (struct log_ring){0};
}

/* These two in up to two pieces: the ring's end may lie between. */
static void append(struct log_ring *ring, const void *bytes, size_t length)
{
    size_t at = (ring->start + ring->length) % ring->size;
    size_t before_end = ring->size - at < length ? ring->size - at : length;
    memcpy(ring->bytes + at, bytes, before_end);
    memcpy(ring->bytes, (const uint8_t *)bytes + before_end, length - before_end);
    ring->length += length;
}

static void remove_first(struct log_ring *ring, void *out_bytes, size_t length)
{
    assert(length <= ring->length);
    size_t before_end = ring->size - ring->start;
    before_end = before_end < length ? before_end : length;
    memcpy(out_bytes, ring->bytes + ring->start, before_end);
    memcpy((uint8_t *)out_bytes + before_end, ring->bytes, length - before_end);
    ring->start = (ring->start + length) % ring->size;
    ring->length -= length;
}

bool log_ring_put(struct log_ring *ring, const char *record, size_t length)
{
    struct head head = {.lost = ring->lost, .length = length};
    size_t room = ring->size - ring->length;
    if (room < sizeof head || room - sizeof head < length) {
        ring->lost++;
        return false;
    }
    append(ring, &head, sizeof head);
    append(ring, record, length);
    ring->lost = 0;
    return true;
}

size_t log_ring_take(struct log_ring *ring, char *out_record, uint64_t *out_lost)
{
    struct head head;
    if (ring->length == 0) {
        *out_lost = ring->lost;
        ring->lost = 0;
        return 0;
    }
    remove_first(ring, &head, sizeof head);
    remove_first(ring, out_record, head.length);
    *out_lost = head.lost;
    return head.length;
}
