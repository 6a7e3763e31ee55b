/*
 * fetch: the public calls that ask the daemon for something: fetchpool_fetch() and its short form,
 * fetchpool_check() and fetchpool_query(). Arguments are checked here; all else is the call's.
 */
#include "call.h"
#include "request.h"
#include "response.h"

static struct fetchpool_response *bad_argument(const char *what)
{
    return response_failed(FETCHPOOL_BAD_ARGUMENT, "%s is missing", what);
}

static struct fetchpool_response *refused(const struct fetchpool_request *request)
{
    if (request->failure == FETCHPOOL_NO_MEMORY)
        return response_no_memory();
    return response_failed(request->failure, "a setter of the request refused its argument");
}

struct fetchpool_response *fetchpool_fetch(struct fetchpool *client,
                                           const struct fetchpool_request *request)
{
    if (!client || !request)
        return bad_argument(client ? "the request" : "the client");
    if (request->failure != FETCHPOOL_OK)
        return refused(request);
    struct call call;
    call_init(&call, client, request);
    call.timeout_at = wire_fetch_encode(&call.message, call.exchange.id, &request->fetch);
    struct fetchpool_response *response = call_run(&call);
    call_finish(&call);
    return response;
}

struct fetchpool_response *fetchpool_get(struct fetchpool *client, const char *url)
{
    if (!url)
        return bad_argument("the URL");
    struct fetchpool_request *request = fetchpool_request_create(NULL, url);
    if (!request)
        return response_no_memory();
    struct fetchpool_response *response = fetchpool_fetch(client, request);
    fetchpool_request_free(request);
    return response;
}

struct fetchpool_response *fetchpool_check(struct fetchpool *client,
                                           const struct fetchpool_request *request)
{
    if (!client || !request)
        return bad_argument(client ? "the request" : "the client");
    if (request->failure != FETCHPOOL_OK)
        return refused(request);
    struct call call;
    call_init(&call, client, NULL); /* its answer is a query's, and it streams nothing */
    call.exchange.patience.timeout_ms = request_timeout_ms(request);
    call.exchange.patience.grace_ms = FETCHPOOL_GRACE_MS;
    wire_check_encode(&call.message, call.exchange.id, &request->fetch);
    struct fetchpool_response *response = call_run(&call);
    call_finish(&call);
    return response;
}

struct fetchpool_response *fetchpool_query(struct fetchpool *client, const char *method,
                                           uint32_t timeout_ms)
{
    if (!client || !method)
        return bad_argument(client ? "the method" : "the client");
    struct call call;
    call_init(&call, client, NULL);
    call.exchange.patience.timeout_ms = timeout_ms ? timeout_ms : FETCHPOOL_QUERY_TIMEOUT_MS;
    wire_put_request(&call.message, call.exchange.id, method);
    struct fetchpool_response *response = call_run(&call);
    call_finish(&call);
    return response;
}
