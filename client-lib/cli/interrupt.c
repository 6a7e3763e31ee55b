/* interrupt: see interrupt.h. All that the handler reads is set by whole-word stores. */
#include "interrupt.h"

#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static const int numbers[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM};

#define NUMBER_COUNT (sizeof numbers / sizeof numbers[0])

static const char *_Atomic file_to_remove;
static const char *_Atomic clearing;
static void (*_Atomic give_back)(void);

/* The default action is back when this runs (SA_RESETHAND), and comes when it returns. */
static void clean_up(int number)
{
    const char *file = atomic_load(&file_to_remove);
    const char *bytes = atomic_load(&clearing);
    void (*restore)(void) = atomic_load(&give_back);
    if (file)
        unlink(file);
    if (restore)
        restore();
    ssize_t written = bytes ? write(STDERR_FILENO, bytes, strlen(bytes)) : 0;
    (void)written; /* a terminal that is gone needs no clearing */
    raise(number);
}

static void all_of_them(sigset_t *out_set)
{
    sigemptyset(out_set);
    for (size_t i = 0; i < NUMBER_COUNT; i++)
        sigaddset(out_set, numbers[i]);
}

/* What nohup or a shell's background job has ignored stays ignored. */
void interrupt_install(void)
{
    struct sigaction action = {.sa_handler = clean_up, .sa_flags = (int)SA_RESETHAND};
    all_of_them(&action.sa_mask);
    for (size_t i = 0; i < NUMBER_COUNT; i++) {
        struct sigaction before;
        if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler == SIG_DFL)
            sigaction(numbers[i], &action, NULL);
    }
}

void interrupt_hold(sigset_t *out_before)
{
    sigset_t all;
    all_of_them(&all);
    pthread_sigmask(SIG_BLOCK, &all, out_before);
}

void interrupt_release(const sigset_t *before)
{
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

void interrupt_set_file(const char *path)
{
    atomic_store(&file_to_remove, path);
}

void interrupt_set_clearing(const char *bytes)
{
    atomic_store(&clearing, bytes);
}

void interrupt_set_restore(void (*restore)(void))
{
    atomic_store(&give_back, restore);
}
