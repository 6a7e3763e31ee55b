/*
 * curl_loop: one multi handle over epoll, as good as libcurl 8 lets it be; the loop of both floors.
 *
 * Descriptors stay registered between requests (kept poll handles), easy handles are used again as
 * they are, connections stay open. There is one loop in a process. Whatever fails ends the program.
 */
#pragma once

#include <curl/curl.h>
#include <stdbool.h>
#include <stdio.h>

#define MUST(call)                                                                                 \
    do {                                                                                           \
        if ((call) != 0)                                                                           \
            die("%s failed", #call);                                                               \
    } while (0)

/* A transfer has ended with a 200. False ends the loop. */
typedef bool (*curl_loop_done)(CURL *easy, void *owner);

/* A descriptor that is none of libcurl's can be read from. */
typedef void (*curl_loop_ready)(int fd, void *ctx);

void curl_loop_init(long max_connections);
void curl_loop_finish(void); /* once its easy handles are gone */

/* An easy handle for that URL, whose answers' bodies nobody gets. `http`: "1.1" or "2". */
CURL *curl_loop_create_easy(const char *http, const char *ca_file, const char *url, void *owner);
void curl_loop_destroy_easy(CURL *easy); /* NULL is fine; also ends its transfer */

/* A transfer begins; when it has ended, its handle may begin the next. */
void curl_loop_begin(CURL *easy);

void curl_loop_watch(int fd, curl_loop_ready on_ready, void *ctx);
void curl_loop_close(int fd);

/* Returns when `on_done` says so, else never. */
void curl_loop_run(curl_loop_done on_done);
