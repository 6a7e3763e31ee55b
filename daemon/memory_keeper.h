/*
 * memory_keeper: gives memory back to the system that the allocator keeps after a burst: bodies
 * that waited, hundreds of requests at once. It looks a moment after requests have ended, and not
 * at all while nothing happens. Ground floor: knows nothing of ours.
 */
#pragma once

#include <uv.h>

/* Freed memory below this is worth keeping. */
#define MEMORY_KEEPER_BYTES ((size_t)4 << 20)

/* How long after a request's end it looks; not more often than that. */
#define MEMORY_KEEPER_MS 500

struct memory_keeper {
    uv_timer_t timer;
};

void memory_keeper_open(struct memory_keeper *keeper, uv_loop_t *loop);
/* Its memory must stay until the loop has run once more. */
void memory_keeper_close(struct memory_keeper *keeper);

/* Something has ended: some memory may be of no more use. */
void memory_keeper_note(struct memory_keeper *keeper);
