/*
 * hub: the asynchronous half of a client: its calls, its sockets, and the one descriptor that a
 * program waits for.
 *
 * It owns an epoll set with a timer in it, the links, and every call:
 *
 *     submit --> pending --- a link has room ---> running on it ---> done --- on_done ---> gone
 *                   '------- no daemon, too late, cancelled --------^
 *                   ^------- not read, or "shutting down": once more ---'
 *
 * Most often there is one link; while one that the daemon has asked to leave still has calls, there
 * are two. It calls no function of the caller's but from hub_process() and hub_destroy(), and while
 * it does, whatever they ask for is only noted.
 */
#pragma once

#include "client.h"
#include "link.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct hub {
    struct fetchpool *client; /* borrowed */
    pid_t owner;              /* the process that it belongs to */
    int epoll_fd;
    int timer_fd;
    struct link *links;             /* at most one of them open */
    struct fetchpool_call *pending; /* a list, in the order in which they came */
    struct fetchpool_call *done;    /* a list: on_done is to be called */
    size_t in_flight;
    int64_t look_at;    /* when some deadline may have passed */
    int64_t connect_at; /* when to try again, while the daemon does not accept */
    int64_t armed_at;   /* what the timer is set to */
    bool is_urgent;     /* there is something to do without waiting for anything */
    bool is_processing; /* inside hub_process() or hub_destroy() */
    bool is_closing;
};

/* NULL for want of descriptors or memory. */
struct hub *hub_create(struct fetchpool *client);

/* Ends every call, with `on_done`, and the hub. */
void hub_destroy(struct hub *hub);

/* The same in a forked child, where none of this is its own: no function is called. */
void hub_forget(struct hub *hub);

/* Takes the call. */
void hub_submit(struct hub *hub, struct fetchpool_call *call);

void hub_process(struct hub *hub);

/* A call was resumed or cancelled. */
void hub_poke(struct hub *hub);

/* A call that is pending ends without having been sent. */
void hub_cancel_pending(struct hub *hub, struct fetchpool_call *call);
