/*
 * post: sends a body with header fields and a timeout, and decides by the error's class whether it
 * may be sent again: "not sent" always may; "maybe processed" only because this body carries a key
 * by which its receiver knows a repeat.
 *
 *     cc post.c -lfetchpool && ./a.out https://example.com/orders '{"order": 1}'
 */
#include <fetchpool.h>
#include <stdio.h>
#include <string.h>

static struct fetchpool_request *make_request(const char *url, const char *json)
{
    struct fetchpool_request *request = fetchpool_request_create("POST", url);
    if (!request)
        return NULL;
    /* A setter that fails is remembered: fetchpool_fetch() will say so. */
    fetchpool_request_add_header(request, "Content-Type", "application/json");
    fetchpool_request_add_header(request, "Idempotency-Key", "order-1");
    fetchpool_request_set_body(request, json, strlen(json));
    fetchpool_request_set_timeout(request, 5000);
    return request;
}

static int is_worth_another(const struct fetchpool_response *answer)
{
    switch (fetchpool_error_class(answer)) {
    case FETCHPOOL_CLASS_NOT_SENT:
        return 1;
    case FETCHPOOL_CLASS_MAYBE_PROCESSED:
        return 1; /* because of the key; without one: 0 */
    case FETCHPOOL_CLASS_NONE:
    case FETCHPOOL_CLASS_REFUSED:
        return 0;
    }
    return 0;
}

static int show(const struct fetchpool_response *answer)
{
    int code = fetchpool_error_code(answer);
    if (code != 0) {
        fprintf(stderr, "%s: %s\n", fetchpool_code_name(code), fetchpool_error_message(answer));
        return 1;
    }
    printf("%d over connection %llu, %s\n", fetchpool_status(answer),
           (unsigned long long)fetchpool_connection_id(answer),
           fetchpool_connection_reused(answer) ? "reused" : "new");
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: %s URL JSON\n", argv[0]);
        return 2;
    }
    struct fetchpool *pool = fetchpool_open(NULL);
    struct fetchpool_request *request = make_request(argv[1], argv[2]);
    struct fetchpool_response *answer = fetchpool_fetch(pool, request);
    if (is_worth_another(answer)) {
        fetchpool_response_free(answer);
        answer = fetchpool_fetch(pool, request);
    }
    int result = show(answer);
    fetchpool_response_free(answer);
    fetchpool_request_free(request);
    fetchpool_close(pool);
    return result;
}
