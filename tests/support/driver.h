/*
 * driver: what the programs share that drive libfetchpool under a test's command.
 *
 * Bodies are rows of 64-bit numbers in the byte order of the host, counted up from a seed, so that
 * every byte tells where it belongs. URLs end in /LENGTH/SEED.
 */
#pragma once

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "fetchpool.h"

static inline int descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

/* ---- Bodies ---------------------------------------------------------------------------------- */

struct body {
    uint64_t seed;
    uint64_t length; /* of an upload */
    uint64_t at;     /* bytes so far */
    int is_wrong;
};

static inline uint8_t body_byte(const struct body *body, uint64_t at)
{
    uint64_t number = body->seed + at / 8;
    return ((const uint8_t *)&number)[at % 8];
}

static inline void body_check(struct body *body, const void *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++)
        body->is_wrong |= ((const uint8_t *)bytes)[i] != body_byte(body, body->at++);
}

/* At most `size` bytes of what is left. */
static inline size_t body_write(struct body *body, void *buffer, size_t size)
{
    uint64_t left = body->length - body->at;
    if (size > left)
        size = (size_t)left;
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)buffer)[i] = body_byte(body, body->at++);
    return size;
}

/* The body that a URL names by its end. */
static inline struct body body_of(const char *url)
{
    const char *seed = strrchr(url, '/') + 1;
    return (struct body){.seed = strtoull(seed, NULL, 10)};
}

/* ---- Hardships ------------------------------------------------------------------------------- */

static int socket_buffer; /* 0: as the host has it */

/* In place of libc's, also for the library: with a buffer as small as a test wants. */
int socket(int domain, int type, int protocol)
{
    int fd = (int)syscall(SYS_socket, domain, type, protocol);
    if (fd >= 0 && socket_buffer > 0) {
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &socket_buffer, sizeof socket_buffer);
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &socket_buffer, sizeof socket_buffer);
    }
    return fd;
}

static inline void see_signal(int number)
{
    (void)number; /* that it interrupts is all */
}

/* A signal each millisecond, which interrupts what it finds. */
static inline void start_signals(void)
{
    struct sigaction action = {.sa_handler = see_signal};
    struct itimerval each = {.it_interval = {0, 1000}, .it_value = {0, 1000}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &each, NULL);
}
