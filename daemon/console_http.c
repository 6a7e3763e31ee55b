/* console_http: see console_http.h. */
#include "console_http.h"

#include <string.h>

#define METRICS_PATH "/metrics"

/* The first line without its end. */
static struct wire_str first_line(const char *head, size_t length)
{
    const char *end = length ? memchr(head, '\n', length) : NULL;
    struct wire_str line = {head, end ? (size_t)(end - head) : length};
    if (line.length > 0 && line.data[line.length - 1] == '\r')
        line.length--;
    return line;
}

/* Up to the next space, which is taken off as well. */
static struct wire_str next_part(struct wire_str *line)
{
    const char *space = line->length ? memchr(line->data, ' ', line->length) : NULL;
    struct wire_str part = {line->data, space ? (size_t)(space - line->data) : line->length};
    size_t taken = part.length + (space != NULL);
    line->data += taken;
    line->length -= taken;
    return part;
}

static bool begins_with(struct wire_str text, const char *prefix)
{
    size_t length = strlen(prefix);
    return text.length >= length && memcmp(text.data, prefix, length) == 0;
}

/* A query behind it does not matter: Prometheus can be told to send one. */
static bool is_metrics_path(struct wire_str target)
{
    return begins_with(target, METRICS_PATH) &&
           (target.length == strlen(METRICS_PATH) || target.data[strlen(METRICS_PATH)] == '?');
}

static void refuse(struct console_http_request *request, unsigned status, const char *sentence)
{
    request->status = status;
    wire_why_set(&request->why, "%s", sentence);
}

void console_http_parse(struct console_http_request *out_request, const char *head, size_t length)
{
    struct wire_str line = first_line(head, length);
    struct wire_str method = next_part(&line);
    struct wire_str target = next_part(&line);
    bool is_head_only = wire_str_is(method, "HEAD");
    *out_request = (struct console_http_request){.status = 200, .is_head_only = is_head_only};
    if (begins_with(line, "HTTP/") && !begins_with(line, "HTTP/1."))
        refuse(out_request, 505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
    else if (!wire_str_is(line, "HTTP/1.1") && !wire_str_is(line, "HTTP/1.0"))
        refuse(out_request, 400, "a request line is METHOD, PATH and HTTP/1.1");
    else if (!is_head_only && !wire_str_is(method, "GET"))
        refuse(out_request, 405, "the only methods here are GET and HEAD, of " METRICS_PATH);
    else if (!is_metrics_path(target))
        refuse(out_request, 404,
               "there is only " METRICS_PATH
               " here. This socket is fetchpoold's; to fetch over it, "
               "see fetchpool(1)");
}

static const char *reason_of(unsigned status)
{
    switch (status) {
    case 200:
        return "OK";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 503:
        return "Service Unavailable";
    case 505:
        return "HTTP Version Not Supported";
    default:
        return "Bad Request";
    }
}

void console_http_write(struct buffer *out, const struct console_http_answer *answer)
{
    buffer_append_format(out,
                         "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s"
                         "Connection: close\r\n\r\n",
                         answer->status, reason_of(answer->status), answer->type,
                         answer->body.length, answer->status == 405 ? "Allow: GET, HEAD\r\n" : "");
    if (!answer->is_head_only)
        buffer_append(out, answer->body.data, answer->body.length);
}
