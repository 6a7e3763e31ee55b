/*
 * supervisor: what systemd is told of the daemon, if it listens ($NOTIFY_SOCKET): that it is ready,
 * that it reads its configuration again, that it ends, what it does (STATUS=, shown by `systemctl
 * status`), and, where the unit has WatchdogSec=, that its loop still turns. See sd_notify(3).
 *
 * Knows nothing of ours: what the daemon does is asked of its owner.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uv.h>

#define SUPERVISOR_STATUS_BYTES 200

/* Embedded. */
struct supervisor {
    uv_timer_t timer;
    bool is_watched; /* WATCHDOG=1 is due at each turn of the timer */
    /* What the daemon does now, in one line. */
    void (*describe)(void *ctx, char out_status[SUPERVISOR_STATUS_BYTES]);
    void *ctx;
    char status[SUPERVISOR_STATUS_BYTES]; /* as it was last told */
};

/* From here on the watchdog is fed. */
void supervisor_open(struct supervisor *supervisor, uv_loop_t *loop,
                     void (*describe)(void *ctx, char out_status[SUPERVISOR_STATUS_BYTES]),
                     void *ctx);
/* The memory is in use until the loop has closed its handle. */
void supervisor_close(struct supervisor *supervisor);

/* It serves; also after supervisor_say_reloading(). */
void supervisor_say_ready(struct supervisor *supervisor);
void supervisor_say_reloading(struct supervisor *supervisor);

/* It ends, and may need so long for it, whatever the unit's TimeoutStopSec= says. */
void supervisor_say_stopping(struct supervisor *supervisor, uint64_t most_ms);

/*
 * The daemon could not start, and is about to end. systemd will start it again at once, as after a
 * crash, and as long as it takes: so that it does not do so all the time, this sleeps for a second
 * where systemd listens. A signal ends it.
 */
void supervisor_put_off_failure(void);
