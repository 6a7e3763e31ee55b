/* keyboard: see keyboard.h. What a signal handler reads is set before the flag that it looks at. */
#include "keyboard.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* A burst of keys; what is more is read the next time. */
#define TYPED_BYTES 64

static struct termios before;
static atomic_bool is_raw;
static bool has_ended; /* the terminal is gone */

static struct {
    char bytes[TYPED_BYTES];
    size_t begin, end;
} typed;

void keyboard_open(void)
{
    struct termios raw;
    if (!atomic_load(&is_raw) && tcgetattr(STDIN_FILENO, &before) < 0)
        return;
    raw = before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 0; /* read() says at once that there is nothing */
    raw.c_cc[VTIME] = 0;
    atomic_store(&is_raw, true);
    if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) < 0)
        atomic_store(&is_raw, false);
}

void keyboard_close(void)
{
    if (!atomic_load(&is_raw))
        return;
    tcsetattr(STDIN_FILENO, TCSANOW, &before);
    atomic_store(&is_raw, false);
}

int keyboard_fd(void)
{
    return atomic_load(&is_raw) && !has_ended ? STDIN_FILENO : -1;
}

void keyboard_fill(void)
{
    ssize_t count = read(STDIN_FILENO, typed.bytes, sizeof typed.bytes);
    has_ended = count <= 0; /* though there was something */
    typed.begin = 0;
    typed.end = count > 0 ? (size_t)count : 0;
}

/* An arrow is ESC [ C, or ESC O C. Other sequences are taken whole and mean nothing. */
static int read_sequence(void)
{
    size_t left = typed.end - typed.begin;
    const char *at = typed.bytes + typed.begin;
    if (left < 2 || !strchr("[O", at[0])) {
        typed.begin = typed.end;
        return KEY_NONE;
    }
    size_t length = 2;
    while (length < left && (at[length - 1] < '@' || at[length - 1] > '~'))
        length++;
    typed.begin += length;
    switch (at[length - 1]) {
    case 'C':
        return KEY_RIGHT;
    case 'D':
        return KEY_LEFT;
    default:
        return KEY_NONE;
    }
}

int keyboard_next(void)
{
    while (typed.begin < typed.end) {
        int key = (unsigned char)typed.bytes[typed.begin++];
        if (key == '\033')
            key = read_sequence();
        if (key != KEY_NONE)
            return key;
    }
    return KEY_NONE;
}
