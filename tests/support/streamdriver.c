/*
 * streamdriver: the blocking calls of libfetchpool with bodies that stream, under the command of a
 * test. Its arguments are steps that one client takes in order; each prints a line
 * "code class status bytes right|wrong message". It ends with its number of descriptors before the
 * client was opened and after it was closed. Bodies and URLs: see driver.h.
 *
 *     streamdriver SOCKET STEP...
 *
 *     down URL                    download
 *     up URL LENGTH SEED          upload of a known length, then what the URL says
 *     more URL LENGTH SEED        the same, but its length is not announced
 *     lie URL LENGTH ANNOUNCED    an upload with another length than announced
 *     stop URL BYTES              on_body stops after so many bytes
 *     stopread URL BYTES          on_read does
 *     refuse URL                  on_headers does
 *     save URL PATH | savefd URL PATH    into a FILE behind "before", into a descriptor
 *     send URL PATH | sendfd URL PATH    from a FILE, from a descriptor
 *     get URL                     not streamed, with on_headers
 *     trailers URL                their names and values
 *     window BYTES | timeout MS | idle MS | sleep MS     for the requests that follow
 *     signals | buffer BYTES      see driver.h
 *     wait                        for a line on standard input
 *     fork URL                    a download in a child, then in the parent
 *     threads COUNT TIMES URL     downloads and uploads in threads
 */
#include "driver.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

#define MAX_THREADS 64

static uint64_t window;
static uint32_t timeout_ms, idle_ms;
static int sleep_ms;

/* ---- Functions for the library --------------------------------------------------------------- */

struct stream {
    struct body down;
    struct body up;
    uint64_t stop_after; /* on_body; 0: never */
    uint64_t stop_read;  /* on_read */
    int refuses;
    int headers; /* how often on_headers was called */
    int is_late; /* on_headers came after on_body */
};

static void pause_a_while(void)
{
    struct timespec left = {sleep_ms / 1000, sleep_ms % 1000 * 1000000L};
    while (sleep_ms > 0 && nanosleep(&left, &left) < 0)
        ;
}

static int on_headers(void *ctx, const struct fetchpool_response *head)
{
    struct stream *stream = ctx;
    stream->headers++;
    stream->is_late |= stream->down.at > 0 || fetchpool_body_length(head) > 0 ||
                       fetchpool_status(head) == 0;
    errno = ENOSPC;
    return stream->refuses;
}

static int on_body(void *ctx, const void *bytes, size_t length)
{
    struct stream *stream = ctx;
    pause_a_while();
    stream->is_late |= length == 0 || length > 65536;
    body_check(&stream->down, bytes, length);
    errno = ENOSPC;
    return stream->stop_after > 0 && stream->down.at >= stream->stop_after;
}

/* In pieces of odd sizes. */
static ptrdiff_t on_read(void *ctx, void *buffer, size_t size)
{
    struct stream *stream = ctx;
    size_t piece = 1 + (size_t)(stream->up.at * 7919 % 40000);
    pause_a_while();
    errno = EIO;
    if (stream->stop_read > 0 && stream->up.at >= stream->stop_read)
        return FETCHPOOL_READ_STOP;
    return (ptrdiff_t)body_write(&stream->up, buffer, size < piece ? size : piece);
}

/* ---- Steps ----------------------------------------------------------------------------------- */

static struct fetchpool_request *create(const char *method, const char *url, struct stream *stream)
{
    struct fetchpool_request *request = fetchpool_request_create(method, url);
    fetchpool_request_set_on_headers(request, on_headers, stream);
    fetchpool_request_set_on_body(request, on_body, stream);
    fetchpool_request_set_window(request, window);
    fetchpool_request_set_timeout(request, timeout_ms);
    fetchpool_request_set_idle_timeout(request, idle_ms);
    stream->down = body_of(url);
    return request;
}

static int show(struct fetchpool_response *response, const struct stream *stream)
{
    int error = errno;
    int code = fetchpool_error_code(response);
    int is_right = !stream->down.is_wrong && !stream->is_late && stream->headers <= 1;
    printf("%d %d %d %llu %s %s%s%s\n", code, fetchpool_error_class(response),
           fetchpool_status(response), (unsigned long long)fetchpool_body_bytes(response),
           is_right ? "right" : "wrong", fetchpool_error_message(response),
           code == FETCHPOOL_STOPPED ? ": " : "", code == FETCHPOOL_STOPPED ? strerror(error) : "");
    fflush(stdout);
    fetchpool_response_free(response);
    return code;
}

static int run(struct fetchpool *client, struct fetchpool_request *request, struct stream *stream)
{
    struct fetchpool_response *response = fetchpool_fetch(client, request);
    int code = show(response, stream);
    fetchpool_request_free(request);
    return code;
}

static int down(struct fetchpool *client, const char *url, struct stream stream)
{
    return run(client, create(NULL, url, &stream), &stream);
}

static void up(struct fetchpool *client, const char *url, struct stream stream, uint64_t announced)
{
    struct fetchpool_request *request = create("PUT", url, &stream);
    fetchpool_request_set_upload(request, on_read, &stream, announced);
    run(client, request, &stream);
}

static void get(struct fetchpool *client, const char *url)
{
    struct stream stream = {0};
    struct fetchpool_request *request = create(NULL, url, &stream);
    fetchpool_request_set_on_body(request, NULL, NULL);
    struct fetchpool_response *response = fetchpool_fetch(client, request);
    body_check(&stream.down, fetchpool_body(response), fetchpool_body_length(response));
    stream.is_late |= stream.headers != 1;
    show(response, &stream);
    fetchpool_request_free(request);
}

static void save(struct fetchpool *client, const char *url, const char *path)
{
    struct stream stream = {0};
    struct fetchpool_request *request = create(NULL, url, &stream);
    FILE *file = fopen(path, "a");
    fputs("before", file);
    fetchpool_request_set_output_file(request, file);
    run(client, request, &stream);
    fclose(file);
}

static void save_to(struct fetchpool *client, const char *url, const char *path)
{
    struct stream stream = {0};
    struct fetchpool_request *request = create(NULL, url, &stream);
    int fd = open(path, O_WRONLY | O_CREAT | O_NONBLOCK | O_CLOEXEC, 0600);
    fetchpool_request_set_output_fd(request, fd);
    run(client, request, &stream);
    close(fd);
}

static void send_file(struct fetchpool *client, const char *url, const char *path)
{
    struct stream stream = {0};
    struct fetchpool_request *request = create("PUT", url, &stream);
    FILE *file = fopen(path, "r");
    fetchpool_request_set_upload_file(request, file, FETCHPOOL_SIZE_UNKNOWN);
    run(client, request, &stream);
    fclose(file);
}

static void send_from(struct fetchpool *client, const char *url, const char *path)
{
    struct stream stream = {0};
    struct fetchpool_request *request = create("PUT", url, &stream);
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    fetchpool_request_set_upload_fd(request, fd, FETCHPOOL_SIZE_UNKNOWN);
    run(client, request, &stream);
    close(fd);
}

static void trailers(struct fetchpool *client, const char *url)
{
    struct stream stream = {0};
    struct fetchpool_request *request = create(NULL, url, &stream);
    struct fetchpool_response *response = fetchpool_fetch(client, request);
    for (size_t i = 0; i < fetchpool_trailer_count(response); i++)
        printf("%s=%s|", fetchpool_trailer_name(response, i), fetchpool_trailer_value(response, i));
    printf("%s|%d%d|%llu|", fetchpool_trailer(response, "X-SUM"),
           fetchpool_trailer(response, "none") == NULL,
           fetchpool_trailer_name(response, fetchpool_trailer_count(response)) == NULL,
           (unsigned long long)fetchpool_timing(response).total_us);
    fetchpool_request_free(request);
    show(response, &stream);
}

/* The child uses the parent's client and closes it; then the parent uses it again. */
static void fork_and_get(struct fetchpool *client, const char *url)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        int code = down(client, url, (struct stream){0});
        fetchpool_close(client);
        exit(code != 0);
    }
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
    down(client, url, (struct stream){0});
}

struct job {
    struct fetchpool *client;
    const char *url;
    int times;
    int failures;
};

static void *stream_often(void *context)
{
    struct job *job = context;
    for (int i = 0; i < job->times; i++) {
        struct stream stream = {.up = {.seed = 99, .length = 300000}};
        struct fetchpool_request *request = create(i % 2 ? "PUT" : "GET", job->url, &stream);
        if (i % 2)
            fetchpool_request_set_upload(request, on_read, &stream, 300000);
        struct fetchpool_response *response = fetchpool_fetch(job->client, request);
        job->failures += fetchpool_error_code(response) != 0 || stream.down.is_wrong ||
                         stream.headers != 1 || stream.is_late ||
                         fetchpool_body_bytes(response) != stream.down.at || stream.down.at == 0;
        fetchpool_response_free(response);
        fetchpool_request_free(request);
    }
    return NULL;
}

static void threads(struct fetchpool *client, int count, int times, const char *url)
{
    pthread_t ids[MAX_THREADS];
    struct job jobs[MAX_THREADS];
    int failures = 0;
    for (int i = 0; i < count; i++) {
        jobs[i] = (struct job){client, url, times, 0};
        pthread_create(&ids[i], NULL, stream_often, &jobs[i]);
    }
    for (int i = 0; i < count; i++) {
        pthread_join(ids[i], NULL);
        failures += jobs[i].failures;
    }
    printf("%d failures\n", failures);
}

static void wait_for_line(void)
{
    puts("waiting");
    fflush(stdout);
    while (getchar() != '\n')
        clearerr(stdin);
}

/* ---- Which step ------------------------------------------------------------------------------ */

static uint64_t number(const char *word)
{
    return strtoull(word, NULL, 10);
}

/* Those that set something. Returns how many arguments the step took, 0 if it is another. */
static int setting(char **words)
{
    const char *verb = words[0];
    if (strcmp(verb, "signals") == 0)
        return start_signals(), 1;
    if (strcmp(verb, "wait") == 0)
        return wait_for_line(), 1;
    if (strcmp(verb, "window") == 0)
        return window = number(words[1]), 2;
    if (strcmp(verb, "timeout") == 0)
        return timeout_ms = (uint32_t)number(words[1]), 2;
    if (strcmp(verb, "idle") == 0)
        return idle_ms = (uint32_t)number(words[1]), 2;
    if (strcmp(verb, "sleep") == 0)
        return sleep_ms = atoi(words[1]), 2;
    if (strcmp(verb, "buffer") == 0)
        return socket_buffer = atoi(words[1]), 2;
    return 0;
}

static int upload(struct fetchpool *client, char **words)
{
    const char *verb = words[0];
    struct stream stream = {.up = {.length = number(words[2])}};
    uint64_t announced = stream.up.length;
    if (strcmp(verb, "lie") == 0) {
        announced = number(words[3]);
    } else {
        stream.up.seed = number(words[3]);
        if (strcmp(verb, "more") == 0)
            announced = FETCHPOOL_SIZE_UNKNOWN;
    }
    up(client, words[1], stream, announced);
    return 4;
}

static int step(struct fetchpool *client, char **words)
{
    const char *verb = words[0], *url = words[1];
    struct stream stream = {0};
    if (strcmp(verb, "down") == 0)
        return down(client, url, stream), 2;
    if (strcmp(verb, "get") == 0)
        return get(client, url), 2;
    if (strcmp(verb, "trailers") == 0)
        return trailers(client, url), 2;
    if (strcmp(verb, "fork") == 0)
        return fork_and_get(client, url), 2;
    if (strcmp(verb, "refuse") == 0)
        return stream.refuses = 1, down(client, url, stream), 2;
    if (strcmp(verb, "save") == 0)
        return save(client, url, words[2]), 3;
    if (strcmp(verb, "savefd") == 0)
        return save_to(client, url, words[2]), 3;
    if (strcmp(verb, "send") == 0)
        return send_file(client, url, words[2]), 3;
    if (strcmp(verb, "sendfd") == 0)
        return send_from(client, url, words[2]), 3;
    if (strcmp(verb, "stop") == 0)
        return stream.stop_after = number(words[2]), down(client, url, stream), 3;
    if (strcmp(verb, "stopread") == 0) {
        stream.stop_read = number(words[2]);
        stream.up.length = stream.stop_read * 2;
        return up(client, url, stream, FETCHPOOL_SIZE_UNKNOWN), 3;
    }
    if (strcmp(verb, "threads") == 0)
        return threads(client, atoi(words[1]), atoi(words[2]), words[3]), 4;
    return upload(client, words);
}

int main(int argc, char **argv)
{
    int before = descriptors();
    struct fetchpool *client = fetchpool_open(argv[1]);
    for (int i = 2; i < argc;) {
        int taken = setting(argv + i);
        i += taken ? taken : step(client, argv + i);
    }
    fetchpool_close(client);
    printf("descriptors %d %d\n", before, descriptors());
    return 0;
}
