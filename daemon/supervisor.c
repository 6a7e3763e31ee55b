/* supervisor: see supervisor.h. */
#include "supervisor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

/* How often the status is looked at. */
#define STATUS_MS 2000

/* How long a daemon that could not start is there nevertheless. */
#define FAILURE_S 1

#define US_PER_MS 1000

static void say_status(struct supervisor *supervisor)
{
    char status[SUPERVISOR_STATUS_BYTES];
    supervisor->describe(supervisor->ctx, status);
    if (strcmp(status, supervisor->status) == 0)
        return;
    memcpy(supervisor->status, status, sizeof status);
    sd_notifyf(0, "STATUS=%s", status);
}

static void on_timer(uv_timer_t *timer)
{
    struct supervisor *supervisor = timer->data;
    if (supervisor->is_watched)
        sd_notify(0, "WATCHDOG=1");
    say_status(supervisor);
}

void supervisor_open(struct supervisor *supervisor, uv_loop_t *loop,
                     void (*describe)(void *ctx, char out_status[SUPERVISOR_STATUS_BYTES]),
                     void *ctx)
{
    uint64_t watchdog_us = 0;
    *supervisor = (struct supervisor){.describe = describe, .ctx = ctx};
    supervisor->is_watched = sd_watchdog_enabled(0, &watchdog_us) > 0;
    uv_timer_init(loop, &supervisor->timer);
    supervisor->timer.data = supervisor;
    /* Twice in the unit's time, as sd_watchdog_enabled(3) recommends; here, four times. */
    uint64_t watchdog_ms = watchdog_us / US_PER_MS / 4;
    bool is_short = supervisor->is_watched && watchdog_ms < STATUS_MS;
    uint64_t pause_ms = is_short ? watchdog_ms + (watchdog_ms == 0) : STATUS_MS;
    if (getenv("NOTIFY_SOCKET"))
        uv_timer_start(&supervisor->timer, on_timer, pause_ms, pause_ms);
}

void supervisor_close(struct supervisor *supervisor)
{
    uv_close((uv_handle_t *)&supervisor->timer, NULL);
}

void supervisor_say_ready(struct supervisor *supervisor)
{
    sd_notify(0, "READY=1");
    say_status(supervisor);
}

void supervisor_say_reloading(struct supervisor *supervisor)
{
    struct timespec now;
    (void)supervisor;
    clock_gettime(CLOCK_MONOTONIC, &now);
    sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
               (unsigned long long)now.tv_sec * 1000000 + (unsigned long long)now.tv_nsec / 1000);
}

void supervisor_say_stopping(struct supervisor *supervisor, uint64_t most_ms)
{
    sd_notifyf(0, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%llu", (unsigned long long)most_ms * US_PER_MS);
    say_status(supervisor);
}

void supervisor_put_off_failure(void)
{
    if (getenv("NOTIFY_SOCKET"))
        sleep(FAILURE_S);
}
