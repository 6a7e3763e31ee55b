/* listener: see listener.h. */
#include "listener.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <systemd/sd-daemon.h>

#include "socket_path.h"

/* The kernel's queue; the descriptor listens already, libuv only asks again. */
#define BACKLOG 4096

struct listener {
    uv_pipe_t pipe;
    struct socket_path file; /* without a path if systemd made the socket */
    char *path;
    listener_on_client on_client;
    void *ctx;
};

char *listener_default_path(void)
{
    char *path = NULL;
    const char *chosen = getenv("FETCHPOOL_SOCKET");
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    if (chosen && *chosen)
        return strdup(chosen);
    if (getuid() == 0 || !runtime || !*runtime)
        return strdup("/run/fetchpool/fetchpool.sock");
    return asprintf(&path, "%s/fetchpool/fetchpool.sock", runtime) < 0 ? NULL : path;
}

/* The name of a socket that somebody else bound. */
static char *path_of(int fd)
{
    struct sockaddr_un address = {0};
    socklen_t length = sizeof address - 1;
    if (getsockname(fd, (struct sockaddr *)&address, &length) < 0 || !address.sun_path[0])
        return strdup("a socket of systemd's");
    return strdup(address.sun_path);
}

/* systemd's descriptor, 0 if it passed none, or a negative errno. */
static int inherited(struct listener_error *error)
{
    int count = sd_listen_fds(1);
    if (count <= 0)
        return count;
    if (count > 1 || sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_STREAM, 1, NULL, 0) <= 0) {
        snprintf(error->text, sizeof error->text,
                 "systemd passed %d descriptors; one listening Unix stream socket is expected",
                 count);
        return -EINVAL;
    }
    return SD_LISTEN_FDS_START;
}

static int obtain(struct listener *listener, const char *path, struct listener_error *error)
{
    int fd = inherited(error);
    if (fd > 0)
        listener->path = path_of(fd);
    if (fd == 0) {
        fd = socket_path_listen(&listener->file, path, error->text, sizeof error->text);
        if (fd >= 0)
            listener->path = strdup(path);
    }
    if (fd >= 0 && !listener->path) {
        close(fd);
        return -ENOMEM;
    }
    return fd;
}

static void on_connection(uv_stream_t *server, int status)
{
    struct listener *listener = server->data;
    if (status == 0)
        listener->on_client(listener->ctx, server);
}

static void on_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;
    socket_path_finish(&listener->file);
    free(listener->path);
    free(listener);
}

int listener_open(struct listener **out_listener, uv_loop_t *loop, const char *path,
                  listener_on_client on_client, void *ctx, struct listener_error *error)
{
    snprintf(error->text, sizeof error->text, "out of memory");
    struct listener *listener = calloc(1, sizeof *listener);
    if (!listener)
        return -ENOMEM;
    listener->on_client = on_client;
    listener->ctx = ctx;
    uv_pipe_init(loop, &listener->pipe, 0);
    listener->pipe.data = listener;
    int fd = obtain(listener, path, error);
    if (fd < 0) {
        uv_close((uv_handle_t *)&listener->pipe, on_closed);
        return fd;
    }
    int result = uv_pipe_open(&listener->pipe, fd);
    if (result == 0)
        result = uv_listen((uv_stream_t *)&listener->pipe, BACKLOG, on_connection);
    if (result < 0) {
        snprintf(error->text, sizeof error->text, "cannot listen at %s: %s", path,
                 uv_strerror(result));
        listener_close(listener);
        return result;
    }
    *out_listener = listener;
    return 0;
}

const char *listener_get_path(const struct listener *listener)
{
    return listener->path;
}

uv_stream_t *listener_get_server(struct listener *listener)
{
    return (uv_stream_t *)&listener->pipe;
}

void listener_close(struct listener *listener)
{
    if (!listener)
        return;
    socket_path_remove(&listener->file); /* while we listen: nobody takes it for a dead one */
    uv_close((uv_handle_t *)&listener->pipe, on_closed);
}
