/* output: see output.h. */
#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Names to try beside the file's: others of this process's number may be left of earlier days. */
#define TEMPORARY_NAMES 100

static int fail(void)
{
    return errno ? -errno : -EIO;
}

static char *temporary_name(const char *path, int index)
{
    const char *slash = strrchr(path, '/');
    int directory = slash ? (int)(slash + 1 - path) : 0;
    char *name;
    if (asprintf(&name, "%.*s.%s.%d.%d", directory, path, path + directory, (int)getpid(), index) <
        0)
        return NULL;
    return name;
}

/* Creates the temporary file with the mode that the final one is to have. */
static int open_temporary(struct output *output, mode_t mode)
{
    for (int i = 0; i < TEMPORARY_NAMES; i++) {
        char *name = temporary_name(output->path, i);
        if (!name)
            return -ENOMEM;
        output->fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (output->fd >= 0) {
            output->temporary = name;
            return 0;
        }
        free(name);
        if (errno != EEXIST)
            return fail();
    }
    return -EEXIST;
}

static int open_directly(struct output *output, const char *path)
{
    output->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return output->fd < 0 ? fail() : 0;
}

/* A file that is there keeps its mode, and one that a symbolic link points to keeps the link. */
static int open_beside(struct output *output, const char *path)
{
    struct stat status;
    bool exists = stat(path, &status) == 0;
    if (exists && !S_ISREG(status.st_mode))
        return open_directly(output, path);
    if (exists && access(path, W_OK) < 0)
        return fail();
    output->path = exists ? realpath(path, NULL) : strdup(path);
    if (!output->path)
        return fail();
    int result = open_temporary(output, 0666);
    if (result == 0 && exists && fchmod(output->fd, status.st_mode & 07777) < 0)
        result = fail();
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

int output_write_to(int fd, const void *bytes, size_t length)
{
    const char *at = bytes;
    while (length > 0) {
        ssize_t written = write(fd, at, length);
        if (written < 0 && errno != EINTR)
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

static int close_file(struct output *output)
{
    int fd = output->fd;
    output->fd = -1;
    if (fd <= STDERR_FILENO)
        return 0;
    return close(fd) < 0 ? fail() : 0;
}

int output_finish(struct output *output)
{
    int result = close_file(output); /* NFS reports a full disk here */
    if (result == 0 && output->temporary && rename(output->temporary, output->path) < 0)
        result = fail();
    if (result == 0) {
        free(output->temporary);
        output->temporary = NULL;
    }
    output_abandon(output);
    return result;
}

void output_abandon(struct output *output)
{
    close_file(output);
    if (output->temporary)
        unlink(output->temporary);
    free(output->temporary);
    free(output->path);
    *output = (struct output){.fd = -1};
}
