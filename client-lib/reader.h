/*
 * reader: opens the messages that a channel has received and brings each to the exchange that it
 * is about.
 *
 * Which exchange has an id is for the caller to say, since the blocking calls have one on a channel
 * and the asynchronous half has many. What nobody waits for is passed over.
 */
#pragma once

#include "channel.h"
#include "exchange.h"
#include "fetchpool_wire.h"

/* The exchange with that id, or NULL. */
typedef struct exchange *(*reader_find)(void *ctx, uint32_t id);

/*
 * Reads one message. 1 if one was there, and the exchange that took it (NULL: none did); 0 if none
 * is whole yet; -ENOMEM; or -EBADMSG with the reason, after which the channel is of no more use.
 */
int reader_take(struct channel *channel, reader_find find, void *ctx,
                struct exchange **out_exchange, struct wire_why *why);
