/* async_call: see async_call.h. */
#include "async_call.h"

#include <errno.h>
#include <stdlib.h>

#include "client.h"
#include "deadline.h"
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
    call->timeout_at = wire_fetch_encode(&call->message, id, &request->fetch);
    return call;
}

void async_call_destroy(struct fetchpool_call *call)
{
    exchange_finish(&call->exchange);
    buffer_finish(&call->message);
    fetchpool_response_free(call->refusal);
    free(call);
}

int64_t async_call_last_start(const struct fetchpool_call *call, bool is_connected)
{
    const struct patience *patience = &call->exchange.patience;
    if (is_connected && patience->timeout_ms == 0 && call->attempts == 0)
        return ASYNC_CALL_NEVER;
    if (!is_connected && call->attempts == 0) /* a loaded host may be late */
        return patience_end(patience, 0);
    return patience_last_start(patience);
}

bool async_call_may_repeat(const struct fetchpool_call *call)
{
    return call->is_unread && call->attempts < CLIENT_MAX_ATTEMPTS &&
           deadline_now() < async_call_last_start(call, false);
}

void async_call_conclude(struct fetchpool_call *call)
{
    struct fetchpool_response *response = exchange_take_response(&call->exchange);
    if (response->code == FETCHPOOL_STOPPED)
        errno = call->exchange.stop_errno;
    call->on_done(call->ctx, call, response);
    async_call_destroy(call);
}
