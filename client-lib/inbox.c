/* inbox: see inbox.h. */
#include "inbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fetchpool_wire.h"

/* Holds most answers without growing; what an answer does not fill of it is given back. */
#define INBOX_SMALLEST 16384

/* Less room than this is not worth a system call: grow first. */
#define INBOX_LEAST_SPACE 4096

void inbox_init(struct inbox *inbox)
{
    *inbox = (struct inbox){0};
    scanner_init(&inbox->scanner, WIRE_MAX_REPLY_BYTES, WIRE_MAX_REPLY_ELEMENTS);
}

void inbox_finish(struct inbox *inbox)
{
    free(inbox->data);
    inbox_init(inbox);
}

/* Doubling, not the size that the message announces: memory is only asked for as bytes arrive. The
 * scanner bounds the sum, so the sizes here cannot overflow. */
static int inbox_grow(struct inbox *inbox)
{
    size_t capacity = inbox->capacity ? inbox->capacity * 2 : INBOX_SMALLEST;
    uint8_t *data = realloc(inbox->data, capacity);
    if (!data)
        return -ENOMEM;
    inbox->data = data;
    inbox->capacity = capacity;
    return 0;
}

int inbox_space(struct inbox *inbox, uint8_t **out_space, size_t *out_size)
{
    while (inbox->capacity - inbox->length < INBOX_LEAST_SPACE) {
        if (inbox_grow(inbox) < 0)
            return -ENOMEM;
    }
    *out_space = inbox->data + inbox->length;
    *out_size = inbox->capacity - inbox->length - 1; /* the byte to spare */
    return 0;
}

void inbox_filled(struct inbox *inbox, size_t size)
{
    inbox->length += size;
}

/* Starts again with the bytes behind the first `used`, in memory of its own. */
static int inbox_restart(struct inbox *inbox, size_t used)
{
    size_t rest = inbox->length - used;
    uint8_t *old = inbox->data;
    inbox->data = NULL;
    inbox->length = inbox->scanned = inbox->capacity = 0;
    while (inbox->capacity <= rest && rest > 0) {
        if (inbox_grow(inbox) < 0) {
            inbox->data = old;
            return -ENOMEM;
        }
    }
    if (rest > 0)
        memcpy(inbox->data, old + used, rest);
    inbox->length = rest;
    return 0;
}

static int inbox_hand_over(struct inbox *inbox, struct letter *out_letter)
{
    uint8_t *bytes = inbox->data;
    size_t length = inbox->scanned;
    if (inbox_restart(inbox, length) < 0)
        return -ENOMEM;
    uint8_t *shrunk = realloc(bytes, length + 1);
    *out_letter = (struct letter){.bytes = shrunk ? shrunk : bytes, .length = length};
    return 1;
}

int inbox_take(struct inbox *inbox, struct letter *out_letter)
{
    enum scan_result result = SCAN_MORE;
    if (inbox->scanned < inbox->length)
        inbox->scanned += scanner_feed(&inbox->scanner, inbox->data + inbox->scanned,
                                       inbox->length - inbox->scanned, &result);
    switch (result) {
    case SCAN_MORE:
        return 0;
    case SCAN_WHOLE:
        return inbox_hand_over(inbox, out_letter);
    case SCAN_BROKEN:
        return -EBADMSG;
    }
    return -EBADMSG;
}
