/*
 * path: see path.h. An empty variable counts as none, as the XDG base directory specification has
 * it for its own; in a set-uid program every one does, for its caller has set them. A path that is
 * too long for a socket is passed on and refused at the connect.
 */
#include "path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SYSTEM_PATH "/run/fetchpool/fetchpool.sock"

static const char *variable(const char *name)
{
    const char *value = secure_getenv(name);
    return value && *value ? value : NULL;
}

static char *users_own(void)
{
    const char *directory = variable("XDG_RUNTIME_DIR");
    char *path;
    if (!directory || asprintf(&path, "%s/fetchpool/fetchpool.sock", directory) < 0)
        return NULL;
    if (access(path, F_OK) == 0)
        return path;
    free(path);
    return NULL;
}

char *path_choose(const char *given)
{
    if (!given)
        given = variable("FETCHPOOL_SOCKET");
    if (given)
        return strdup(given);
    char *path = users_own();
    return path ? path : strdup(SYSTEM_PATH);
}
