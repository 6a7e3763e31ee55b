/*
 * floor: the least that these requests cost with libcurl: a loop that does nothing else.
 *
 *     floor 1.1|2 CA-FILE REQUESTS-AT-ONCE WARM-UP-MS MS URL
 *
 * One multi handle over epoll, as good as libcurl 8 lets it be: descriptors stay registered between
 * requests (kept poll handles), easy handles are used again as they are, connections stay open, no
 * header and no body is kept. No client, no protocol, no limit, no account. Prints one line: see
 * meter.h; the processor time is its own.
 */
#include "meter.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define MAX_FD 8192

struct transfer {
    CURL *easy;
    int64_t sent_ns;
};

static int set;
static uint32_t registered[MAX_FD]; /* the events of each descriptor; 0: it is not in the set */
static int64_t timer_ns = -1;       /* when libcurl wants to be called; -1: never */

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) != 0)                                                                           \
            die("%s failed", #call);                                                               \
    } while (0)

/* A descriptor that libcurl lets go of stays, for input only: its connection is used again at once.
 */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    (void)easy;
    (void)ctx;
    (void)socket_ctx;
    if (fd >= MAX_FD)
        die("more descriptors than %d", MAX_FD);
    uint32_t wanted = (what & CURL_POLL_OUT) && what != CURL_POLL_REMOVE ? EPOLLOUT : 0;
    if (what != CURL_POLL_OUT)
        wanted |= EPOLLIN;
    if (wanted == registered[fd])
        return 0;
    struct epoll_event event = {.events = wanted, .data.fd = fd};
    if (epoll_ctl(set, registered[fd] ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0)
        die("epoll_ctl: %s", strerror(errno));
    registered[fd] = wanted;
    return 0;
}

static int on_close(void *ctx, curl_socket_t fd)
{
    (void)ctx;
    registered[fd] = 0; /* close() takes it out of the set */
    return close(fd);
}

static int on_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    (void)multi;
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

static CURL *create_easy(CURLM *multi, struct transfer *transfer, char **argv)
{
    CURL *easy = curl_easy_init();
    if (!easy)
        die("no memory");
    long version = strcmp(argv[1], "2") == 0 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
    MUST(curl_easy_setopt(easy, CURLOPT_URL, argv[6]));
    MUST(curl_easy_setopt(easy, CURLOPT_CAINFO, argv[2]));
    MUST(curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version));
    MUST(curl_easy_setopt(easy, CURLOPT_PIPEWAIT, 1L));
    MUST(curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L));
    MUST(curl_easy_setopt(easy, CURLOPT_PROXY, ""));
    MUST(curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes));
    MUST(curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close));
    MUST(curl_easy_setopt(easy, CURLOPT_PRIVATE, transfer));
    transfer->sent_ns = meter_now_ns();
    MUST(curl_multi_add_handle(multi, easy));
    return easy;
}

/* Each that is done begins again. False: the measurement is over. */
static bool take_done(CURLM *multi, struct meter *meter)
{
    const CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(multi, &left))) {
        struct transfer *transfer;
        long status = 0;
        CURL *easy = message->easy_handle;
        if (message->data.result != CURLE_OK)
            die("%s", curl_easy_strerror(message->data.result));
        MUST(curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status));
        MUST(curl_easy_getinfo(easy, CURLINFO_PRIVATE, &transfer));
        if (status != 200)
            die("status %ld", status);
        if (!meter_count(meter, transfer->sent_ns))
            return false;
        transfer->sent_ns = meter_now_ns();
        MUST(curl_multi_remove_handle(multi, easy));
        MUST(curl_multi_add_handle(multi, easy));
    }
    return true;
}

static void run(CURLM *multi, struct meter *meter)
{
    int running;
    for (;;) {
        /* What is due at once, such as a request that was just added, needs no turn of the set. */
        while (timer_ns >= 0 && timer_ns <= meter_now_ns()) {
            timer_ns = -1;
            MUST(curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running));
            if (!take_done(multi, meter))
                return;
        }
        struct epoll_event ready[64];
        int wait_ms = timer_ns < 0 ? -1 : (int)((timer_ns - meter_now_ns()) / 1000000 + 1);
        int count = epoll_wait(set, ready, 64, wait_ms);
        for (int i = 0; i < count; i++) {
            int events = ready[i].events & EPOLLIN ? CURL_CSELECT_IN : 0;
            events |= ready[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0;
            events |= ready[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0;
            MUST(curl_multi_socket_action(multi, ready[i].data.fd, events, &running));
        }
        if (!take_done(multi, meter))
            return;
    }
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "usage: floor 1.1|2 CA-FILE REQUESTS-AT-ONCE WARM-UP-MS MS URL\n");
        return 2;
    }
    size_t count = (size_t)atol(argv[3]);
    struct meter meter = {0};
    meter_watch(&meter, 0);
    MUST(curl_global_init(CURL_GLOBAL_DEFAULT));
    CURLM *multi = curl_multi_init();
    struct transfer *transfers = calloc(count, sizeof(*transfers));
    set = epoll_create1(EPOLL_CLOEXEC);
    if (!multi || !transfers || set < 0)
        die("no memory");
    MUST(curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket));
    MUST(curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer));
    MUST(curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)count + 1));
    meter_start(&meter, atol(argv[4]), atol(argv[5]));
    for (size_t i = 0; i < count; i++)
        transfers[i].easy = create_easy(multi, &transfers[i], argv);
    run(multi, &meter);
    meter_print(&meter);

    for (size_t i = 0; i < count; i++) {
        curl_multi_remove_handle(multi, transfers[i].easy);
        curl_easy_cleanup(transfers[i].easy);
    }
    curl_multi_cleanup(multi);
    curl_global_cleanup();
    close(set);
    free(transfers);
    return 0;
}
