/*
 * access_print: one fetch as a line of JSON. By hand: the keys are fixed, the values are numbers
 * and strings, and a library would take some forty allocations for each request, in the loop.
 */
#include "access.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "character.h"
#include "log.h"

/* What a string may take in the line; it is cut there, and ends in an ellipsis then. */
#define MOST_TEXT_BYTES 640
#define MOST_URL_BYTES  8192

#define ELLIPSIS    "\xe2\x80\xa6"
#define REPLACEMENT "\xef\xbf\xbd" /* of what is not UTF-8: U+FFFD */

struct line {
    char *bytes;
    size_t length;
};

/* All limits together are below ACCESS_LINE_BYTES: what is put here fits. */
__attribute__((format(printf, 2, 3))) static void put(struct line *line, const char *format, ...)
{
    size_t room = ACCESS_LINE_BYTES - line->length;
    va_list values;
    va_start(values, format);
    int length = vsnprintf(line->bytes + line->length, room, format, values);
    va_end(values);
    if (length > 0 && (size_t)length < room)
        line->length += (size_t)length;
}

/* ---- Strings -------------------------------------------------------------------------------- */

static void append(struct line *line, const char *text)
{
    size_t length = strlen(text);
    if (length > ACCESS_LINE_BYTES - line->length)
        return;
    memcpy(line->bytes + line->length, text, length);
    line->length += length;
}

/* Control characters are those of one byte, and U+0080 to U+009F, whose second byte says which. */
static void escape(struct wire_str character, char out_encoded[8])
{
    snprintf(out_encoded, 8, "\\u%04x", (unsigned char)character.data[character.length - 1]);
}

/* How one character is written, and how many bytes of the text it has. JSON wants no escape for
 * those that steer terminals; people look at the file, too. */
static size_t encode(struct wire_str text, char out_encoded[8])
{
    char first = *text.data;
    size_t length = wire_utf8_length(text);
    if (length == 0) {
        strcpy(out_encoded, REPLACEMENT);
        return 1;
    }
    if (first == '"' || first == '\\') {
        snprintf(out_encoded, 8, "\\%c", first);
    } else if (character_length(text.data, length) == 0) {
        escape((struct wire_str){text.data, length}, out_encoded);
    } else {
        memcpy(out_encoded, text.data, length);
        out_encoded[length] = '\0';
    }
    return length;
}

static void put_string(struct line *line, const char *key, struct wire_str text, size_t most_bytes)
{
    char encoded[8];
    if (!text.data)
        return;
    put(line, ",\"%s\":\"", key);
    size_t end = line->length + most_bytes;
    while (text.length > 0) {
        size_t length = encode(text, encoded);
        if (line->length + strlen(encoded) > end) {
            append(line, ELLIPSIS);
            break;
        }
        append(line, encoded);
        text.data += length;
        text.length -= length;
    }
    append(line, "\"");
}

/* With LOG_URLS_ORIGIN it would say what `origin` says. */
static void put_url(struct line *line, const struct access_entry *entry)
{
    if (!entry->url.data)
        return;
    struct wire_str shown = {entry->url.data, log_url_length(entry->url.data, 0)};
    if (shown.length > 0)
        put_string(line, "url", shown, MOST_URL_BYTES);
}

/* ---- Lines ---------------------------------------------------------------------------------- */

/* RFC 3339, UTC, with milliseconds. */
static void begin(struct line *line, const struct timespec *now)
{
    struct tm tm;
    char text[32];
    gmtime_r(&now->tv_sec, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &tm);
    put(line, "{\"time\":\"%s.%03ldZ\"", text, now->tv_nsec / 1000000);
}

static void put_client(struct line *line, const struct access_entry *entry)
{
    if (entry->is_warming)
        put(line, ",\"warm\":true");
    else
        put(line, ",\"uid\":%lu,\"pid\":%ld", (unsigned long)entry->uid, (long)entry->pid);
    if (entry->has_request)
        put(line, ",\"request\":%" PRIu32, entry->request);
    put_string(line, "client", entry->client, MOST_TEXT_BYTES);
    put_string(line, "tag", entry->tag, MOST_TEXT_BYTES);
}

static void put_outcome(struct line *line, const struct access_entry *entry)
{
    if (entry->status != 0)
        put(line, ",\"status\":%u", entry->status);
    put(line, ",\"error\":%d", entry->code);
    if (entry->code != 0)
        put(line, ",\"error_name\":\"%s\"", fetchpool_code_name(entry->code));
    put_string(line, "http", entry->http, MOST_TEXT_BYTES);
    if (entry->has_connection)
        put(line, ",\"connection\":%" PRIu64 ",\"reused\":%s", entry->connection,
            entry->is_reused ? "true" : "false");
    put(line, ",\"bytes_in\":%" PRIu64 ",\"bytes_out\":%" PRIu64, entry->bytes_in,
        entry->bytes_out);
    put(line, ",\"retries\":%u,\"redirects\":%u", entry->retries, entry->redirects);
}

static void put_timing(struct line *line, const struct fetchpool_timing *timing)
{
    put(line, ",\"queue_us\":%" PRIu64 ",\"resolve_us\":%" PRIu64 ",\"connect_us\":%" PRIu64,
        timing->queue_us, timing->resolve_us, timing->connect_us);
    put(line, ",\"tls_us\":%" PRIu64 ",\"first_byte_us\":%" PRIu64 ",\"total_us\":%" PRIu64,
        timing->tls_us, timing->first_byte_us, timing->total_us);
}

size_t access_print(char out_line[ACCESS_LINE_BYTES], const struct access_entry *entry,
                    const struct timespec *now)
{
    struct line line = {.bytes = out_line};
    begin(&line, now);
    put_client(&line, entry);
    put_string(&line, "method", entry->method, MOST_TEXT_BYTES);
    put_url(&line, entry);
    put_string(&line, "origin", entry->origin, MOST_TEXT_BYTES);
    put_outcome(&line, entry);
    put_timing(&line, &entry->timing);
    put(&line, "}\n");
    return line.length;
}

size_t access_print_lost(char out_line[ACCESS_LINE_BYTES], uint64_t lost,
                         const struct timespec *now)
{
    struct line line = {.bytes = out_line};
    begin(&line, now);
    put(&line, ",\"lost\":%" PRIu64 "}\n", lost);
    return line.length;
}
