/*
 * uv: several URLs at once in a libuv loop.
 *
 *     cc uv.c $(pkg-config --cflags --libs fetchpool libuv) && ./a.out URL...
 */
#include <fetchpool.h>
#include <stdio.h>
#include <uv.h>

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

/* The loop ends when nothing is active any more. A program that goes on just leaves the poll on. */
static void on_ready(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    if (fetchpool_process(poll->data) == 0)
        uv_poll_stop(poll);
}

int main(int argc, char **argv)
{
    struct fetchpool *pool = fetchpool_open(NULL);
    uv_loop_t *loop = uv_default_loop();
    uv_poll_t poll = {.data = pool};
    if (uv_poll_init(loop, &poll, fetchpool_fd(pool)) != 0)
        return 1;
    for (int i = 1; i < argc; i++) {
        struct fetchpool_request *request = fetchpool_request_create(NULL, argv[i]);
        int code = fetchpool_submit(pool, request, on_done, argv[i], NULL);
        if (code != 0)
            fprintf(stderr, "%s %s\n", argv[i], fetchpool_code_name(code));
        failures += code != 0;
        fetchpool_request_free(request);
    }
    if (fetchpool_in_flight(pool) > 0)
        uv_poll_start(&poll, UV_READABLE, on_ready); /* what fetchpool_events() says, always */
    uv_run(loop, UV_RUN_DEFAULT);
    uv_close((uv_handle_t *)&poll, NULL);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
    fetchpool_close(pool); /* after the loop has let go of its descriptor */
    return failures != 0;
}
