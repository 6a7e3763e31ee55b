/*
 * listener: the door. It takes a socket from systemd, or makes one at a path without ever taking
 * that path from a daemon that lives, and says when a client waits. It owns the socket and, if it
 * made it, the file; it does not know what a client is.
 */
#pragma once

#include <stdbool.h>

#include <uv.h>

struct listener;

struct listener_error {
    char text[512];
};

/*
 * A client waits at the server: accept it, or leave it; while it waits no further one is taken
 * from the kernel, which is how a full daemon keeps clients outside without turning them away.
 */
typedef void (*listener_on_client)(void *ctx, uv_stream_t *server);

/*
 * Opens. `path` is used unless systemd passed a socket. 0, or a negative errno with a sentence.
 */
int listener_open(struct listener **out_listener, uv_loop_t *loop, const char *path,
                  listener_on_client on_client, void *ctx, struct listener_error *error);

const char *listener_get_path(const struct listener *listener);
uv_stream_t *listener_get_server(struct listener *listener);

/* Stops listening and removes the socket's file, if it is still ours. Dead to the caller at once.
 */
void listener_close(struct listener *listener);

/* The default path: owned by the caller, NULL without memory. */
char *listener_default_path(void);
