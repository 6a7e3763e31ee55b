/*
 * client: what a program holds to reach the daemon; any number of threads use it at once.
 *
 * It owns the channels that are idle. A call takes one or opens one, has it alone, and gives it
 * back if it is fit for another; the lock is held for the moment of taking and giving only. A
 * forked child is noticed by its process id, and starts without channels.
 */
#pragma once

#include "channel.h"
#include "fetchpool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

/*
 * Idle channels kept for the next calls. More threads than this at once still work: those beyond
 * it connect anew for a call. Each costs the daemon a descriptor and a few KiB.
 */
#define CLIENT_MAX_IDLE 8

/*
 * How often a request goes to a daemon at most, where each time but the last the daemon has not
 * read it or is shutting down. More than twice, as a daemon that starts may be told to stop at
 * once; not for ever, as something may be wrong with it.
 */
#define CLIENT_MAX_ATTEMPTS 10

struct hub;

struct fetchpool {
    struct door door;
    char *name;          /* NULL: the process's */
    _Atomic pid_t owner; /* the process that the channels belong to */
    _Atomic uint32_t last_id;
    pthread_mutex_t lock; /* over the two below */
    struct channel *idle[CLIENT_MAX_IDLE];
    size_t idle_count;
    struct hub *hub; /* the asynchronous half, once it is used; of one thread at a time */
};

/* An idle channel that nothing has happened to, owned by the caller now; NULL if there is none. */
struct channel *client_take_channel(struct fetchpool *client);

/* Takes the channel: keeps it for the next call, or ends it. */
void client_give_channel(struct fetchpool *client, struct channel *channel);

/* A number for a request, which no other request of this client has for 2^32 more. Never 0. */
uint32_t client_next_id(struct fetchpool *client);

/* The name that the daemon is told. */
const char *client_name(const struct fetchpool *client);
