/* outbox: see outbox.h. */
#include "outbox.h"

#include <errno.h>
#include <string.h>

/* Memory that is kept while there is nothing to send: for `data` and `window` after one another. */
#define OUTBOX_KEPT_BYTES 262144

/* A front that has gone is cut off when it is this long, and longer than what is left. */
#define OUTBOX_CUT_BYTES 65536

void outbox_init(struct outbox *outbox)
{
    *outbox = (struct outbox){0};
    buffer_init(&outbox->bytes, SIZE_MAX); /* who appends bounds it */
}

void outbox_finish(struct outbox *outbox)
{
    buffer_finish(&outbox->bytes);
    outbox->sent = 0;
}

size_t outbox_waiting(const struct outbox *outbox)
{
    return outbox->bytes.length - outbox->sent;
}

uint64_t outbox_end(const struct outbox *outbox)
{
    return outbox->gone + outbox_waiting(outbox);
}

uint8_t *outbox_space(struct outbox *outbox, size_t size)
{
    struct buffer *bytes = &outbox->bytes;
    size_t needed = bytes->length + size;
    if (needed > bytes->capacity) {
        int result = buffer_grow(bytes, needed);
        if (result < 0) {
            bytes->error = result;
            return NULL;
        }
    }
    return bytes->data + bytes->length;
}

void outbox_filled(struct outbox *outbox, size_t size)
{
    outbox->bytes.length += size;
}

void outbox_sent(struct outbox *outbox, size_t size)
{
    struct buffer *bytes = &outbox->bytes;
    outbox->sent += size;
    outbox->gone += size;
    if (outbox->sent == bytes->length &&
        (bytes->is_secret || bytes->capacity > OUTBOX_KEPT_BYTES)) {
        outbox_finish(outbox);
    } else if (outbox->sent == bytes->length) {
        bytes->length = outbox->sent = 0;
    } else if (outbox->sent >= OUTBOX_CUT_BYTES && outbox->sent > bytes->length / 2) {
        bytes->length -= outbox->sent;
        memmove(bytes->data, bytes->data + outbox->sent, bytes->length);
        outbox->sent = 0;
    }
}
