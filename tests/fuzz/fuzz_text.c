/* What people and origins write: lines of the text dialect and heads of HTTP requests, URLs,
 * Location and header fields. */
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "console.h"
#include "console_http.h"
#include "framer.h"
#include "request_field.h"
#include "url.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    setlocale(LC_CTYPE, "C.UTF-8");
    return 0;
}

/* Whatever was taken must be pure and printable: it goes into a request as it is. */
static void check(const struct url *url)
{
    for (const char *c = url->text; *c; c++) {
        if (*c <= 0x20 || *c > 0x7e || *c == '\\')
            abort();
    }
    if (strncmp(url->text, "http", 4) != 0 && strncasecmp(url->text, "http", 4) != 0)
        abort();
    if (!url_host_agrees(url, wire_str_of(strstr(url->origin, "://") + 3)))
        abort();
}

/* ---- Lines and heads ------------------------------------------------------------------------ */

#define MOST_LINE_BYTES 256

/* What one reading of the bytes made of them. */
struct reading {
    struct framer framer;
    size_t taken;
    size_t messages, heads;
    bool is_broken;
};

/* A line is one line, and none that an HTTP client would begin with; a head is answered with a
 * status, and with the metrics only if it asks for them. */
static void take_message(struct reading *reading, enum framer_result result, const char *text,
                         size_t length)
{
    struct console_command command;
    struct console_http_request request;
    reading->messages++;
    if (result == FRAMER_WHOLE) {
        if (memchr(text, '\n', length - 1) || length > MOST_LINE_BYTES)
            abort();
        console_parse(&command, text, length);
        return;
    }
    reading->heads++;
    console_http_parse(&request, text, length);
    if (request.status < 200 || request.status > 505)
        abort();
    if (request.status == 200 && strncmp(text, "GET /metrics", 12) != 0 &&
        strncmp(text, "HEAD /metrics", 13) != 0)
        abort();
    if (request.status != 200 && !request.why.text[0])
        abort();
}

/* Those that are whole when so many bytes have come. */
static void read_more(struct reading *reading, const uint8_t *bytes, size_t length, bool is_last)
{
    while (!reading->is_broken && reading->taken < length) {
        size_t whole;
        struct framer_fault fault;
        enum framer_result result = framer_next(&reading->framer, bytes + reading->taken,
                                                length - reading->taken, is_last, &whole, &fault);
        if (result == FRAMER_MORE)
            return;
        reading->is_broken = result == FRAMER_BROKEN;
        if (reading->is_broken)
            return;
        if (whole == 0 || whole > length - reading->taken)
            abort();
        take_message(reading, result, (const char *)bytes + reading->taken, whole);
        reading->taken += whole;
    }
}

/* However the bytes are cut, the same messages come of them, and nothing is left at their end. */
static void read_lines(const uint8_t *bytes, size_t length)
{
    struct reading at_once = {.taken = 0}, in_pieces = {.taken = 0};
    framer_init(&at_once.framer, 1 << 20, MOST_LINE_BYTES);
    framer_init(&in_pieces.framer, 1 << 20, MOST_LINE_BYTES);
    at_once.framer.dialect = in_pieces.framer.dialect = FRAMER_TEXT;
    read_more(&at_once, bytes, length, true);
    for (size_t end = 1; end < length; end += 1 + bytes[end] % 8)
        read_more(&in_pieces, bytes, end, false);
    read_more(&in_pieces, bytes, length, true);
    if (at_once.messages != in_pieces.messages || at_once.heads != in_pieces.heads ||
        at_once.is_broken != in_pieces.is_broken || at_once.taken != in_pieces.taken)
        abort();
    if (!at_once.is_broken && at_once.taken != length)
        abort();
}

/* ---- All ------------------------------------------------------------------------------------ */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct console_command command;
    struct wire_str text = {(const char *)bytes, length};
    struct wire_why why;
    struct url url, base;
    console_parse(&command, text.data, text.length);
    read_lines(bytes, length);
    if (url_parse(&url, text, 4096, &why) == 0) {
        check(&url);
        url_finish(&url);
    }
    if (url_parse(&base, wire_str_of("https://a.example/b/c?d"), 4096, &why) < 0)
        abort();
    if (url_resolve(&url, &base, text, 4096, &why) == 0) {
        check(&url);
        url_finish(&url);
    }
    url_finish(&base);
    const char *colon = length ? memchr(bytes, ':', length) : NULL;
    if (colon) {
        struct wire_str name = {text.data, (size_t)(colon - text.data)};
        struct wire_str value = {colon + 1, length - name.length - 1};
        if (request_field_check(name, value, &why) == 0 &&
            (memchr(value.data, '\n', value.length) || memchr(value.data, '\r', value.length)))
            abort();
    }
    return 0;
}
