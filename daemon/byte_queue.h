/*
 * byte_queue: bytes that wait in order, in blocks, so that taking from the front moves nothing.
 * Knows nothing of what they are; who appends keeps the bound.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct byte_block;

/* All zeros is an empty one. */
struct byte_queue {
    struct byte_block *first, *last;
    size_t length;
};

/* Copies them to the end. 0, or -ENOMEM: then none of them. */
int byte_queue_append(struct byte_queue *queue, const uint8_t *bytes, size_t length);

/* The first bytes that lie together; returns how many, 0 if there are none. */
size_t byte_queue_peek(const struct byte_queue *queue, const uint8_t **out_bytes);

/* Takes from the front; at most as many as byte_queue_peek() said. */
void byte_queue_skip(struct byte_queue *queue, size_t length);

/* Copies from the front and takes; returns how many. */
size_t byte_queue_read(struct byte_queue *queue, uint8_t *buffer, size_t size);

void byte_queue_finish(struct byte_queue *queue);
