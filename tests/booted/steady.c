/*
 * steady: clients by libfetchpool that ask at a steady rate until a file appears. Every other
 * request is a POST, each with a path of its own, so that the origin can tell whether one came
 * twice. Prints a line "URL CODE MESSAGE" for each that failed, and at last "SENT FAILED
 * SLOWEST-MS".
 *
 *     steady BASE-URL UNTIL-FILE PER-SECOND THREADS    blocking calls, of one client
 *     steady BASE-URL UNTIL-FILE PER-SECOND 0          without blocking, in a loop of its own
 */
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fetchpool.h"

#define MAX_THREADS 64
#define NS_PER_S    1000000000LL
#define NS_PER_MS   1000000LL
#define PATH_BYTES  256

static const char *base_url;
static const char *until_file;
static struct fetchpool *pool;
static long long pause_ns; /* between the requests of one thread */
static atomic_int last_number, sent, failed, slowest_ms;

static long long now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static int is_over(void)
{
    return access(until_file, F_OK) == 0;
}

static struct fetchpool_request *next_request(char url[PATH_BYTES])
{
    int number = atomic_fetch_add(&last_number, 1);
    const char *method = number % 2 ? "POST" : "GET";
    snprintf(url, PATH_BYTES, "%s/%s/steady-%d-%d", base_url, method, (int)getpid(), number);
    struct fetchpool_request *request = fetchpool_request_create(method, url);
    if (number % 2)
        fetchpool_request_set_body(request, url, strlen(url));
    return request;
}

static void note(const char *url, struct fetchpool_response *response, long long since_ns)
{
    int ms = (int)((now_ns() - since_ns) / NS_PER_MS);
    int code = fetchpool_error_code(response);
    int most = slowest_ms;
    while (ms > most && !atomic_compare_exchange_weak(&slowest_ms, &most, ms))
        ;
    atomic_fetch_add(&sent, 1);
    if (code != 0 || fetchpool_status(response) != 200) {
        atomic_fetch_add(&failed, 1);
        printf("%s %d %s\n", url, code, fetchpool_error_message(response));
    }
    fetchpool_response_free(response);
}

/* ---- Blocking -------------------------------------------------------------------------------- */

static void sleep_until(long long ns)
{
    struct timespec when = {.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL) != 0)
        ;
}

static void *ask(void *unused)
{
    char url[PATH_BYTES];
    (void)unused;
    for (long long due = now_ns(); !is_over(); due += pause_ns) {
        sleep_until(due);
        struct fetchpool_request *request = next_request(url);
        long long since = now_ns();
        note(url, fetchpool_fetch(pool, request), since);
        fetchpool_request_free(request);
    }
    return NULL;
}

static void ask_in_threads(int count)
{
    pthread_t threads[MAX_THREADS];
    for (int i = 0; i < count; i++)
        pthread_create(&threads[i], NULL, ask, NULL);
    for (int i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

/* ---- In a loop ------------------------------------------------------------------------------- */

struct asked {
    char url[PATH_BYTES];
    long long since_ns;
};

static void on_done(void *ctx, struct fetchpool_call *call, struct fetchpool_response *response)
{
    struct asked *asked = ctx;
    (void)call;
    note(asked->url, response, asked->since_ns);
    free(asked);
}

static void submit(void)
{
    struct asked *asked = malloc(sizeof *asked);
    struct fetchpool_request *request = next_request(asked->url);
    asked->since_ns = now_ns();
    if (fetchpool_submit(pool, request, on_done, asked, NULL) != FETCHPOOL_OK)
        abort();
    fetchpool_request_free(request);
}

static void ask_in_a_loop(void)
{
    struct pollfd ready = {.fd = fetchpool_fd(pool), .events = fetchpool_events(pool)};
    long long due = now_ns();
    while (!is_over() || fetchpool_in_flight(pool) > 0) {
        long long left = due - now_ns();
        if (left <= 0 && !is_over()) {
            submit();
            due += pause_ns;
        }
        poll(&ready, 1, left > 0 ? (int)(left / NS_PER_MS) + 1 : 0);
        fetchpool_process(pool);
    }
}

int main(int argc, char **argv)
{
    if (argc != 5)
        return 2;
    base_url = argv[1];
    until_file = argv[2];
    int threads = atoi(argv[4]);
    pause_ns = NS_PER_S * (threads ? threads : 1) / atoi(argv[3]);
    pool = fetchpool_open(NULL);
    if (threads)
        ask_in_threads(threads);
    else
        ask_in_a_loop();
    fetchpool_close(pool);
    printf("%d %d %d\n", sent, failed, slowest_ms);
    return 0;
}
