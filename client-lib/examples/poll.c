/*
 * poll: several URLs at once, in one thread, with poll(2): a line for each as it ends.
 *
 *     cc poll.c $(pkg-config --cflags --libs fetchpool) && ./a.out URL...
 */
#include <errno.h>
#include <fetchpool.h>
#include <poll.h>
#include <stdio.h>

/* A piece of a body. A program would do something with it; this one lets it pass. */
static int on_body(void *url, const void *bytes, size_t length)
{
    (void)url;
    (void)bytes;
    (void)length;
    return 0;
}

static int failures;

static void on_done(void *url, struct fetchpool_call *call, struct fetchpool_response *answer)
{
    (void)call;
    if (fetchpool_error_code(answer) == 0)
        printf("%s %d, %llu bytes\n", (const char *)url, fetchpool_status(answer),
               (unsigned long long)fetchpool_body_bytes(answer));
    else
        fprintf(stderr, "%s %s\n", (const char *)url, fetchpool_error_message(answer));
    failures += fetchpool_error_code(answer) != 0;
    fetchpool_response_free(answer);
}

int main(int argc, char **argv)
{
    struct fetchpool *pool = fetchpool_open(NULL);
    for (int i = 1; i < argc; i++) {
        struct fetchpool_request *request = fetchpool_request_create(NULL, argv[i]);
        fetchpool_request_set_on_body(request, on_body, argv[i]);
        int code = fetchpool_submit(pool, request, on_done, argv[i], NULL);
        if (code != 0)
            fprintf(stderr, "%s %s\n", argv[i], fetchpool_code_name(code));
        failures += code != 0;
        fetchpool_request_free(request);
    }
    /* Other descriptors of the program's would stand beside this one. */
    struct pollfd ready = {.fd = fetchpool_fd(pool), .events = fetchpool_events(pool)};
    while (fetchpool_in_flight(pool) > 0) {
        if (poll(&ready, 1, -1) < 0 && errno != EINTR)
            break;
        fetchpool_process(pool);
    }
    fetchpool_close(pool); /* ends what is still in flight: on_done counts it */
    return failures != 0;
}
