/*
 * buffer: bytes that grow at the end and are taken from the front, up to a limit set at birth.
 *
 * An append that fails changes nothing and is remembered in `error`, so that an encoder can write
 * a whole message and look once. Knows nothing of what the bytes mean.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
    uint8_t *data;
    size_t length;
    size_t capacity;
    size_t limit;   /* bytes it may hold; what is beyond is refused */
    int error;      /* 0, -ENOMEM or -EMSGSIZE: the first append that failed */
    bool is_secret; /* its memory is wiped before it is given back */
};

void buffer_init(struct buffer *buffer, size_t limit);
void buffer_finish(struct buffer *buffer);

/* 0, or -EMSGSIZE beyond the limit, or -ENOMEM. */
int buffer_append(struct buffer *buffer, const void *bytes, size_t length);
/* Room for so many more, which count from now on and are to be written there; NULL after an error,
 * as above. Most often there is room: that is seen here, without a call. */
uint8_t *buffer_extend_further(struct buffer *buffer, size_t length);
static inline uint8_t *buffer_extend(struct buffer *buffer, size_t length)
{
    size_t end = buffer->length + length;
    if (end < length || end > buffer->capacity || end > buffer->limit)
        return buffer_extend_further(buffer, length);
    uint8_t *at = buffer->data + buffer->length;
    buffer->length = end;
    return at;
}
int buffer_append_text(struct buffer *buffer, const char *text);
int buffer_append_format(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Room for this many bytes in all. 0 or -ENOMEM, which is for the caller to note. */
int buffer_grow(struct buffer *buffer, size_t capacity);

/* Takes bytes from the front; when none is left, gives the memory back. */
void buffer_consume(struct buffer *buffer, size_t length);

/* Back to an earlier length, its error forgotten: the undo of a message half encoded. */
void buffer_truncate(struct buffer *buffer, size_t length);
