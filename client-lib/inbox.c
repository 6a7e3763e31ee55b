/* inbox: see inbox.h. */
#include "inbox.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fetchpool_wire.h"

/* Holds most answers without growing; what an answer does not fill of it is given back. */
#define INBOX_SMALLEST 16384

/* As large as it grows for speed alone: what a Unix socket holds at most by default, and more. */
#define INBOX_FASTEST 262144

/* Less room than this is not worth a system call: grow first. */
#define INBOX_LEAST_SPACE 4096

void inbox_init(struct inbox *inbox)
{
    *inbox = (struct inbox){.wanted = INBOX_SMALLEST};
    scanner_init(&inbox->scanner, WIRE_MAX_REPLY_BYTES, WIRE_MAX_REPLY_ELEMENTS);
}

void inbox_finish(struct inbox *inbox)
{
    free(inbox->data);
    inbox_init(inbox);
}

bool inbox_is_empty(const struct inbox *inbox)
{
    return inbox->length == (inbox->is_shown ? inbox->scanned : inbox->start);
}

/* ---- Memory ---------------------------------------------------------------------------------- */

/* The message that was shown is done with. */
static void inbox_pass(struct inbox *inbox)
{
    if (inbox->is_shown)
        inbox->start = inbox->scanned;
    inbox->is_shown = false;
    if (inbox->start == inbox->length)
        inbox->start = inbox->scanned = inbox->length = 0;
}

/* Leaves only what begins at `start`, at the front. */
static void inbox_close_up(struct inbox *inbox)
{
    if (inbox->start == 0)
        return;
    inbox->length -= inbox->start;
    inbox->scanned -= inbox->start;
    memmove(inbox->data, inbox->data + inbox->start, inbox->length);
    inbox->start = 0;
}

/* Doubling, not the size that the message announces: memory is only asked for as bytes arrive. The
 * scanner bounds the sum, so the sizes here cannot overflow. */
static int inbox_grow(struct inbox *inbox)
{
    size_t capacity = inbox->capacity ? inbox->capacity * 2 : INBOX_SMALLEST;
    if (capacity < inbox->wanted)
        capacity = inbox->wanted;
    uint8_t *data = realloc(inbox->data, capacity);
    if (!data)
        return -ENOMEM;
    inbox->data = data;
    inbox->capacity = capacity;
    return 0;
}

int inbox_space(struct inbox *inbox, uint8_t **out_space, size_t *out_size)
{
    inbox_pass(inbox);
    if (inbox->capacity - inbox->length < inbox->capacity / 2)
        inbox_close_up(inbox);
    while (inbox->capacity < inbox->wanted || inbox->capacity - inbox->length < INBOX_LEAST_SPACE) {
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
    bool is_full = inbox->length + 1 == inbox->capacity;
    if (is_full && inbox->wanted < INBOX_FASTEST)
        inbox->wanted *= 2;
}

void inbox_trim(struct inbox *inbox)
{
    inbox_pass(inbox);
    if (inbox->length > 0)
        return;
    free(inbox->data);
    inbox->data = NULL;
    inbox->capacity = 0;
    inbox->wanted = INBOX_SMALLEST;
}

/* ---- Messages -------------------------------------------------------------------------------- */

int inbox_next(struct inbox *inbox, struct letter *out_view)
{
    enum scan_result result = SCAN_MORE;
    inbox_pass(inbox);
    if (inbox->scanned < inbox->length)
        inbox->scanned += scanner_feed(&inbox->scanner, inbox->data + inbox->scanned,
                                       inbox->length - inbox->scanned, &result);
    switch (result) {
    case SCAN_MORE:
        return 0;
    case SCAN_WHOLE:
        inbox->is_shown = true;
        *out_view = (struct letter){.bytes = inbox->data + inbox->start,
                                    .length = inbox->scanned - inbox->start};
        return 1;
    case SCAN_BROKEN:
        return -EBADMSG;
    }
    return -EBADMSG;
}

int64_t inbox_type(const struct inbox *inbox)
{
    return inbox->scanner.type;
}

/* A message that is small for the memory that it lies in: a copy of its own. */
static int keep_copy(struct inbox *inbox, size_t length, struct letter *out_letter)
{
    uint8_t *bytes = malloc(length + 1);
    if (!bytes)
        return -ENOMEM;
    memcpy(bytes, inbox->data + inbox->start, length);
    *out_letter = (struct letter){.bytes = bytes, .length = length};
    return 0;
}

/* A large one: the memory itself, and the less that is behind it moves out. */
static int keep_memory(struct inbox *inbox, size_t length, struct letter *out_letter)
{
    size_t rest = inbox->length - length;
    size_t capacity = INBOX_SMALLEST;
    while (capacity <= rest)
        capacity *= 2;
    uint8_t *data = rest > 0 ? malloc(capacity) : NULL;
    if (rest > 0 && !data)
        return -ENOMEM;
    if (rest > 0)
        memcpy(data, inbox->data + length, rest);
    uint8_t *shrunk = realloc(inbox->data, length + 1);
    *out_letter = (struct letter){.bytes = shrunk ? shrunk : inbox->data, .length = length};
    inbox->data = data;
    inbox->capacity = data ? capacity : 0;
    inbox->length = rest;
    inbox->start = inbox->scanned = 0;
    inbox->is_shown = false;
    return 0;
}

int inbox_keep(struct inbox *inbox, struct letter *out_letter)
{
    size_t length = inbox->scanned - inbox->start;
    if (inbox->start == 0 && length >= inbox->capacity / 2)
        return keep_memory(inbox, length, out_letter);
    return keep_copy(inbox, length, out_letter);
}
