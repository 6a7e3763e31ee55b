/*
 * console_http: the one thing that the daemon says over HTTP: `GET /metrics`, for curl
 * --unix-socket and for Prometheus. The head of a request in, a status out; an answer out.
 *
 * It is no HTTP server: one request a connection, no body, no other path. Nothing that comes this
 * way fetches anything.
 */
#pragma once

#include "buffer.h"
#include "fetchpool_wire.h"

#define CONSOLE_HTTP_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define CONSOLE_HTTP_TEXT_TYPE    "text/plain; charset=utf-8"

struct console_http_request {
    unsigned status;   /* 200: it asks for the metrics; else the answer, with `why` */
    bool is_head_only; /* HEAD: its answer has no body */
    struct wire_why why;
};

struct console_http_answer {
    unsigned status;
    const char *type;
    struct wire_str body;
    bool is_head_only;
};

/* The head as it came. One that ends before its empty line, as the client sends no more, is as good
 * as another: nothing hangs on its fields. */
void console_http_parse(struct console_http_request *out_request, const char *head, size_t length);

/* Appends it. The connection is to be closed behind it. */
void console_http_write(struct buffer *out, const struct console_http_answer *answer);
