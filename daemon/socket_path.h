/*
 * socket_path: a listening Unix socket at a path, made so that two daemons never fight for it:
 * take a lock beside the path, poke what is there, remove it only if nobody answers, bind, and
 * remember the file's identity, so that only our own file is ever removed. Blocking, but only for
 * as long as local file operations take.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct socket_path {
    char *path;
    dev_t device;
    ino_t inode;
};

/*
 * The listening descriptor, or a negative errno with a sentence in `error`. The file's mode is
 * 0660. On success the struct is owned: socket_path_remove() and socket_path_finish().
 */
int socket_path_listen(struct socket_path *out_path, const char *path, char *error, size_t size);

/* Removes the file if it is still the one that was made. */
void socket_path_remove(const struct socket_path *path);
void socket_path_finish(struct socket_path *path);
