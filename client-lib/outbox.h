/*
 * outbox: bytes for the daemon that its socket has not taken yet.
 *
 * It owns them and counts them, so that it can be said of any message whether it has gone. It knows
 * nothing of sockets and of what the bytes say: encoders append to `bytes`, whose error says that
 * one of them had no memory, after which the outbox is of no more use.
 */
#pragma once

#include "buffer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct outbox {
    struct buffer bytes; /* what is still to be sent, and before it what has been */
    size_t sent;         /* of these bytes, how many have gone */
    uint64_t gone;       /* bytes that have gone since the socket was opened */
};

void outbox_init(struct outbox *outbox);
void outbox_finish(struct outbox *outbox);

size_t outbox_waiting(const struct outbox *outbox);

/* How many bytes will have gone once all that is in here now has. */
uint64_t outbox_end(const struct outbox *outbox);

/* Room for so many bytes at its end, for who writes there himself; NULL, noted as an encoder's
 * error is, without memory. They count once outbox_filled() says how many there are. */
uint8_t *outbox_space(struct outbox *outbox, size_t size);
void outbox_filled(struct outbox *outbox, size_t size);

/* So many bytes have gone, from its front. */
void outbox_sent(struct outbox *outbox, size_t size);
