/*
 * inbox: bytes from the daemon as they come, whole messages as they are complete.
 *
 * It owns the memory that a socket reads into and hands a message over in that memory, not in a
 * copy, so that a large body is written once. What it hands over has been measured by the scanner
 * and has one byte to spare at its end. It knows nothing of sockets and of what messages say.
 */
#pragma once

#include "scanner.h"

#include <stddef.h>
#include <stdint.h>

struct inbox {
    struct scanner scanner;
    uint8_t *data;
    size_t length;   /* bytes received */
    size_t scanned;  /* of these, how many the scanner has seen */
    size_t capacity; /* always more than length, once there is memory */
};

/* One message, owned by whoever took it. bytes[length] may be written. */
struct letter {
    uint8_t *bytes;
    size_t length;
};

void inbox_init(struct inbox *inbox);
void inbox_finish(struct inbox *inbox);

/* Room for more bytes, at least one. 0 or -ENOMEM. */
int inbox_space(struct inbox *inbox, uint8_t **out_space, size_t *out_size);

/* So many bytes were written into that room. */
void inbox_filled(struct inbox *inbox, size_t size);

/*
 * Takes the next whole message. Returns 1 and the message, which the caller frees; 0 if it is not
 * all there yet; -EBADMSG if no message can come of these bytes (`scanner.reason` says why), or
 * -ENOMEM: after either the inbox is of no more use.
 */
int inbox_take(struct inbox *inbox, struct letter *out_letter);
