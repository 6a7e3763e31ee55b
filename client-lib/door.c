/*
 * door: see door.h. The socket itself stays in blocking mode, for connect(2): on a Unix socket
 * whose backlog is full it waits, within SO_SNDTIMEO, where a non-blocking one would fail with
 * EAGAIN and could not be polled. That wait is how a request survives a restart of a daemon whose
 * socket systemd holds. Only a caller who may not wait has a non-blocking one.
 */
#include "door.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "deadline.h"
#include "path.h"

int door_init(struct door *out_door, const char *path)
{
    *out_door = (struct door){.path = path_choose(path)};
    return out_door->path ? owner_init(&out_door->owner) : -ENOMEM;
}

void door_finish(struct door *door)
{
    owner_finish(&door->owner);
    free(door->path);
    door->path = NULL;
}

/* ---- Connecting ------------------------------------------------------------------------------ */

static int set_connect_timeout(int fd, int left_ms)
{
    struct timeval timeout = {.tv_sec = left_ms / 1000,
                              .tv_usec = (suseconds_t)(left_ms % 1000) * 1000};
    if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout) < 0)
        return -errno;
    return 0;
}

/* EPERM is ours, of the wrong owner: a security module's is as good as a wrong mode. */
static int connect_error(void)
{
    return errno == EPERM ? -EACCES : -errno;
}

/* A Unix socket's connect(2) that a signal interrupted has changed nothing: it is just repeated. */
static int connect_before(int fd, const struct sockaddr_un *address, int64_t deadline)
{
    for (;;) {
        int left_ms = deadline_left_ms(deadline);
        if (left_ms == 0)
            return -ETIMEDOUT;
        int result = set_connect_timeout(fd, left_ms);
        if (result < 0)
            return result;
        if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0)
            return 0;
        if (errno != EINTR)
            return errno == EAGAIN ? -ETIMEDOUT : connect_error();
    }
}

static int connect_now(int fd, const struct sockaddr_un *address)
{
    int result;
    do
        result = connect(fd, (const struct sockaddr *)address, sizeof *address);
    while (result < 0 && errno == EINTR);
    return result < 0 ? connect_error() : 0;
}

static int connect_to(int fd, const char *path, const int64_t *deadline)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path));
    return deadline ? connect_before(fd, &address, *deadline) : connect_now(fd, &address);
}

/* ---- Whose it is ----------------------------------------------------------------------------- */

/* The file of a socket, held: whatever is put into its place meanwhile, it is this one that is
 * looked at and connected to. */
struct held {
    int fd;
    bool is_roots;
    bool is_reached; /* by its descriptor */
};

static int check_file(const struct door *door, struct held *held, struct wire_why *why)
{
    struct stat there;
    if (fstat(held->fd, &there) < 0)
        return -errno;
    held->is_roots = there.st_uid == 0;
    if (!S_ISSOCK(there.st_mode)) /* which connect(2) will say */
        return 0;
    return owner_check(&door->owner, there.st_uid, "belongs to", why);
}

/* Where there is no /proc, as in a bare chroot, the path has to do. */
static int connect_to_file(const struct door *door, struct held *held, int fd,
                           const int64_t *deadline)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/thread-self/fd/%d", held->fd);
    int result = connect_to(fd, path, deadline);
    held->is_reached = result != -ENOENT;
    return held->is_reached ? result : connect_to(fd, door->path, deadline);
}

/*
 * SO_PEERCRED tells who called listen(2) last. With systemd's unit that is the daemon, whose user
 * is neither root nor the client's: root has made the socket, and says by that who has it. So the
 * file decides where it is root's.
 */
static int check_listener(const struct door *door, const struct held *held, int fd,
                          struct wire_why *why)
{
    struct ucred listener;
    socklen_t length = sizeof listener;
    if (held->is_roots && held->is_reached)
        return 0;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &listener, &length) < 0)
        return -errno;
    return owner_check(&door->owner, listener.uid, "is served by", why);
}

static int open_held(const struct door *door, struct held *held, int *out_fd,
                     const int64_t *deadline, struct wire_why *why)
{
    int result = check_file(door, held, why);
    if (result < 0)
        return result;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (deadline ? 0 : SOCK_NONBLOCK), 0);
    if (fd < 0)
        return -errno;
    result = connect_to_file(door, held, fd, deadline);
    if (result == 0)
        result = check_listener(door, held, fd, why);
    if (result < 0)
        close(fd);
    else
        *out_fd = fd;
    return result;
}

int door_connect(const struct door *door, int *out_fd, const int64_t *deadline,
                 struct wire_why *why)
{
    if (strlen(door->path) >= sizeof((struct sockaddr_un *)NULL)->sun_path)
        return -ENAMETOOLONG;
    int result = owner_check_name(&door->owner, why);
    if (result < 0)
        return result;
    struct held held = {.fd = open(door->path, O_PATH | O_CLOEXEC)};
    if (held.fd < 0)
        return -errno;
    result = open_held(door, &held, out_fd, deadline, why);
    close(held.fd);
    return result;
}
