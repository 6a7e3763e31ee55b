/*
 * door: where the daemon's socket is, and whose it may be. Both are read from the environment once,
 * when a client is opened; a set-uid program does not listen to its caller's environment.
 *
 * A connect that succeeds has found a socket whose owner may see what is sent to it. Nothing is
 * ever sent to another.
 */
#pragma once

#include "owner.h"

#include <stdint.h>

struct door {
    char *path; /* owned */
    struct owner owner;
};

/* At `path`, or at the default one where that is NULL. 0 or -ENOMEM; door_finish() is due after
 * either. */
int door_init(struct door *out_door, const char *path);
void door_finish(struct door *door);

/*
 * Connects. 0 and a descriptor that the caller owns, or -ENAMETOOLONG, -ETIMEDOUT if the daemon
 * does not accept before the deadline, -EPERM with the reason if the socket is another user's, or
 * what open(2), socket(2) or connect(2) said. Without a deadline it does not wait, the descriptor
 * is non-blocking, and -EAGAIN says that the daemon does not accept right now.
 */
int door_connect(const struct door *door, int *out_fd, const int64_t *deadline,
                 struct wire_why *why);
