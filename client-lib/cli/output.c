/* output: see output.h. */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "interrupt.h"

/* Names to try beside the file's: others of this process's number may be left of earlier days. */
#define TEMPORARY_NAMES 100

/* As many as the kernel follows (path_resolution(7)). */
#define MAX_LINKS 40

static int fail(void)
{
    return errno ? -errno : -EIO;
}

/* ---- Names ----------------------------------------------------------------------------------- */

/* Up to the last slash, it included. */
static int directory_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (int)(slash + 1 - path) : 0;
}

/* Descriptors by name: to rename over what they lead to would take it from whoever else has it. */
static bool is_descriptor(const char *path)
{
    static const char *const beginnings[] = {"/dev/fd/", "/dev/stdout", "/dev/stderr", "/proc/"};
    for (size_t i = 0; i < sizeof beginnings / sizeof beginnings[0]; i++) {
        if (strncmp(path, beginnings[i], strlen(beginnings[i])) == 0)
            return true;
    }
    return false;
}

/* Where one symbolic link leads. NULL if it is none, or with errno ENOMEM. Returns owned. */
static char *follow_link(const char *path)
{
    char link[PATH_MAX];
    char *target = NULL;
    ssize_t length = readlink(path, link, sizeof link);
    errno = 0;
    if (length <= 0 || (size_t)length >= sizeof link)
        return NULL;
    int directory = link[0] == '/' ? 0 : directory_length(path);
    if (asprintf(&target, "%.*s%.*s", directory, path, (int)length, link) < 0) {
        errno = ENOMEM;
        return NULL;
    }
    return target;
}

/* The name at the end of the links, whether or not something is there yet. Returns owned. */
static char *final_name(const char *path)
{
    char *name = strdup(path);
    for (int i = 0; name && i < MAX_LINKS; i++) {
        char *target = follow_link(name);
        if (!target && errno == 0)
            return name;
        free(name);
        name = target;
    }
    errno = name ? ELOOP : ENOMEM;
    free(name);
    return NULL;
}

static char *temporary_name(const char *path, int index)
{
    int directory = directory_length(path);
    char *name;
    if (asprintf(&name, "%.*s.%s.%d.%d", directory, path, path + directory, (int)getpid(), index) <
        0)
        return NULL;
    return name;
}

/* ---- Opening --------------------------------------------------------------------------------- */

/* Tries one name. A signal that comes meanwhile waits until it knows what to remove. */
static int create_temporary(struct output *output, char *name, mode_t mode)
{
    sigset_t before;
    interrupt_hold(&before);
    output->fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    int result = output->fd < 0 ? fail() : 0;
    if (result == 0) {
        output->temporary = name;
        interrupt_set_file(name);
    }
    interrupt_release(&before);
    return result;
}

static int open_temporary(struct output *output, mode_t mode)
{
    int result = -EEXIST;
    for (int i = 0; i < TEMPORARY_NAMES && result == -EEXIST; i++) {
        char *name = temporary_name(output->path, i);
        if (!name)
            return -ENOMEM;
        result = create_temporary(output, name, mode);
        if (result < 0)
            free(name);
    }
    return result;
}

static int open_directly(struct output *output, const char *path)
{
    free(output->path);
    output->path = NULL;
    output->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return output->fd < 0 ? fail() : 0;
}

/* Owner and mode of the file that it replaces. One that cannot be given to its owner is ours, and
 * gives nobody our rights. */
static int take_after(const struct output *output, const struct stat *old)
{
    bool is_owners = fchown(output->fd, old->st_uid, old->st_gid) == 0;
    return fchmod(output->fd, old->st_mode & (is_owners ? 07777 : 0777)) < 0 ? fail() : 0;
}

static int open_beside(struct output *output, const char *path)
{
    struct stat old;
    bool exists = stat(path, &old) == 0;
    if (is_descriptor(path) || (exists && !S_ISREG(old.st_mode)))
        return open_directly(output, path);
    if (exists && access(path, W_OK) < 0)
        return fail();
    output->path = final_name(path);
    if (!output->path)
        return fail();
    int result = open_temporary(output, exists ? 0600 : 0666); /* nobody else's before it is */
    if (result == 0 && exists)
        result = take_after(output, &old);
    if (result != -EACCES && result != -ENAMETOOLONG)
        return result;
    /* The directory takes no new names, the file itself may still be ours to write. */
    return open_directly(output, path);
}

int output_open(struct output *out_output, const char *path)
{
    struct output output = {.fd = STDOUT_FILENO};
    int result = 0;
    if (path && strcmp(path, "-") != 0)
        result = open_beside(&output, path);
    if (result < 0)
        output_abandon(&output);
    else
        *out_output = output;
    return result;
}

/* ---- Writing --------------------------------------------------------------------------------- */

/* A descriptor that somebody else has set to non-blocking is waited for. */
static bool may_go_on(int fd)
{
    if (errno != EAGAIN)
        return errno == EINTR;
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    return poll(&ready, 1, -1) >= 0 || errno == EINTR;
}

int output_write_to(int fd, const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t written = write(fd, at, length);
        if (written < 0 && !may_go_on(fd))
            return fail();
        if (written > 0) {
            at += written;
            length -= (size_t)written;
        }
    }
    return 0;
}

int output_write(struct output *output, const void *bytes, size_t length)
{
    return output_write_to(output->fd, bytes, length);
}

bool output_is_terminal(const struct output *output)
{
    return isatty(output->fd);
}

/* ---- The end --------------------------------------------------------------------------------- */

static int close_file(struct output *output)
{
    int fd = output->fd;
    output->fd = -1;
    if (fd <= STDERR_FILENO)
        return 0;
    return close(fd) < 0 ? fail() : 0;
}

/* The temporary file is renamed, or removed. */
static int end_temporary(struct output *output, bool is_whole)
{
    sigset_t before;
    int result = 0;
    interrupt_hold(&before);
    if (is_whole && rename(output->temporary, output->path) < 0)
        result = fail();
    if (!is_whole || result < 0)
        unlink(output->temporary);
    interrupt_set_file(NULL);
    interrupt_release(&before);
    free(output->temporary);
    output->temporary = NULL;
    return result;
}

int output_finish(struct output *output)
{
    int result = close_file(output); /* NFS reports a full disk here */
    if (result == 0 && output->temporary)
        result = end_temporary(output, true);
    output_abandon(output);
    return result;
}

void output_abandon(struct output *output)
{
    close_file(output);
    if (output->temporary)
        end_temporary(output, false);
    free(output->path);
    *output = (struct output){.fd = -1};
}
