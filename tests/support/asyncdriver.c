/*
 * asyncdriver: the asynchronous half of libfetchpool under the command of a test. Its arguments are
 * steps that one client takes in order. A call that ends prints a line "number code class status
 * bytes right|wrong message"; calls are numbered from 0 as they are submitted. It ends with its
 * number of descriptors before the client was opened and after it was closed. Bodies and URLs: see
 * driver.h.
 *
 *     asyncdriver SOCKET STEP...    SOCKET may be "", for the default one
 *
 *     down URL | whole URL | up URL LENGTH SEED    submits; these set something for the next one:
 *         pauseat BYTES | stopat BYTES | cancelat BYTES    what on_body does after so many bytes
 *         late                      on_read is late every other time
 *         again TIMES               on_done submits the same again
 *         killer NUMBER             on_done cancels that one
 *         reader                    on_body fetches the same by a blocking call
 *     window BYTES | timeout MS     for all that follow
 *     run | runfor MS               the loop, until all have ended
 *     pause NUMBER | resume NUMBER | cancel NUMBER
 *     many COUNT URL                downloads, quietly
 *     beside THREADS TIMES URL      the same, and in threads with blocking calls
 *     idle MS                       sleeps without a loop
 *     fd                            what the descriptor is: the same as before?
 *     most                          body bytes that one turn handed over
 *     turns                         how often the last loop went round
 *     fork URL                      a child submits, too
 *     close                         ends the client
 *     signals | buffer BYTES | wait    see streamdriver
 */
#include "driver.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/wait.h>
#include <time.h>

#define MAX_CALLS   20000
#define MAX_THREADS 64

struct job {
    int number;
    char *url;
    int is_quiet;
    int is_whole;
    struct body down;
    struct body up;
    int has_upload;
    uint64_t pause_at, stop_at, cancel_at;
    int is_late, reads;
    int again;
    int victim; /* -1: none */
    int reads_too;
    int headers, is_odd;
    struct fetchpool_call *call;
};

static struct fetchpool *pool;
static struct job jobs[MAX_CALLS];
static int job_count, ended, failures;
static struct job next_job = {.victim = -1};
static uint64_t window;
static uint32_t timeout_ms;
static int first_fd = -2;
static int turns;                      /* of the last loop */
static uint64_t in_turn, most_in_turn; /* body bytes that one turn handed over */
static int is_inside; /* a function of ours: it must never be called from another place */

/* ---- Functions for the library --------------------------------------------------------------- */

static void submit(const struct job *wanted);

static int on_headers(void *ctx, const struct fetchpool_response *head)
{
    struct job *job = ctx;
    job->headers++;
    job->is_odd |= !is_inside || job->down.at > 0 || fetchpool_status(head) == 0;
    return 0;
}

static void read_too(const struct job *job)
{
    struct fetchpool_response *response = fetchpool_get(pool, job->url);
    failures += fetchpool_error_code(response) != 0;
    fetchpool_response_free(response);
}

static int on_body(void *ctx, const void *bytes, size_t length)
{
    struct job *job = ctx;
    uint64_t before = job->down.at;
    job->is_odd |= !is_inside || length == 0 || length > 65536;
    in_turn += length;
    if (job->reads_too)
        read_too(job);
    if (job->cancel_at > 0 && before + length >= job->cancel_at && before < job->cancel_at)
        fetchpool_cancel(job->call);
    body_check(&job->down, bytes, length);
    if (job->pause_at > 0 && job->down.at >= job->pause_at && before < job->pause_at)
        fetchpool_pause(job->call);
    errno = ENOSPC;
    return job->stop_at > 0 && job->down.at >= job->stop_at;
}

static ptrdiff_t on_read(void *ctx, void *buffer, size_t size)
{
    struct job *job = ctx;
    job->is_odd |= !is_inside;
    if (job->is_late && ++job->reads % 2)
        return FETCHPOOL_READ_LATER;
    return (ptrdiff_t)body_write(&job->up, buffer, size);
}

static void on_done(void *ctx, struct fetchpool_call *call, struct fetchpool_response *response)
{
    struct job *job = ctx;
    int error = errno;
    int code = fetchpool_error_code(response);
    if (job->is_whole)
        body_check(&job->down, fetchpool_body(response), fetchpool_body_length(response));
    int is_right = !job->down.is_wrong && !job->is_odd && job->headers <= 1 && is_inside &&
                   call == job->call &&
                   (code != 0 || job->down.at == fetchpool_body_bytes(response));
    job->call = NULL;
    ended++;
    failures += code != 0 || !is_right;
    if (!job->is_quiet) {
        printf("%d %d %d %d %llu %s %s%s%s\n", job->number, code, fetchpool_error_class(response),
               fetchpool_status(response), (unsigned long long)fetchpool_body_bytes(response),
               is_right ? "right" : "wrong", fetchpool_error_message(response),
               code == FETCHPOOL_STOPPED ? ": " : "",
               code == FETCHPOOL_STOPPED ? strerror(error) : "");
        fflush(stdout);
    }
    fetchpool_response_free(response);
    if (job->victim >= 0)
        fetchpool_cancel(jobs[job->victim].call);
    if (job->again > 0) {
        struct job same = {.victim = -1, .url = job->url, .is_quiet = job->is_quiet};
        same.again = job->again - 1;
        submit(&same);
    }
}

/* ---- Submitting ------------------------------------------------------------------------------ */

static void submit(const struct job *wanted)
{
    struct job *job = &jobs[job_count];
    *job = *wanted;
    job->number = job_count++;
    job->down = body_of(job->url);
    struct fetchpool_request *request = fetchpool_request_create(job->has_upload ? "PUT" : "GET",
                                                                 job->url);
    fetchpool_request_set_on_headers(request, on_headers, job);
    if (!job->is_whole)
        fetchpool_request_set_on_body(request, on_body, job);
    if (job->has_upload)
        fetchpool_request_set_upload(request, on_read, job, job->up.length);
    fetchpool_request_set_window(request, window);
    fetchpool_request_set_timeout(request, timeout_ms);
    int code = fetchpool_submit(pool, request, on_done, job, &job->call);
    if (code != 0)
        printf("%d not submitted: %d\n", job->number, code);
    fetchpool_request_free(request);
}

static void submit_next(char *url)
{
    next_job.url = url;
    submit(&next_job);
    next_job = (struct job){.victim = -1};
}

/* ---- The loop -------------------------------------------------------------------------------- */

static long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Those that are late have something after a millisecond. */
static int wake_late(void)
{
    int any = 0;
    for (int i = 0; i < job_count; i++) {
        if (jobs[i].is_late && jobs[i].call) {
            fetchpool_resume(jobs[i].call);
            any = 1;
        }
    }
    return any;
}

static void run(long long for_ms)
{
    long long end = now_ms() + for_ms;
    turns = 0;
    while (fetchpool_in_flight(pool) > 0 && now_ms() < end) {
        struct pollfd ready = {.fd = fetchpool_fd(pool), .events = fetchpool_events(pool)};
        long long left = end - now_ms();
        int is_late = wake_late();
        if (poll(&ready, 1, is_late ? 1 : left < 20000 ? (int)left : 20000) < 0 && errno != EINTR)
            exit(3);
        is_inside = 1;
        turns++;
        if (ready.revents)
            fetchpool_process(pool);
        is_inside = 0;
        if (in_turn > most_in_turn)
            most_in_turn = in_turn;
        in_turn = 0;
    }
}

/* ---- Steps ----------------------------------------------------------------------------------- */

static void many(int count, char *url)
{
    int before = ended;
    failures = 0;
    for (int i = 0; i < count; i++)
        submit(&(struct job){.url = url, .is_quiet = 1, .victim = -1});
    run(100000);
    printf("%d ended, %d failures\n", ended - before, failures);
}

struct thread {
    pthread_t id;
    const char *url;
    int times;
    int failures;
};

static int check_body(void *ctx, const void *bytes, size_t length)
{
    body_check(ctx, bytes, length);
    return 0;
}

static void *stream_often(void *context)
{
    struct thread *thread = context;
    for (int i = 0; i < thread->times; i++) {
        struct body body = body_of(thread->url);
        struct fetchpool_request *request = fetchpool_request_create(NULL, thread->url);
        fetchpool_request_set_on_body(request, check_body, &body);
        struct fetchpool_response *response = fetchpool_fetch(pool, request);
        thread->failures += fetchpool_error_code(response) != 0 || body.is_wrong || body.at == 0;
        fetchpool_response_free(response);
        fetchpool_request_free(request);
    }
    return NULL;
}

static void beside(int count, int times, char *url)
{
    struct thread threads[MAX_THREADS];
    int failed = 0;
    for (int i = 0; i < count; i++) {
        threads[i] = (struct thread){.url = url, .times = times};
        pthread_create(&threads[i].id, NULL, stream_often, &threads[i]);
    }
    many(count * times, url);
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i].id, NULL);
        failed += threads[i].failures;
    }
    printf("%d failures in threads\n", failed);
}

static void idle(int ms)
{
    struct timespec left = {ms / 1000, ms % 1000 * 1000000L};
    while (nanosleep(&left, &left) < 0)
        ;
}

static void show_fd(void)
{
    int fd = fetchpool_fd(pool);
    if (first_fd == -2)
        first_fd = fd;
    printf("%s %d\n", fd == first_fd ? "same" : "other", fetchpool_events(pool) == POLLIN);
}

/* What the parent has in flight is not the child's. */
static void fork_and_submit(char *url)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        printf("child %zu\n", fetchpool_in_flight(pool));
        submit(&(struct job){.url = url, .victim = -1});
        run(20000);
        fetchpool_close(pool);
        exit(0);
    }
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
}

static void close_client(void)
{
    is_inside = 1;
    fetchpool_close(pool);
    is_inside = 0;
    pool = NULL;
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

/* Those of one word. Each returns how many arguments it took, 0 if it is another. */
static int alone(char **words)
{
    const char *verb = words[0];
    if (strcmp(verb, "run") == 0)
        return run(100000), 1;
    if (strcmp(verb, "fd") == 0)
        return show_fd(), 1;
    if (strcmp(verb, "turns") == 0)
        return printf("turns %d\n", turns), 1;
    if (strcmp(verb, "most") == 0)
        return printf("most %llu\n", (unsigned long long)most_in_turn), 1;
    if (strcmp(verb, "late") == 0)
        return next_job.is_late = 1, 1;
    if (strcmp(verb, "reader") == 0)
        return next_job.reads_too = 1, 1;
    if (strcmp(verb, "close") == 0)
        return close_client(), 1;
    if (strcmp(verb, "signals") == 0)
        return start_signals(), 1;
    if (strcmp(verb, "wait") == 0)
        return wait_for_line(), 1;
    return 0;
}

static int setting(char **words)
{
    const char *verb = words[0];
    if (strcmp(verb, "pauseat") == 0)
        return next_job.pause_at = number(words[1]), 2;
    if (strcmp(verb, "stopat") == 0)
        return next_job.stop_at = number(words[1]), 2;
    if (strcmp(verb, "cancelat") == 0)
        return next_job.cancel_at = number(words[1]), 2;
    if (strcmp(verb, "again") == 0)
        return next_job.again = atoi(words[1]), 2;
    if (strcmp(verb, "killer") == 0)
        return next_job.victim = atoi(words[1]), 2;
    if (strcmp(verb, "window") == 0)
        return window = number(words[1]), 2;
    if (strcmp(verb, "timeout") == 0)
        return timeout_ms = (uint32_t)number(words[1]), 2;
    if (strcmp(verb, "buffer") == 0)
        return socket_buffer = atoi(words[1]), 2;
    return 0;
}

static int action(char **words)
{
    const char *verb = words[0];
    if (strcmp(verb, "runfor") == 0)
        return run(atoi(words[1])), 2;
    if (strcmp(verb, "idle") == 0)
        return idle(atoi(words[1])), 2;
    if (strcmp(verb, "pause") == 0)
        return fetchpool_pause(jobs[atoi(words[1])].call), 2;
    if (strcmp(verb, "resume") == 0)
        return fetchpool_resume(jobs[atoi(words[1])].call), 2;
    if (strcmp(verb, "cancel") == 0)
        return fetchpool_cancel(jobs[atoi(words[1])].call), 2;
    if (strcmp(verb, "fork") == 0)
        return fork_and_submit(words[1]), 2;
    if (strcmp(verb, "many") == 0)
        return many(atoi(words[1]), words[2]), 3;
    if (strcmp(verb, "beside") == 0)
        return beside(atoi(words[1]), atoi(words[2]), words[3]), 4;
    return 0;
}

static int submission(char **words)
{
    const char *verb = words[0];
    if (strcmp(verb, "up") == 0) {
        next_job.has_upload = 1;
        next_job.up = (struct body){.length = number(words[2]), .seed = number(words[3])};
    } else if (strcmp(verb, "whole") == 0) {
        next_job.is_whole = 1;
    } else if (strcmp(verb, "down") != 0) {
        exit(2);
    }
    submit_next(words[1]);
    return strcmp(verb, "up") == 0 ? 4 : 2;
}

int main(int argc, char **argv)
{
    int before = descriptors();
    pool = fetchpool_open(*argv[1] ? argv[1] : NULL);
    for (int i = 2; i < argc;) {
        int taken = alone(argv + i);
        if (taken == 0)
            taken = setting(argv + i);
        if (taken == 0)
            taken = action(argv + i);
        if (taken == 0)
            taken = submission(argv + i);
        i += taken;
    }
    close_client();
    printf("descriptors %d %d\n", before, descriptors());
    return 0;
}
