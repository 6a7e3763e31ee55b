/*
 * async: the public calls of the asynchronous half. Arguments and processes are checked here; all
 * else is the hub's.
 */
#include "hub.h"
#include "request.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

/* What a fork has copied is the parent's. */
static struct hub *own_hub(const struct fetchpool *client)
{
    struct hub *hub = client ? client->hub : NULL;
    return hub && hub->owner == getpid() ? hub : NULL;
}

static struct hub *need_hub(struct fetchpool *client)
{
    if (!own_hub(client)) {
        if (client->hub)
            hub_forget(client->hub);
        client->hub = hub_create(client);
    }
    return client->hub;
}

int fetchpool_submit(struct fetchpool *client, const struct fetchpool_request *request,
                     fetchpool_on_done on_done, void *ctx, struct fetchpool_call **out_call)
{
    if (!client || !request || !on_done)
        return FETCHPOOL_BAD_ARGUMENT;
    if (request->failure != FETCHPOOL_OK)
        return request->failure;
    struct hub *hub = need_hub(client);
    struct fetchpool_call *call = hub ? async_call_create(client_next_id(client), request) : NULL;
    if (!call)
        return FETCHPOOL_NO_MEMORY;
    int error = call->message.error;
    if (error < 0 || hub->is_closing) {
        async_call_destroy(call);
        if (error < 0)
            return error == -EMSGSIZE ? FETCHPOOL_TOO_LARGE : FETCHPOOL_NO_MEMORY;
        return FETCHPOOL_STOPPED;
    }
    call->hub = hub;
    call->on_done = on_done;
    call->ctx = ctx;
    if (out_call)
        *out_call = call;
    hub_submit(hub, call);
    return FETCHPOOL_OK;
}

int fetchpool_fd(struct fetchpool *client)
{
    struct hub *hub = client ? need_hub(client) : NULL;
    return hub ? hub->epoll_fd : -1;
}

short fetchpool_events(const struct fetchpool *client)
{
    (void)client; /* an epoll set is only ever ready to be read */
    return POLLIN;
}

size_t fetchpool_process(struct fetchpool *client)
{
    struct hub *hub = own_hub(client);
    if (hub && !hub->is_processing)
        hub_process(hub);
    return fetchpool_in_flight(client);
}

size_t fetchpool_in_flight(const struct fetchpool *client)
{
    const struct hub *hub = own_hub(client);
    return hub ? hub->in_flight : 0;
}

void fetchpool_pause(struct fetchpool_call *call)
{
    if (call)
        call->exchange.is_paused = true;
}

void fetchpool_resume(struct fetchpool_call *call)
{
    if (!call)
        return;
    call->exchange.is_paused = false;
    call->exchange.is_starved = false;
    patience_renew(&call->exchange.patience);
    hub_poke(call->hub);
}

void fetchpool_cancel(struct fetchpool_call *call)
{
    if (!call)
        return;
    if (call->is_pending)
        hub_cancel_pending(call->hub, call);
    else
        exchange_cancel(&call->exchange);
    hub_poke(call->hub);
}
