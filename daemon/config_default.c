/* config_default: which file is read where none is named; see config.h. */
#include "config_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *config_default_path(void)
{
    char *path = NULL;
    const char *home = getenv("HOME");
    const char *own = getenv("XDG_CONFIG_HOME");
    int length;
    if (getuid() == 0 || ((!own || *own != '/') && (!home || *home != '/')))
        return strdup(CONFIG_SYSTEM_PATH);
    /* XDG Base Directory Specification: a relative path is to be ignored. */
    if (own && *own == '/')
        length = asprintf(&path, "%s/fetchpool/fetchpool.conf", own);
    else
        length = asprintf(&path, "%s/.config/fetchpool/fetchpool.conf", home);
    return length < 0 ? NULL : path;
}

/* One that is not there says nothing; one that cannot be looked at is an error. */
static int read_default(struct config *config, char **out_path, struct config_error *error)
{
    char *path = config_default_path();
    int result = path ? 0 : -ENOMEM;
    snprintf(error->text, sizeof error->text, "out of memory");
    if (path && (access(path, F_OK) == 0 || (errno != ENOENT && errno != ENOTDIR)))
        result = config_load(config, path, error);
    else if (path)
        *path = '\0';
    if (result < 0)
        free(path);
    else
        *out_path = path;
    return result;
}

int config_read(struct config *config, const char *path, char **out_path,
                struct config_error *error)
{
    if (!path)
        return read_default(config, out_path, error);
    char *copy = strdup(path);
    snprintf(error->text, sizeof error->text, "out of memory");
    int result = copy ? config_load(config, path, error) : -ENOMEM;
    if (result < 0)
        free(copy);
    else
        *out_path = copy;
    return result;
}
