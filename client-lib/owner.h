/*
 * owner: whose the daemon's socket may be: root's, the process's own user's (the effective one), or
 * that of the user whom FETCHPOOL_SOCKET_OWNER names. Whoever has the socket reads all that is sent
 * to it.
 */
#pragma once

#include "fetchpool_wire.h"

#include <stdbool.h>
#include <sys/types.h>

struct owner {
    bool is_named;
    uid_t named;   /* by FETCHPOOL_SOCKET_OWNER */
    char *unknown; /* owned: what it says, where that is no user; NULL else */
};

/* Reads the variable, and looks a name up. 0 or -ENOMEM. */
int owner_init(struct owner *out_owner);
void owner_finish(struct owner *owner);

/* 0, or -EPERM with the reason: the variable names nobody. */
int owner_check_name(const struct owner *owner, struct wire_why *why);

/* 0, or -EPERM with the reason. `is` stands before the user's name in it: "belongs to". */
int owner_check(const struct owner *owner, uid_t user, const char *is, struct wire_why *why);
