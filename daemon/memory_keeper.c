/* memory_keeper: see memory_keeper.h. */
#include "memory_keeper.h"

#include <malloc.h>

static void on_timer(uv_timer_t *timer)
{
    (void)timer;
    if (mallinfo2().fordblks > MEMORY_KEEPER_BYTES)
        malloc_trim(0);
}

void memory_keeper_open(struct memory_keeper *keeper, uv_loop_t *loop)
{
    uv_timer_init(loop, &keeper->timer);
    uv_unref((uv_handle_t *)&keeper->timer); /* it alone is no reason to run */
}

void memory_keeper_close(struct memory_keeper *keeper)
{
    uv_close((uv_handle_t *)&keeper->timer, NULL);
}

void memory_keeper_note(struct memory_keeper *keeper)
{
    if (!uv_is_active((uv_handle_t *)&keeper->timer))
        uv_timer_start(&keeper->timer, on_timer, MEMORY_KEEPER_MS, 0);
}
