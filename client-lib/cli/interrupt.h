/*
 * interrupt: what a signal that ends the command must not leave behind: a temporary file, a
 * half-drawn line, a screen that the command has taken over. The process then dies by that signal,
 * and its socket with it, which cancels at the daemon whatever still ran.
 */
#pragma once

#include <signal.h>

/* Catches the signals by which users and supervisors end a process, but for those ignored. */
void interrupt_install(void);

/* Between these two such a signal waits, so that a name and what it names change together. */
void interrupt_hold(sigset_t *out_before);
void interrupt_release(const sigset_t *before);

/* The file to remove; borrowed until the next call. NULL: none. To be called while held. */
void interrupt_set_file(const char *path);

/* Bytes that clear what is drawn on standard error; borrowed for good. NULL: nothing is drawn. */
void interrupt_set_clearing(const char *bytes);

/*
 * What gives back a terminal that was taken over: it must be fit for a signal handler. NULL: none
 * was.
 */
void interrupt_set_restore(void (*restore)(void));
