/* buffer: see buffer.h. */
#include "buffer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_SMALLEST 256

void buffer_init(struct buffer *buffer, size_t limit)
{
    *buffer = (struct buffer){.limit = limit};
}

static void give_back(struct buffer *buffer)
{
    if (buffer->is_secret && buffer->data)
        explicit_bzero(buffer->data, buffer->capacity);
    free(buffer->data);
}

void buffer_finish(struct buffer *buffer)
{
    give_back(buffer);
    *buffer = (struct buffer){.limit = buffer->limit};
}

static int buffer_fail(struct buffer *buffer, int error)
{
    if (buffer->error == 0)
        buffer->error = error;
    return error;
}

/* realloc() would leave a secret behind where it moves it. */
int buffer_grow(struct buffer *buffer, size_t capacity)
{
    uint8_t *data = buffer->is_secret ? malloc(capacity) : realloc(buffer->data, capacity);
    if (!data)
        return -ENOMEM;
    if (buffer->is_secret) {
        if (buffer->length > 0)
            memcpy(data, buffer->data, buffer->length);
        give_back(buffer);
    }
    buffer->data = data;
    buffer->capacity = capacity;
    return 0;
}

static int buffer_reserve(struct buffer *buffer, size_t more)
{
    if (more > buffer->limit - buffer->length)
        return buffer_fail(buffer, -EMSGSIZE);
    size_t needed = buffer->length + more;
    if (needed <= buffer->capacity)
        return 0;
    size_t capacity = buffer->capacity ? buffer->capacity : BUFFER_SMALLEST;
    while (capacity < needed)
        capacity += capacity;
    return buffer_grow(buffer, capacity) < 0 ? buffer_fail(buffer, -ENOMEM) : 0;
}

uint8_t *buffer_extend_further(struct buffer *buffer, size_t length)
{
    if (buffer_reserve(buffer, length) < 0)
        return NULL;
    buffer->length += length;
    return buffer->data + buffer->length - length;
}

int buffer_append(struct buffer *buffer, const void *bytes, size_t length)
{
    int result = buffer_reserve(buffer, length);
    if (result < 0 || length == 0)
        return result;
    memcpy(buffer->data + buffer->length, bytes, length);
    buffer->length += length;
    return 0;
}

int buffer_append_text(struct buffer *buffer, const char *text)
{
    return buffer_append(buffer, text, strlen(text));
}

int buffer_append_format(struct buffer *buffer, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int length = vsnprintf(NULL, 0, format, values);
    va_end(values);
    if (length < 0)
        return buffer_fail(buffer, -EINVAL);
    int result = buffer_reserve(buffer, (size_t)length + 1); /* vsnprintf writes a NUL too */
    if (result < 0)
        return result;
    va_start(values, format);
    vsnprintf((char *)buffer->data + buffer->length, (size_t)length + 1, format, values);
    va_end(values);
    buffer->length += (size_t)length;
    return 0;
}

void buffer_consume(struct buffer *buffer, size_t length)
{
    if (length >= buffer->length) {
        buffer_finish(buffer);
        return;
    }
    buffer->length -= length;
    memmove(buffer->data, buffer->data + length, buffer->length);
    if (buffer->is_secret)
        explicit_bzero(buffer->data + buffer->length, length);
}

void buffer_truncate(struct buffer *buffer, size_t length)
{
    if (length < buffer->length)
        buffer->length = length;
    buffer->error = 0;
}
