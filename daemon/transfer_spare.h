/*
 * transfer_spare: transfers that are over, and may be used again by the same user: their easy
 * handles have all options but those that a request sets, which are a third of the work of making
 * one.
 *
 * Nothing passes from one user to another that way: a user gets only what was his own. Nor does
 * anything pass to his next request that a new handle would not have: what an easy handle keeps
 * beside its options, says curl_easy_reset(3), are connections, sessions and names, which are the
 * pool's here and not the handle's, and cookies and Alt-Svc, which are switched off. And only those
 * are kept that had nothing but an everyday request with a good end, and only everyday requests get
 * them: see transfer.c.
 * Bounded; the one that was spared first goes first.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct transfer;

/* So many are kept, of 10 KiB each. */
#define TRANSFER_MOST_SPARES 128

struct transfer_spares {
    struct transfer *first; /* the last one that was kept */
    size_t count;
    unsigned number; /* how often the options have changed that all transfers have */
};

/* The user's, for its caller to own; NULL: there is none. */
struct transfer *transfer_spares_take(struct transfer_spares *spares, uint32_t user);

/* Takes the transfer. */
void transfer_spares_put(struct transfer_spares *spares, struct transfer *transfer);

/* The configuration has changed, or the end is near: those that are kept go, and those that run
 * will not be kept. */
void transfer_spares_clear(struct transfer_spares *spares);
