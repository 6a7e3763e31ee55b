/* complaint: see complaint.h. */
#include "complaint.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "exitcode.h"
#include "fetchpool.h"

/* The path of the unit that the packages install. */
#define SYSTEM_PATH "/run/fetchpool/fetchpool.sock"

void complaint_show(int exit_code, const char *sentence)
{
    fprintf(stderr, "fetchpool: (%d) %s\n", exit_code, sentence);
}

char *complaint_of(const struct fetchpool *client, int exit_code, const char *sentence)
{
    const char *path = fetchpool_socket_path(client);
    char *text;
    int result;
    if (exit_code != EXIT_CODE_NO_DAEMON)
        result = asprintf(&text, "%s", sentence);
    else if (access(path, F_OK) == 0 && access(path, W_OK) < 0)
        result = asprintf(&text, "%s; it is for members of the group that owns it", sentence);
    else if (strcmp(path, SYSTEM_PATH) == 0)
        result = asprintf(&text, "%s; start it with: systemctl start fetchpoold", sentence);
    else
        result = asprintf(&text, "%s; start it with: fetchpoold --socket %s", sentence, path);
    return result < 0 ? NULL : text;
}
