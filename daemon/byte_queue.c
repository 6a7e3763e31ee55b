/* byte_queue: see byte_queue.h. */
#include "byte_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The least that a block holds: many small pieces must not cost a block each. */
#define LEAST_BLOCK_BYTES 4096

struct byte_block {
    struct byte_block *next;
    size_t begin, end, capacity;
    uint8_t bytes[];
};

static struct byte_block *add_block(struct byte_queue *queue, size_t length)
{
    size_t capacity = length < LEAST_BLOCK_BYTES ? LEAST_BLOCK_BYTES : length;
    struct byte_block *block = malloc(sizeof *block + capacity);
    if (!block)
        return NULL;
    *block = (struct byte_block){.capacity = capacity};
    if (queue->last)
        queue->last->next = block;
    else
        queue->first = block;
    queue->last = block;
    return block;
}

/* Fills the last block, then adds one for what is left. */
int byte_queue_append(struct byte_queue *queue, const uint8_t *bytes, size_t length)
{
    struct byte_block *last = queue->last;
    size_t spare = last ? last->capacity - last->end : 0;
    size_t fits = length < spare ? length : spare;
    if (length > fits && !add_block(queue, length - fits))
        return -ENOMEM;
    if (fits > 0) {
        memcpy(last->bytes + last->end, bytes, fits);
        last->end += fits;
    }
    if (length > fits) {
        memcpy(queue->last->bytes, bytes + fits, length - fits);
        queue->last->end = length - fits;
    }
    queue->length += length;
    return 0;
}

size_t byte_queue_peek(const struct byte_queue *queue, const uint8_t **out_bytes)
{
    if (!queue->first)
        return 0;
    *out_bytes = queue->first->bytes + queue->first->begin;
    return queue->first->end - queue->first->begin;
}

void byte_queue_skip(struct byte_queue *queue, size_t length)
{
    struct byte_block *first = queue->first;
    if (!first || length == 0)
        return;
    first->begin += length;
    queue->length -= length;
    if (first->begin < first->end)
        return;
    queue->first = first->next;
    if (!queue->first)
        queue->last = NULL;
    free(first);
}

size_t byte_queue_read(struct byte_queue *queue, uint8_t *buffer, size_t size)
{
    size_t taken = 0;
    while (taken < size && queue->first) {
        const uint8_t *bytes = NULL;
        size_t length = byte_queue_peek(queue, &bytes);
        length = length < size - taken ? length : size - taken;
        memcpy(buffer + taken, bytes, length);
        byte_queue_skip(queue, length);
        taken += length;
    }
    return taken;
}

void byte_queue_finish(struct byte_queue *queue)
{
    while (queue->first) {
        struct byte_block *next = queue->first->next;
        free(queue->first);
        queue->first = next;
    }
    *queue = (struct byte_queue){0};
}
