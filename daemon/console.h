/*
 * console: the text dialect, as text: a line in, what it asks for out; an answer in, its text out.
 * It owns nothing and knows no client: whoever has one carries the commands out.
 */
#pragma once

#include "buffer.h"
#include "fetchpool_wire.h"

enum console_action {
    CONSOLE_NOTHING, /* an empty line */
    CONSOLE_FETCH,   /* of `url` with `method` */
    CONSOLE_CHECK,   /* whether a GET of `url` would be allowed */
    CONSOLE_QUERY,   /* the informative method `method` */
    CONSOLE_ADMIN,   /* the method `method`, of root's and the daemon's own user's */
    CONSOLE_METRICS, /* the metrics, as they are */
    CONSOLE_HELP,
    CONSOLE_QUIT,
    CONSOLE_WRONG /* `why` says what */
};

struct console_command {
    enum console_action action;
    struct wire_str url; /* a view of the line */
    const char *method;  /* static */
    struct wire_why why;
};

void console_parse(struct console_command *out_command, const char *line, size_t length);

/* Each appends to the buffer. */
void console_write_help(struct buffer *out);
void console_write_error(struct buffer *out, int code, const char *message);
void console_write_response(struct buffer *out, const struct wire_response *response);
/* A whole message with a result, as wire_put_result() and what follows it wrote it. */
void console_write_result(struct buffer *out, const uint8_t *bytes, size_t length);
