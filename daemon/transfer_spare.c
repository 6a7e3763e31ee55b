/* transfer_spare: see transfer_spare.h. */
#include "transfer_spare.h"

#include <utlist.h>

#include "transfer_internal.h"

static void leave(struct transfer_spares *spares, struct transfer *transfer)
{
    DL_DELETE2(spares->first, transfer, spare_prev, spare_next); // NOLINT: it is in it
    spares->count--;
}

struct transfer *transfer_spares_take(struct transfer_spares *spares, uint32_t user)
{
    struct transfer *transfer;
    DL_FOREACH2 (spares->first, transfer, spare_next) {
        if (transfer->user == user) {
            leave(spares, transfer);
            return transfer;
        }
    }
    return NULL;
}

static void drop(struct transfer_spares *spares, struct transfer *transfer)
{
    leave(spares, transfer);
    transfer_free(transfer);
}

void transfer_spares_put(struct transfer_spares *spares, struct transfer *transfer)
{
    if (spares->count >= TRANSFER_MOST_SPARES)
        drop(spares, spares->first->spare_prev);
    DL_PREPEND2(spares->first, transfer, spare_prev, spare_next);
    spares->count++;
}

void transfer_spares_clear(struct transfer_spares *spares)
{
    while (spares->first)
        drop(spares, spares->first);
    spares->number++;
}
