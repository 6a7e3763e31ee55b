/* socket_path: see socket_path.h. */
#include "socket_path.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Connections that the kernel keeps waiting; it lowers this to net.core.somaxconn (4096). */
#define BACKLOG 4096

/* How often, and how long after each other, the lock is tried for at the end: half a second. */
#define LOCK_TRIES    50
#define LOCK_PAUSE_US 10000

/* ---- The lock ------------------------------------------------------------------------------- */

struct lock {
    char *path;
    int fd;
};

static bool is_same_file(int fd, const char *path)
{
    struct stat opened, named;
    return fstat(fd, &opened) == 0 && stat(path, &named) == 0 && opened.st_dev == named.st_dev &&
           opened.st_ino == named.st_ino;
}

/*
 * The lock's file is removed while it is held; one who waited for it then holds a file without a
 * name, sees that, and tries again.
 */
static int lock_take(struct lock *out_lock, const char *socket_path, int how)
{
    struct lock lock = {.fd = -1};
    if (asprintf(&lock.path, "%s.lock", socket_path) < 0)
        return -ENOMEM;
    for (;;) {
        lock.fd = open(lock.path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (lock.fd < 0 || flock(lock.fd, LOCK_EX | how) < 0)
            break;
        if (is_same_file(lock.fd, lock.path)) {
            *out_lock = lock;
            return 0;
        }
        close(lock.fd);
    }
    int error = -errno;
    if (lock.fd >= 0)
        close(lock.fd);
    free(lock.path);
    return error;
}

static void lock_release(struct lock *lock)
{
    assert(lock->path);
    unlink(lock->path);
    close(lock->fd);
    free(lock->path);
}

/* ---- The socket ----------------------------------------------------------------------------- */

static int fail(int result, char *error, size_t size, const char *path, const char *reason)
{
    snprintf(error, size, "cannot listen at %s: %s", path, reason);
    return result;
}

static int make_address(struct sockaddr_un *out_address, const char *path, char *error, size_t size)
{
    char reason[80];
    *out_address = (struct sockaddr_un){.sun_family = AF_UNIX};
    if (!path[0])
        return fail(-EINVAL, error, size, "\"\"", "the path is empty");
    if (strlen(path) >= sizeof out_address->sun_path) {
        snprintf(reason, sizeof reason, "the path is %zu bytes long; a Unix socket's can be %zu",
                 strlen(path), sizeof out_address->sun_path - 1);
        return fail(-ENAMETOOLONG, error, size, path, reason);
    }
    strcpy(out_address->sun_path, path);
    return 0;
}

/*
 * Is somebody listening there? 0 if not: it is a dead socket. 1 if so. A negative errno if that
 * cannot be told, which is no leave to remove it.
 */
static int poke(const struct sockaddr_un *address, pid_t *out_pid)
{
    struct ucred credentials = {0};
    socklen_t length = sizeof credentials;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int result = 1;
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 && errno != EAGAIN)
        result = errno == ECONNREFUSED ? 0 : -errno; /* EAGAIN: its backlog is full, it lives */
    if (result == 1 && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0)
        *out_pid = credentials.pid;
    close(fd);
    return result;
}

static int clear_the_way(const struct sockaddr_un *address, char *error, size_t size)
{
    struct stat there;
    pid_t pid = 0;
    char reason[160];
    if (lstat(address->sun_path, &there) < 0) {
        if (errno == ENOENT)
            return 0;
        return fail(-errno, error, size, address->sun_path, strerror(errno));
    }
    if (!S_ISSOCK(there.st_mode))
        return fail(-EEXIST, error, size, address->sun_path, "there is a file that is no socket");
    int answer = poke(address, &pid);
    if (answer < 0) {
        snprintf(reason, sizeof reason, "there is a socket, and who has it cannot be told: %s",
                 strerror(-answer));
        return fail(answer, error, size, address->sun_path, reason);
    }
    if (answer == 1) {
        snprintf(reason, sizeof reason, "another daemon listens there (pid %d)", (int)pid);
        return fail(-EADDRINUSE, error, size, address->sun_path, reason);
    }
    if (unlink(address->sun_path) < 0)
        return fail(-errno, error, size, address->sun_path, strerror(errno));
    return 0;
}

static int bind_and_listen(struct socket_path *path, const struct sockaddr_un *address, char *error,
                           size_t size)
{
    struct stat made;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(-errno, error, size, path->path, strerror(errno));
    mode_t mask = umask(0117); /* mode 0660 from the first moment on */
    int result = bind(fd, (const struct sockaddr *)address, sizeof *address);
    int bind_error = errno;
    umask(mask);
    if (result < 0 || listen(fd, BACKLOG) < 0 || lstat(path->path, &made) < 0) {
        int cause = result < 0 ? bind_error : errno;
        close(fd);
        return fail(-cause, error, size, path->path, strerror(cause));
    }
    path->device = made.st_dev;
    path->inode = made.st_ino;
    return fd;
}

static int explain_lock(int result, const char *path, char *error, size_t size)
{
    char *copy = strdup(path);
    char reason[200];
    if (result == -ENOENT && copy)
        snprintf(reason, sizeof reason, "the directory %.150s does not exist", dirname(copy));
    else
        snprintf(reason, sizeof reason, "its lock file: %s", strerror(-result));
    free(copy);
    return fail(result, error, size, path, reason);
}

int socket_path_listen(struct socket_path *out_path, const char *path, char *error, size_t size)
{
    struct sockaddr_un address;
    struct lock lock = {.fd = -1};
    int result = make_address(&address, path, error, size);
    if (result < 0)
        return result;
    struct socket_path made = {.path = strdup(path)};
    if (!made.path)
        return fail(-ENOMEM, error, size, path, "out of memory");
    result = lock_take(&lock, path, 0);
    if (result != 0) {
        free(made.path);
        return explain_lock(result, path, error, size);
    }
    result = clear_the_way(&address, error, size);
    if (result == 0)
        result = bind_and_listen(&made, &address, error, size);
    lock_release(&lock);
    if (result < 0)
        free(made.path);
    else
        *out_path = made;
    return result;
}

void socket_path_remove(const struct socket_path *path)
{
    struct stat there;
    struct lock lock = {.fd = -1};
    if (!path->path)
        return;
    /* Whoever has the lock is about to find that somebody listens here, and to go. */
    int result = lock_take(&lock, path->path, LOCK_NB);
    for (int tries = 0; result == -EWOULDBLOCK && tries < LOCK_TRIES; tries++) {
        usleep(LOCK_PAUSE_US);
        result = lock_take(&lock, path->path, LOCK_NB);
    }
    if (result != 0)
        return; /* a dead socket stays; the next daemon takes it over */
    if (lstat(path->path, &there) == 0 && there.st_dev == path->device &&
        there.st_ino == path->inode)
        unlink(path->path);
    lock_release(&lock);
}

void socket_path_finish(struct socket_path *path)
{
    free(path->path);
    path->path = NULL;
}
