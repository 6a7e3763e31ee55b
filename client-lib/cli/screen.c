/*
 * screen: see screen.h. The sequences are those that all terminals of our time understand (xterm's,
 * from ECMA-48); there is no look-up of others.
 */
#include "screen.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "interrupt.h"
#include "keyboard.h"
#include "output.h"

/* What does not say how large it is; and the width of what is no terminal. */
#define DEFAULT_COLUMNS 80
#define DEFAULT_ROWS    24

/* Lines beyond this help nobody. */
#define MAX_COLUMNS 512

static const char enter[] = "\033[?1049h\033[?25l\033[2J"; /* alternate screen, no cursor, empty */
static const char leave[] = "\033[0m\033[?25h\033[?1049l";
static const char home[] = "\033[H";
static const char clear_to_line_end[] = "\033[K";
static const char clear_below[] = "\033[J";
static const char reverse[] = "\033[7m";
static const char plain[] = "\033[0m";

static atomic_bool is_entered;

/* ---- Taking the terminal, and giving it back ---------------------------------------------------
 */

/*
 * Fit for a signal handler, and to be interrupted by one which does the same: what is given back
 * twice is as if once. A process in the background that sets its terminal's mode is stopped
 * (SIGTTOU) unless it holds that signal back, and one that is ending must not be.
 */
static void give_back(void)
{
    sigset_t stop, before;
    if (!atomic_load(&is_entered))
        return;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTTOU);
    pthread_sigmask(SIG_BLOCK, &stop, &before);
    ssize_t written = write(STDOUT_FILENO, leave, sizeof leave - 1);
    (void)written; /* a terminal that is gone need not be given back */
    keyboard_close();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    atomic_store(&is_entered, false);
}

static int take(void)
{
    interrupt_set_restore(give_back);
    atomic_store(&is_entered, true);
    keyboard_open();
    return output_write_to(STDOUT_FILENO, enter, sizeof enter - 1);
}

/* ---- Signals --------------------------------------------------------------------------------- */

/* Those that only change what is to be drawn, or when. They are read where the screen waits. */
static void own_signals(sigset_t *out_set)
{
    sigemptyset(out_set);
    sigaddset(out_set, SIGWINCH);
    sigaddset(out_set, SIGCONT);
    sigaddset(out_set, SIGTSTP);
}

/* Ctrl-Z: the shell gets its terminal as it was. Comes back when the process is continued. */
static void stop_process(void)
{
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTSTP);
    give_back();
    raise(SIGTSTP); /* waits, as it is blocked */
    pthread_sigmask(SIG_UNBLOCK, &stop, NULL);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);
}

/* Whoever continued the process may have used the terminal meanwhile. */
static void take_signals(const struct screen *screen)
{
    struct signalfd_siginfo info;
    bool may_be_changed = false;
    while (read(screen->signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGTSTP)
            stop_process();
        may_be_changed = may_be_changed || info.ssi_signo != SIGWINCH;
    }
    if (may_be_changed)
        take();
}

/* ---- Its life -------------------------------------------------------------------------------- */

static bool is_capable_terminal(void)
{
    const char *name = getenv("TERM");
    return isatty(STDOUT_FILENO) && (!name || strcmp(name, "dumb") != 0);
}

int screen_open(struct screen *out_screen)
{
    sigset_t own;
    *out_screen = (struct screen){.signals = -1, .is_terminal = is_capable_terminal()};
    if (!out_screen->is_terminal)
        return 0;
    own_signals(&own);
    out_screen->signals = signalfd(-1, &own, SFD_CLOEXEC | SFD_NONBLOCK);
    if (out_screen->signals < 0)
        return -errno;
    pthread_sigmask(SIG_BLOCK, &own, NULL);
    int result = take();
    if (result < 0)
        screen_close(out_screen);
    return result;
}

void screen_close(struct screen *screen)
{
    sigset_t own;
    if (!screen->is_terminal)
        return;
    give_back();
    interrupt_set_restore(NULL);
    close(screen->signals);
    own_signals(&own);
    pthread_sigmask(SIG_UNBLOCK, &own, NULL);
}

/* ---- Frames ---------------------------------------------------------------------------------- */

/* The last column stays free: what some terminals clear after it, or where they go, differs. */
void screen_frame(const struct screen *screen, struct frame *out_frame)
{
    struct winsize window = {0};
    if (!screen->is_terminal) {
        frame_init(out_frame, DEFAULT_COLUMNS, FRAME_ANY_HEIGHT);
        return;
    }
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &window);
    size_t columns = window.ws_col > 0 ? window.ws_col : DEFAULT_COLUMNS;
    size_t rows = window.ws_row > 0 ? window.ws_row : DEFAULT_ROWS;
    columns = columns < MAX_COLUMNS ? columns : MAX_COLUMNS;
    frame_init(out_frame, columns > 1 ? columns - 1 : 1, rows);
}

/* Over what is there, so that nothing flickers. No line end after the last one: it would scroll. */
static void put_drawing(struct buffer *out, const struct frame *frame)
{
    const char *at = (const char *)frame->text.data;
    const char *end = at + frame->text.length;
    buffer_append_text(out, home);
    for (size_t row = 0; at < end; row++) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        const char *next = line_end ? line_end + 1 : end;
        if (row > 0)
            buffer_append_text(out, "\r\n");
        if (row == frame->title)
            buffer_append_text(out, reverse);
        buffer_append(out, at, (size_t)((line_end ? line_end : end) - at));
        if (row == frame->title)
            buffer_append_text(out, plain);
        buffer_append_text(out, clear_to_line_end);
        at = next;
    }
    buffer_append_text(out, clear_below);
}

static void put_text(struct buffer *out, const struct frame *frame, bool is_first)
{
    if (!is_first)
        buffer_append_text(out, "\n");
    buffer_append(out, frame->text.data, frame->text.length);
}

/* By one write, so that a terminal does not show halves. */
int screen_show(struct screen *screen, const struct frame *frame)
{
    struct buffer bytes;
    buffer_init(&bytes, SIZE_MAX / 2);
    if (screen->is_terminal)
        put_drawing(&bytes, frame);
    else
        put_text(&bytes, frame, !screen->has_shown);
    int result = frame->text.error < 0 ? frame->text.error : bytes.error;
    if (result == 0)
        result = output_write_to(STDOUT_FILENO, bytes.data, bytes.length);
    screen->has_shown = true;
    buffer_finish(&bytes);
    return result;
}

/* ---- Waiting --------------------------------------------------------------------------------- */

enum screen_event screen_wait(const struct screen *screen, int64_t timeout_ms, int *out_key)
{
    struct pollfd ready[] = {
        {.fd = screen->is_terminal ? keyboard_fd() : -1, .events = POLLIN},
        {.fd = screen->signals, .events = POLLIN},
    };
    int key = keyboard_next();
    if (key == KEY_NONE) {
        int wait_ms = timeout_ms < INT_MAX ? (int)timeout_ms : INT_MAX;
        poll(ready, sizeof ready / sizeof ready[0], wait_ms > 0 ? wait_ms : 0);
        if (ready[0].revents != 0)
            keyboard_fill();
        key = keyboard_next();
    }
    if (key != KEY_NONE) {
        *out_key = key;
        return SCREEN_KEY;
    }
    if (ready[1].revents != 0) {
        take_signals(screen);
        return SCREEN_CHANGED;
    }
    return SCREEN_TIME;
}
