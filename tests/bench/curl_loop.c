#include "curl_loop.h"

#include "meter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define MAX_FD 8192

/* A descriptor of the set. */
struct watched {
    uint32_t events;          /* 0: it is not in the set */
    bool is_idle;             /* libcurl has let go of it */
    curl_loop_ready on_ready; /* NULL: it is libcurl's */
    void *ctx;
};

static CURLM *multi;
static int set;
static struct watched watched[MAX_FD];
static int64_t timer_ns = -1; /* when libcurl wants to be called; -1: never */

static void expect(int fd, uint32_t wanted)
{
    if (fd >= MAX_FD)
        die("more descriptors than %d", MAX_FD);
    if (wanted == watched[fd].events)
        return;
    struct epoll_event event = {.events = wanted, .data.fd = fd};
    if (epoll_ctl(set, watched[fd].events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0)
        die("epoll_ctl: %s", strerror(errno));
    watched[fd].events = wanted;
}

void curl_loop_watch(int fd, curl_loop_ready on_ready, void *ctx)
{
    expect(fd, EPOLLIN);
    watched[fd].on_ready = on_ready;
    watched[fd].ctx = ctx;
}

/* close() takes it out of the set; what comes in its place is new. */
void curl_loop_close(int fd)
{
    watched[fd] = (struct watched){0};
    close(fd);
}

/* A descriptor that libcurl lets go of stays, for input only: its connection is used again at once.
 */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    (void)easy;
    (void)ctx;
    (void)socket_ctx;
    uint32_t wanted = (what & CURL_POLL_OUT) && what != CURL_POLL_REMOVE ? EPOLLOUT : 0;
    if (what != CURL_POLL_OUT)
        wanted |= EPOLLIN;
    expect(fd, wanted);
    watched[fd].is_idle = what == CURL_POLL_REMOVE;
    return 0;
}

/* What comes on an idle connection, such as the rest of a stream that was cancelled, is read by
 * libcurl with the next request. Until then it must not wake anybody. */
static void leave_alone(int fd)
{
    if (epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL) != 0)
        die("epoll_ctl: %s", strerror(errno));
    watched[fd].events = 0;
}

static int on_close(void *ctx, curl_socket_t fd)
{
    (void)ctx;
    curl_loop_close(fd);
    return 0;
}

static int on_timer(CURLM *of, long timeout_ms, void *ctx)
{
    (void)of;
    (void)ctx;
    timer_ns = timeout_ms < 0 ? -1 : meter_now_ns() + timeout_ms * 1000000;
    return 0;
}

static size_t on_bytes(char *bytes, size_t size, size_t count, void *ctx)
{
    (void)bytes;
    (void)ctx;
    return size * count;
}

/* glibc's calloc() takes nothing from what the thread has at hand, before 2.41: 3 % of a request.
 */
static void *allocate_zeros(size_t count, size_t size)
{
    void *memory = malloc(count * size);
    if (memory)
        explicit_bzero(memory, count * size); /* of memset() compilers make a calloc() again */
    return memory;
}

void curl_loop_init(long max_connections)
{
    MUST(curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, free, realloc, strdup, allocate_zeros));
    multi = curl_multi_init();
    set = epoll_create1(EPOLL_CLOEXEC);
    if (!multi || set < 0)
        die("no memory");
    MUST(curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket));
    MUST(curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer));
    MUST(curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, max_connections));
}

void curl_loop_finish(void)
{
    curl_multi_cleanup(multi);
    curl_global_cleanup();
    close(set);
}

CURL *curl_loop_create_easy(const char *http, const char *ca_file, const char *url, void *owner)
{
    CURL *easy = curl_easy_init();
    if (!easy)
        die("no memory");
    long version = strcmp(http, "2") == 0 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
    MUST(curl_easy_setopt(easy, CURLOPT_URL, url));
    MUST(curl_easy_setopt(easy, CURLOPT_CAINFO, ca_file));
    MUST(curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version));
    MUST(curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L));
    MUST(curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L));
    MUST(curl_easy_setopt(easy, CURLOPT_PROXY, ""));
    MUST(curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes));
    MUST(curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close));
    MUST(curl_easy_setopt(easy, CURLOPT_PRIVATE, owner));
    return easy;
}

void curl_loop_destroy_easy(CURL *easy)
{
    if (!easy)
        return;
    curl_multi_remove_handle(multi, easy);
    curl_easy_cleanup(easy);
}

void curl_loop_begin(CURL *easy)
{
    MUST(curl_multi_add_handle(multi, easy));
}

static bool take_done(curl_loop_done on_done)
{
    const CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(multi, &left))) {
        void *owner;
        long status = 0;
        CURL *easy = message->easy_handle;
        if (message->data.result != CURLE_OK)
            die("%s", curl_easy_strerror(message->data.result));
        MUST(curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status));
        MUST(curl_easy_getinfo(easy, CURLINFO_PRIVATE, &owner));
        if (status != 200)
            die("status %ld", status);
        MUST(curl_multi_remove_handle(multi, easy));
        if (!on_done(easy, owner))
            return false;
    }
    return true;
}

static void act(const struct epoll_event *ready)
{
    int running, fd = ready->data.fd;
    if (watched[fd].on_ready) {
        watched[fd].on_ready(fd, watched[fd].ctx);
        return;
    }
    if (watched[fd].is_idle) {
        leave_alone(fd);
        return;
    }
    int events = ready->events & EPOLLIN ? CURL_CSELECT_IN : 0;
    events |= ready->events & EPOLLOUT ? CURL_CSELECT_OUT : 0;
    events |= ready->events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0;
    MUST(curl_multi_socket_action(multi, fd, events, &running));
}

void curl_loop_run(curl_loop_done on_done)
{
    int running;
    for (;;) {
        /* What is due at once, such as a request that was just added, needs no turn of the set. */
        while (timer_ns >= 0 && timer_ns <= meter_now_ns()) {
            timer_ns = -1;
            MUST(curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running));
            if (!take_done(on_done))
                return;
        }
        struct epoll_event ready[64];
        int wait_ms = timer_ns < 0 ? -1 : (int)((timer_ns - meter_now_ns()) / 1000000 + 1);
        int count = epoll_wait(set, ready, 64, wait_ms);
        for (int i = 0; i < count; i++)
            act(&ready[i]);
        if (!take_done(on_done))
            return;
    }
}
