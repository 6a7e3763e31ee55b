/* complaint: see complaint.h. */
#include "complaint.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exitcode.h"
#include "fetchpool.h"

/* The path of the unit that the packages install. */
#define SYSTEM_PATH "/run/fetchpool/fetchpool.sock"

void complaint_finish(struct complaint *complaint)
{
    free(complaint->sentence);
    *complaint = (struct complaint){0};
}

void complaint_set(struct complaint *complaint, int exit_code, const char *format, ...)
{
    va_list values;
    complaint_finish(complaint);
    va_start(values, format);
    if (vasprintf(&complaint->sentence, format, values) < 0)
        complaint->sentence = NULL;
    va_end(values);
    complaint->exit_code = exit_code;
}

void complaint_show(int exit_code, const char *sentence)
{
    fprintf(stderr, "fetchpool: (%d) %s\n", exit_code, sentence);
}

/* Could a daemon be started at the path: is nothing there, or a socket? */
static bool may_start_there(const char *path)
{
    struct stat there;
    if (stat(path, &there) < 0)
        return path[0] && errno == ENOENT;
    return S_ISSOCK(there.st_mode);
}

char *complaint_of(const struct fetchpool *client, int exit_code, const char *sentence)
{
    const char *path = fetchpool_socket_path(client);
    char *text;
    int result;
    if (exit_code == EXIT_CODE_CERTIFICATE)
        result = asprintf(&text,
                          "%s; trust its authority with --cacert, or for all with [tls] "
                          "ca_file in the daemon's configuration",
                          sentence);
    else if (exit_code != EXIT_CODE_NO_DAEMON || !may_start_there(path))
        result = asprintf(&text, "%s", sentence);
    else if (access(path, F_OK) == 0 && access(path, W_OK) < 0)
        result = asprintf(&text, "%s; it is for members of the group that owns it", sentence);
    else if (strcmp(path, SYSTEM_PATH) == 0)
        result =
            asprintf(&text,
                     "%s; start it with: systemctl start fetchpoold, or set FETCHPOOL_SOCKET to "
                     "the socket of one of your own",
                     sentence);
    else
        result = asprintf(&text, "%s; start it with: fetchpoold --socket %s", sentence, path);
    return result < 0 ? NULL : text;
}
