/* loop: see loop.h. */
#include "loop.h"

#include <poll.h>

struct loop {
    struct fetchpool *client;
    struct fetchpool_call *call; /* NULL: it has ended */
    struct fetchpool_response *response;
};

static void take_response(void *ctx, struct fetchpool_call *call,
                          struct fetchpool_response *response)
{
    struct loop *loop = ctx;
    (void)call;
    loop->call = NULL;
    loop->response = response;
}

/* A signal that is caught ends the process, so poll() has no other reason to come back early. */
static void wait_and_go_on(struct loop *loop, struct upload *upload)
{
    struct pollfd ready[] = {
        {.fd = fetchpool_fd(loop->client), .events = fetchpool_events(loop->client)},
        {.fd = upload->is_late ? upload->fd : -1, .events = POLLIN},
    };
    poll(ready, sizeof ready / sizeof ready[0], -1);
    if (ready[1].revents != 0) {
        upload->is_late = false;
        fetchpool_resume(loop->call);
    }
    fetchpool_process(loop->client);
}

struct fetchpool_response *
loop_fetch(struct fetchpool *client, const struct fetchpool_request *request, struct upload *upload)
{
    struct loop loop = {.client = client};
    if (fetchpool_submit(client, request, take_response, &loop, &loop.call) != FETCHPOOL_OK)
        return fetchpool_fetch(client, request); /* which fails alike, and says why */
    while (loop.call)
        wait_and_go_on(&loop, upload);
    return loop.response;
}
