/*
 * tokendriver: requests through libfetchpool that can be told apart, one after another until it is
 * told to stop. Each is a POST to URL followed by its number. It ends when its input does, or after
 * the first that fails, once all have ended that it has begun.
 *
 *     tokendriver SOCKET URL AT_ONCE    0: by blocking calls; else so many at a time, submitted
 *
 * Says "begun" when the first is answered; of each that fails, "number code class message"; then
 * "sent COUNT"; then its descriptors, before and after.
 */
#include "driver.h"

#include <poll.h>

static struct fetchpool *pool;
static const char *base;
static int sent, ended, failed;

static struct fetchpool_request *next_request(void)
{
    char url[512];
    snprintf(url, sizeof url, "%s%d", base, sent++);
    struct fetchpool_request *request = fetchpool_request_create("POST", url);
    fetchpool_request_set_body(request, "token", 5);
    return request;
}

static void take(int number, struct fetchpool_response *response)
{
    int code = fetchpool_error_code(response);
    if (code != 0 || fetchpool_status(response) != 200)
        printf("%d %d %d %s\n", number, code, fetchpool_error_class(response),
               fetchpool_error_message(response));
    failed += code != 0;
    fetchpool_response_free(response);
    if (ended++ == 0)
        puts("begun");
    fflush(stdout);
}

static void on_done(void *ctx, struct fetchpool_call *call, struct fetchpool_response *response)
{
    (void)call;
    take((int)(intptr_t)ctx, response);
}

static int may_go_on(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    return !failed && poll(&input, 1, 0) == 0;
}

static void block(void)
{
    while (may_go_on()) {
        int number = sent;
        struct fetchpool_request *request = next_request();
        take(number, fetchpool_fetch(pool, request));
        fetchpool_request_free(request);
    }
}

static void submit(size_t at_once)
{
    while (may_go_on() && fetchpool_in_flight(pool) < at_once) {
        int number = sent;
        struct fetchpool_request *request = next_request();
        fetchpool_submit(pool, request, on_done, (void *)(intptr_t)number, NULL);
        fetchpool_request_free(request);
    }
}

static void loop(size_t at_once)
{
    submit(at_once);
    while (fetchpool_in_flight(pool) > 0) {
        struct pollfd ready = {.fd = fetchpool_fd(pool), .events = fetchpool_events(pool)};
        poll(&ready, 1, -1);
        fetchpool_process(pool);
        submit(at_once);
    }
}

int main(int argc, char **argv)
{
    int before = descriptors();
    if (argc != 4)
        return 2;
    pool = fetchpool_open(argv[1]);
    base = argv[2];
    if (atoi(argv[3]) > 0)
        loop((size_t)atoi(argv[3]));
    else
        block();
    fetchpool_close(pool);
    printf("sent %d\ndescriptors %d %d\n", sent, before, descriptors());
    return 0;
}
