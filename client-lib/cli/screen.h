/*
 * screen: where frames are shown one after the other. On a terminal that is its alternate screen,
 * without a cursor, and what was there before is back after the end, however that comes: by
 * screen_close(), by a signal that ends the process, by one that stops it. Anything else gets each
 * frame as plain text, an empty line between two.
 *
 * There is one of it in a process. It knows nothing of what it shows.
 */
#pragma once

#include "frame.h"

#include <stdbool.h>
#include <stdint.h>

enum screen_event {
    SCREEN_TIME,   /* the time is up, or nearly */
    SCREEN_KEY,    /* a key was pressed */
    SCREEN_CHANGED /* the window has another size, or was given back: to be drawn anew */
};

struct screen {
    int signals; /* a signalfd; -1: no terminal */
    bool is_terminal;
    bool has_shown;
};

/* 0 or a negative errno. screen_close() is due after success. */
int screen_open(struct screen *out_screen);
void screen_close(struct screen *screen);

/* An empty frame of the size that the window has now. */
void screen_frame(const struct screen *screen, struct frame *out_frame);

/* 0 or a negative errno. */
int screen_show(struct screen *screen, const struct frame *frame);

/* Until something happens, timeout_ms at most. `out_key` is set with SCREEN_KEY. */
enum screen_event screen_wait(const struct screen *screen, int64_t timeout_ms, int *out_key);
