/*
 * keyboard: a terminal's keys one by one, as they are pressed and without an echo. Ctrl-C and its
 * like stay signals. There is one of it in a process, for there is one terminal.
 */
#pragma once

enum { KEY_NONE = 0, KEY_LEFT = 256, KEY_RIGHT };

/* Standard input, if it is a terminal; else no key ever comes. */
void keyboard_open(void);

/* As it was before. Fit for a signal handler; may be called twice. */
void keyboard_close(void);

/* What to poll() for keys; -1: none come, or none come any more. */
int keyboard_fd(void);

/* Takes what has been typed, when poll() has said that there is something. */
void keyboard_fill(void);

/* The next key of it, a byte or one of the above; KEY_NONE when there is none left. */
int keyboard_next(void);
