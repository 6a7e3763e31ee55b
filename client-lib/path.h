/*
 * path: where the daemon's socket is, if nobody says. The rule is the protocol's and the same for
 * every client: $FETCHPOOL_SOCKET, the user's own daemon if it is there, the system's.
 */
#pragma once

/* Returns owned: a copy of `given`, or the default path where it is NULL. NULL without memory. */
char *path_choose(const char *given);
