/*
 * inbox: bytes from the daemon as they come, whole messages as they are complete.
 *
 * It owns the memory that a socket reads into. A message is shown where it lies, so that a body
 * that streams by is neither allocated for nor copied; who wants to keep one takes it over, in that
 * same memory where it is large, so that a large body is written once. What it shows has been
 * measured by the scanner. It knows nothing of sockets and of what messages say.
 */
#pragma once

#include "scanner.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct inbox {
    struct scanner scanner;
    uint8_t *data;
    size_t start;    /* of the message that is shown or not yet whole */
    size_t scanned;  /* how far the scanner has seen */
    size_t length;   /* bytes received, those before `start` included */
    size_t capacity; /* always more than length, once there is memory */
    size_t wanted;   /* capacity to have at least: grows with a peer that sends fast */
    bool is_shown;   /* start to scanned is a message that inbox_next() has shown */
};

/* One message. */
struct letter {
    uint8_t *bytes;
    size_t length;
};

void inbox_init(struct inbox *inbox);
void inbox_finish(struct inbox *inbox);

/* No bytes are there but of the message that was shown last. */
bool inbox_is_empty(const struct inbox *inbox);

/* Room for more bytes, at least one. 0 or -ENOMEM. */
int inbox_space(struct inbox *inbox, uint8_t **out_space, size_t *out_size);

/* So many bytes were written into that room. */
void inbox_filled(struct inbox *inbox, size_t size);

/*
 * Shows the next whole message, for as long as no other function but inbox_keep() is called.
 * Returns 1 and the message, borrowed; 0 if it is not all there yet; -EBADMSG if no message can
 * come of these bytes (`scanner.reason` says why), after which the inbox is of no more use.
 */
int inbox_next(struct inbox *inbox, struct letter *out_view);

/* The type of the message that is shown: a number of the envelope's, -1 if it is none. */
int64_t inbox_type(const struct inbox *inbox);

/*
 * Takes the message that is shown: the caller frees its bytes, and may write bytes[length].
 * 0 or -ENOMEM.
 */
int inbox_keep(struct inbox *inbox, struct letter *out_letter);

/* Gives memory back that holds nothing. */
void inbox_trim(struct inbox *inbox);
