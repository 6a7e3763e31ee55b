/*
 * libdriver: libfetchpool under the command of a test. Its arguments are steps that one client
 * takes in order; each prints a line "code class status length message". It ends with its number
 * of descriptors before the client was opened and after it was closed.
 *
 * SOCKET may be "", for the default one.
 *
 *     libdriver SOCKET get URL | timed URL MS | post URL BYTES MS | query METHOD | wait | accessors
 * URL | full URL | fork URL | threads COUNT URL | misuse
 * | identity CERT KEY URL
 */
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fetchpool.h"

#define MAX_THREADS 64

static int descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static int show(struct fetchpool_response *response)
{
    int code = fetchpool_error_code(response);
    printf("%d %d %d %zu %s\n", code, fetchpool_error_class(response), fetchpool_status(response),
           fetchpool_body_length(response), fetchpool_error_message(response));
    fflush(stdout);
    fetchpool_response_free(response);
    return code;
}

static void timed(struct fetchpool *client, const char *url, const char *ms)
{
    struct fetchpool_request *request = fetchpool_request_create(NULL, url);
    fetchpool_request_set_timeout(request, (uint32_t)atoi(ms));
    show(fetchpool_fetch(client, request));
    fetchpool_request_free(request);
}

static void post(struct fetchpool *client, const char *url, size_t length, const char *ms)
{
    char *body = calloc(1, length + 1);
    struct fetchpool_request *request = fetchpool_request_create("POST", url);
    fetchpool_request_set_body(request, body, length);
    fetchpool_request_set_timeout(request, (uint32_t)atoi(ms));
    show(fetchpool_fetch(client, request));
    fetchpool_request_free(request);
    free(body);
}

static void accessors(struct fetchpool *client, const char *url)
{
    struct fetchpool_response *response = fetchpool_get(client, url);
    struct fetchpool_timing timing = fetchpool_timing(response);
    printf("%s|%s|%u|", fetchpool_http_version(response), fetchpool_url(response),
           fetchpool_redirects(response));
    for (size_t i = 0; i < fetchpool_header_count(response); i++)
        printf("%s=%s,", fetchpool_header_name(response, i), fetchpool_header_value(response, i));
    printf("|%s|%d|", fetchpool_header(response, "X-EMPTY"),
           fetchpool_header(response, "none") == NULL && !fetchpool_header_name(response, 3) &&
               !fetchpool_header_value(response, 3) && !fetchpool_result(response));
    printf("%d|%s|", ((const char *)fetchpool_body(response))[fetchpool_body_length(response)],
           fetchpool_connection_peer(response));
    printf("%llu %d %llu %llu|", (unsigned long long)fetchpool_connection_id(response),
           fetchpool_connection_reused(response),
           (unsigned long long)fetchpool_connection_requests(response),
           (unsigned long long)fetchpool_connection_age_ms(response));
    printf("%llu %llu\n", (unsigned long long)timing.queue_us, (unsigned long long)timing.total_us);
    fetchpool_response_free(response);
}

/* ---- What a client certificate leaves behind ------------------------------------------------- */

#define MAX_PEM 8192

static void read_file(char *out_text, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = read(fd, out_text, MAX_PEM - 1);
    out_text[length > 0 ? length : 0] = '\0';
    close(fd);
}

static struct fetchpool_request *request_with(char **words)
{
    char certificate[MAX_PEM];
    char key[MAX_PEM];
    struct fetchpool_request *request = fetchpool_request_create(NULL, words[3]);
    read_file(certificate, words[1]);
    read_file(key, words[2]);
    fetchpool_request_set_tls_identity(request, certificate, "not yet");
    fetchpool_request_set_tls_identity(request, certificate, key);
    explicit_bzero(certificate, sizeof certificate);
    explicit_bzero(key, sizeof key);
    return request;
}

static void on_done(void *ctx, struct fetchpool_call *call, struct fetchpool_response *response)
{
    (void)ctx, (void)call;
    show(response);
}

/* By all three ways that send it; what is kept of it afterwards is the test's to look for. */
static void identity(struct fetchpool *client, char **words)
{
    struct fetchpool_request *request = request_with(words);
    struct pollfd ready = {.fd = fetchpool_fd(client), .events = fetchpool_events(client)};
    show(fetchpool_fetch(client, request));
    show(fetchpool_check(client, request));
    fetchpool_submit(client, request, on_done, NULL, NULL);
    while (fetchpool_in_flight(client) > 0) {
        poll(&ready, 1, -1);
        fetchpool_process(client);
    }
    fetchpool_request_free(request);
}

/* A request with something in every part that takes memory. */
static void full(struct fetchpool *client, const char *url)
{
    struct fetchpool_request *request = fetchpool_request_create("POST", url);
    fetchpool_set_name(client, "a name");
    for (int i = 0; i < 9; i++)
        fetchpool_request_add_header(request, "X-Name", "value");
    fetchpool_request_set_body(request, "body", 4);
    fetchpool_request_set_tls_ca(request, "CA");
    fetchpool_request_set_tls_identity(request, "CERTIFICATE", "KEY");
    fetchpool_request_set_tls_server_name(request, "server.test");
    fetchpool_request_set_proxy(request, "http://proxy.test:1/");
    fetchpool_request_set_tag(request, "tag");
    show(fetchpool_fetch(client, request));
    fetchpool_request_free(request);
}

static void query(struct fetchpool *client, const char *method)
{
    struct fetchpool_response *response = fetchpool_query(client, method, 0);
    const struct fetchpool_value *value = fetchpool_result(response);
    printf("%d %.*s\n", fetchpool_error_code(response), (int)fetchpool_value_length(value),
           fetchpool_value_string(value) ? fetchpool_value_string(value) : "");
    fetchpool_response_free(response);
}

/* The child uses the parent's client and closes it; then the parent uses it again. */
static void fork_and_get(struct fetchpool *client, const char *url)
{
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        int code = show(fetchpool_get(client, url));
        fetchpool_close(client);
        exit(code != 0);
    }
    waitpid(child, NULL, 0);
    show(fetchpool_get(client, url));
}

struct job {
    struct fetchpool *client;
    const char *url;
    int failures;
};

static void *get_often(void *context)
{
    struct job *job = context;
    for (int i = 0; i < 50; i++) {
        struct fetchpool_response *response = fetchpool_get(job->client, job->url);
        job->failures += fetchpool_error_code(response) != 0 ||
                         strcmp(fetchpool_body(response), "hello\n") != 0;
        fetchpool_response_free(response);
    }
    return NULL;
}

static void threads(struct fetchpool *client, int count, const char *url)
{
    pthread_t ids[MAX_THREADS];
    struct job jobs[MAX_THREADS];
    int failures = 0;
    for (int i = 0; i < count; i++) {
        jobs[i] = (struct job){client, url, 0};
        pthread_create(&ids[i], NULL, get_often, &jobs[i]);
    }
    for (int i = 0; i < count; i++) {
        pthread_join(ids[i], NULL);
        failures += jobs[i].failures;
    }
    printf("%d failures\n", failures);
}

static void misuse(struct fetchpool *client)
{
    struct fetchpool_request *request = fetchpool_request_create("GET", "http://h/");
    show(fetchpool_get(client, NULL));
    show(fetchpool_fetch(client, NULL));
    show(fetchpool_query(NULL, "ping", 0));
    fetchpool_request_add_header(request, "name", NULL);
    fetchpool_request_add_header(request, "name", "value");
    show(fetchpool_fetch(client, request));
    fetchpool_request_free(request);
    fetchpool_request_free(NULL);
    fetchpool_response_free(NULL);
    fetchpool_close(NULL);
    printf("%d %s %d\n", fetchpool_request_create("GET", NULL) == NULL, fetchpool_code_name(103),
           fetchpool_code_class(150));
}

static void wait_for_line(void)
{
    puts("waiting");
    fflush(stdout);
    while (getchar() != '\n')
        ;
}

/* Returns how many arguments the step took. */
static int step(struct fetchpool *client, char **words)
{
    const char *verb = words[0];
    if (strcmp(verb, "wait") == 0)
        return wait_for_line(), 1;
    if (strcmp(verb, "misuse") == 0)
        return misuse(client), 1;
    if (strcmp(verb, "get") == 0)
        return show(fetchpool_get(client, words[1])), 2;
    if (strcmp(verb, "accessors") == 0)
        return accessors(client, words[1]), 2;
    if (strcmp(verb, "query") == 0)
        return query(client, words[1]), 2;
    if (strcmp(verb, "full") == 0)
        return full(client, words[1]), 2;
    if (strcmp(verb, "fork") == 0)
        return fork_and_get(client, words[1]), 2;
    if (strcmp(verb, "threads") == 0)
        return threads(client, atoi(words[1]), words[2]), 3;
    if (strcmp(verb, "timed") == 0)
        return timed(client, words[1], words[2]), 3;
    if (strcmp(verb, "identity") == 0)
        return identity(client, words), 4;
    if (strcmp(verb, "post") == 0)
        return post(client, words[1], (size_t)atoll(words[2]), words[3]), 4;
    exit(2);
}

int main(int argc, char **argv)
{
    int before = descriptors();
    struct fetchpool *client = fetchpool_open(*argv[1] ? argv[1] : NULL);
    for (int i = 2; i < argc;)
        i += step(client, argv + i);
    fetchpool_close(client);
    printf("descriptors %d %d\n", before, descriptors());
    return 0;
}
