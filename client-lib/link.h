/*
 * link: one socket of the asynchronous half, and the requests that run over it.
 *
 * It owns its channel and the calls that were started on it, until hub takes those back that have
 * ended. It brings messages to calls and calls to the socket, never waits, and does not go on for
 * ever in one turn. Whether a call is sent again, and when, is not for it to say.
 */
#pragma once

#include "async_call.h"
#include "channel.h"

#include <stdbool.h>
#include <stdint.h>
struct link {
    struct channel *channel;
    const char *path;               /* borrowed; for error messages */
    int epoll_fd;                   /* borrowed */
    uint32_t events;                /* what it is registered for there */
    struct fetchpool_call *running; /* by id */
    struct fetchpool_call *ended;   /* a list */
    bool is_behind;                 /* more may have come than the last turn has read */
    int error;                      /* 0, or why nothing more comes */
    struct wire_why why;            /* with -EBADMSG */
    struct link *prev, *next;
};

/* Connects without waiting, and registers for reading. 0, or -EAGAIN, or as channel_create_now().
 */
int link_create(struct link **out_link, const struct door *door, const char *name, int epoll_fd,
                struct wire_why *why);
/* It must have no calls any more. */
void link_destroy(struct link *link);
/* The same, but leaves the epoll set alone: in a forked child, whose set is its parent's. */
void link_forget(struct link *link);

/* Requests may be started here, now or once there is room: neither dead nor asked to leave. */
bool link_is_open(const struct link *link);
bool link_has_room(const struct link *link);
/* Nothing runs here and nothing is to be sent. */
bool link_is_idle(const struct link *link);

/* Takes the call and sends its message, sooner or later. 0 or -ENOMEM, which leaves it the
 * caller's.
 */
int link_start(struct link *link, struct fetchpool_call *call);

/* Receives, and calls the functions of the calls that this concerns. */
void link_receive(struct link *link);

/* Sends what has been written, and calls no function. */
void link_send(struct link *link);

/* Writes what calls have to say (grants, uploads, cancellations) and sends it. It calls
 * their functions. */
void link_tend(struct link *link);

/* It is dead: ends every call that still runs here. */
void link_fail_calls(struct link *link);

/* Ends one at its deadline. */
void link_expire(struct link *link, struct fetchpool_call *call);

/* A call that has ended, the caller's now; NULL if there is none. */
struct fetchpool_call *link_take_ended(struct link *link);
