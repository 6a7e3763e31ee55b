/*
 * client: see client.h. The idle channels are a stack: the one used last is the warmest, and those
 * at the bottom are left alone when there is little to do.
 */
#include "client.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hub.h"

struct fetchpool *fetchpool_open(const char *path)
{
    struct fetchpool *client = calloc(1, sizeof *client);
    if (!client)
        return NULL;
    atomic_init(&client->owner, getpid());
    pthread_mutex_init(&client->lock, NULL); /* cannot fail on Linux without attributes */
    if (door_init(&client->door, path) == 0)
        return client;
    fetchpool_close(client);
    return NULL;
}

static void drop_idle(struct fetchpool *client)
{
    while (client->idle_count > 0)
        channel_destroy(client->idle[--client->idle_count]);
}

/* A forked child has only copies of its parent's requests. */
static void close_hub(struct fetchpool *client)
{
    struct hub *hub = client->hub;
    if (!hub)
        return;
    if (hub->owner == getpid())
        hub_destroy(hub);
    else
        hub_forget(hub);
}

void fetchpool_close(struct fetchpool *client)
{
    if (!client)
        return;
    close_hub(client);
    drop_idle(client);
    pthread_mutex_destroy(&client->lock);
    door_finish(&client->door);
    free(client->name);
    free(client);
}

const char *fetchpool_socket_path(const struct fetchpool *client)
{
    return client->door.path;
}

int fetchpool_set_name(struct fetchpool *client, const char *name)
{
    if (!client || !name)
        return FETCHPOOL_BAD_ARGUMENT;
    char *copy = strdup(name);
    if (!copy)
        return FETCHPOOL_NO_MEMORY;
    free(client->name);
    client->name = copy;
    return FETCHPOOL_OK;
}

const char *client_name(const struct fetchpool *client)
{
    return client->name ? client->name : program_invocation_short_name;
}

uint32_t client_next_id(struct fetchpool *client)
{
    uint32_t id = atomic_fetch_add(&client->last_id, 1) + 1;
    return id != 0 ? id : client_next_id(client); /* 0 is hello's */
}

/*
 * After a fork the lock may be a copy of one that another thread of the parent held, so this comes
 * before it is touched. Closing the copies of the parent's descriptors leaves its sockets open; to
 * keep them would keep a connection open that the parent has closed. Of a child's threads the
 * first to get here clears up, which `owner` says by the negative of the child's id, and the others
 * wait for it.
 */
static void notice_fork(struct fetchpool *client)
{
    pid_t self = getpid();
    pid_t owner = atomic_load(&client->owner);
    while (owner != self) {
        if (owner == -self) {
            sched_yield();
            owner = atomic_load(&client->owner);
        } else if (atomic_compare_exchange_weak(&client->owner, &owner, -self)) {
            pthread_mutex_init(&client->lock, NULL);
            drop_idle(client);
            atomic_store(&client->owner, self);
            owner = self;
        }
    }
}

static struct channel *pop(struct fetchpool *client)
{
    notice_fork(client);
    pthread_mutex_lock(&client->lock);
    struct channel *channel = NULL;
    if (client->idle_count > 0)
        channel = client->idle[--client->idle_count];
    pthread_mutex_unlock(&client->lock);
    return channel;
}

/* An idle channel has nothing to say: if there is something, it is an end or a goaway. */
struct channel *client_take_channel(struct fetchpool *client)
{
    struct channel *channel;
    while ((channel = pop(client)) && !channel_is_quiet(channel))
        channel_destroy(channel);
    return channel;
}

void client_give_channel(struct fetchpool *client, struct channel *channel)
{
    if (!channel->is_leaving && inbox_is_empty(&channel->inbox)) {
        inbox_trim(&channel->inbox);
        outbox_finish(&channel->outbox);
        pthread_mutex_lock(&client->lock);
        if (client->idle_count < CLIENT_MAX_IDLE) {
            client->idle[client->idle_count++] = channel;
            channel = NULL;
        }
        pthread_mutex_unlock(&client->lock);
    }
    channel_destroy(channel);
}
