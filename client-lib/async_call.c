/* async_call: see async_call.h. */
#include "async_call.h"

#include <errno.h>
#include <stdlib.h>

#include "request.h"
#include "response.h"

struct fetchpool_call *async_call_create(uint32_t id, const struct fetchpool_request *request)
{
    struct fetchpool_call *call = calloc(1, sizeof *call);
    if (!call)
        return NULL;
    exchange_init(&call->exchange, id, request);
    call->exchange.may_wait = true;
    buffer_init(&call->message, WIRE_MAX_MESSAGE_BYTES);
    wire_fetch_encode(&call->message, id, &request->fetch);
    return call;
}

void async_call_destroy(struct fetchpool_call *call)
{
    exchange_finish(&call->exchange);
    buffer_finish(&call->message);
    fetchpool_response_free(call->refusal);
    free(call);
}

void async_call_conclude(struct fetchpool_call *call)
{
    struct fetchpool_response *response = exchange_take_response(&call->exchange);
    if (response->code == FETCHPOOL_STOPPED)
        errno = call->exchange.stop_errno;
    call->on_done(call->ctx, call, response);
    async_call_destroy(call);
}
