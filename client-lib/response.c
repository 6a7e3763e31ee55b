/* response: see response.h, and fetchpool.h for what each accessor means. */
#include "response.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Shared by all threads and never written: they are known by their addresses. */
static struct fetchpool_response no_memory = {
    .code = FETCHPOOL_NO_MEMORY,
    .error = "this process is out of memory",
};
static struct fetchpool_response unreadable = {
    .code = FETCHPOOL_LOST,
    .error = "this process has no memory for the answer",
};

struct fetchpool_response *response_no_memory(void)
{
    return &no_memory;
}

struct fetchpool_response *response_unreadable(void)
{
    return &unreadable;
}

void fetchpool_response_free(struct fetchpool_response *response)
{
    if (!response || response == &no_memory || response == &unreadable)
        return;
    wire_response_finish(&response->fetch);
    wire_message_close(&response->query);
    free(response->letter.bytes);
    free((void *)response->trailers);
    free(response->last.bytes);
    free(response->sentence);
    free(response);
}

/* Without memory for the sentence, the class at least is as it should be. */
static struct fetchpool_response *without_words(int code)
{
    bool is_sent = fetchpool_code_class(code) == FETCHPOOL_CLASS_MAYBE_PROCESSED;
    return is_sent ? &unreadable : &no_memory;
}

struct fetchpool_response *response_failed(int code, const char *format, ...)
{
    struct fetchpool_response *response = calloc(1, sizeof *response);
    if (!response)
        return without_words(code);
    va_list values;
    va_start(values, format);
    int length = vasprintf(&response->sentence, format, values);
    va_end(values);
    if (length < 0) {
        free(response); /* vasprintf leaves the sentence undefined */
        return without_words(code);
    }
    response->code = code;
    response->error = response->sentence;
    return response;
}

/* ---- From a message -------------------------------------------------------------------------- */

/*
 * Ends a string in place. The byte behind it is the tag of the value that follows, which has been
 * read already, or the letter's spare one. What does not lie in the letter is a literal of the
 * decoder's, for what was absent, and has its NUL. An empty string is replaced: msgpack-c leaves
 * its pointer at some string before it, which a NUL there would cut.
 */
static void end_string(const struct letter *letter, struct wire_str *str)
{
    uintptr_t begin = (uintptr_t)letter->bytes;
    uintptr_t at = (uintptr_t)str->data;
    if (str->length == 0)
        str->data = "";
    else if (at >= begin && at < begin + letter->length)
        letter->bytes[at - begin + str->length] = '\0';
}

static int read_fetch(struct fetchpool_response *response, const struct wire_message *message)
{
    const struct letter *letter = &response->letter;
    struct wire_response *fetch = &response->fetch;
    int result = wire_response_decode(fetch, message->result);
    if (result < 0)
        return result;
    struct wire_field *fields = (struct wire_field *)fetch->fields; /* ours since it was decoded */
    for (size_t i = 0; i < fetch->field_count; i++) {
        end_string(letter, &fields[i].name);
        end_string(letter, &fields[i].value);
    }
    end_string(letter, &fetch->body);
    end_string(letter, &fetch->http);
    end_string(letter, &fetch->url);
    end_string(letter, &fetch->connection.peer);
    response->body_bytes = fetch->body.length;
    return 0;
}

static void read_error(struct fetchpool_response *response, const struct wire_message *message)
{
    struct wire_str text;
    wire_error_read(message->error, &response->code, &text);
    end_string(&response->letter, &text);
    response->error = text.data;
}

static struct fetchpool_response *give_up(struct fetchpool_response *response, int error)
{
    fetchpool_response_free(response);
    if (error == -ENOMEM)
        return &unreadable;
    return response_failed(FETCHPOOL_BAD_REPLY,
                           "the daemon's answer lacks a status or has header fields of no sense");
}

struct fetchpool_response *response_of(struct letter letter, struct wire_message *message,
                                       bool is_fetch)
{
    struct fetchpool_response *response = calloc(1, sizeof *response);
    if (!response) {
        wire_message_close(message);
        free(letter.bytes);
        return &unreadable;
    }
    response->error = "";
    response->letter = letter;
    int result = 0;
    if (fetchpool_value_type(message->error) != FETCHPOOL_NIL) {
        read_error(response, message);
    } else if (is_fetch) {
        result = read_fetch(response, message);
    } else {
        response->query = *message;
        message->memory = NULL; /* it lives on in the response */
    }
    wire_message_close(message);
    return result < 0 ? give_up(response, result) : response;
}

/* ---- From the rest of a stream --------------------------------------------------------------- */

struct fetchpool_response *response_after_head(struct fetchpool_response *head,
                                               struct fetchpool_response *failure)
{
    if (!head || head == &no_memory || head == &unreadable)
        return failure;
    free(head->sentence);
    head->code = failure->code;
    head->error = failure->error;
    head->sentence = failure->sentence;
    head->fetch.body = (struct wire_str){0};
    if (failure != &no_memory && failure != &unreadable) {
        failure->sentence = NULL; /* it lives on in the head */
        fetchpool_response_free(failure);
    }
    return head;
}

/* The fields are views into a message that goes away: into a copy of it instead. */
static struct wire_str moved(struct wire_str str, struct letter from, const struct letter *to)
{
    if (str.length == 0)
        return (struct wire_str){"", 0};
    str.data = (const char *)to->bytes + (str.data - (const char *)from.bytes);
    end_string(to, &str);
    return str;
}

int response_end(struct fetchpool_response *response, const struct wire_end *end,
                 struct letter view)
{
    if (end->timing.total_us > 0)
        response->fetch.timing = end->timing;
    if (end->trailer_count == 0)
        return 0;
    struct wire_field *fields = calloc(end->trailer_count, sizeof *fields);
    struct letter copy = {.bytes = malloc(view.length + 1), .length = view.length};
    if (!fields || !copy.bytes) {
        free(fields);
        free(copy.bytes);
        return -ENOMEM;
    }
    memcpy(copy.bytes, view.bytes, view.length);
    for (size_t i = 0; i < end->trailer_count; i++) {
        fields[i].name = moved(end->trailers[i].name, view, &copy);
        fields[i].value = moved(end->trailers[i].value, view, &copy);
    }
    response->last = copy;
    response->trailers = fields;
    response->trailer_count = end->trailer_count;
    return 0;
}

/* ---- Accessors ------------------------------------------------------------------------------- */

static const char *text_of(struct wire_str str)
{
    return str.data ? str.data : "";
}

int fetchpool_error_code(const struct fetchpool_response *response)
{
    return response->code;
}

enum fetchpool_class fetchpool_error_class(const struct fetchpool_response *response)
{
    return fetchpool_code_class(response->code);
}

const char *fetchpool_error_message(const struct fetchpool_response *response)
{
    return response->error;
}

int fetchpool_status(const struct fetchpool_response *response)
{
    return (int)response->fetch.status;
}

const char *fetchpool_http_version(const struct fetchpool_response *response)
{
    return text_of(response->fetch.http);
}

const char *fetchpool_url(const struct fetchpool_response *response)
{
    return text_of(response->fetch.url);
}

uint32_t fetchpool_redirects(const struct fetchpool_response *response)
{
    return (uint32_t)response->fetch.redirects;
}

size_t fetchpool_header_count(const struct fetchpool_response *response)
{
    return response->fetch.field_count;
}

const char *fetchpool_header_name(const struct fetchpool_response *response, size_t index)
{
    if (index >= response->fetch.field_count)
        return NULL;
    return text_of(response->fetch.fields[index].name);
}

const char *fetchpool_header_value(const struct fetchpool_response *response, size_t index)
{
    if (index >= response->fetch.field_count)
        return NULL;
    return text_of(response->fetch.fields[index].value);
}

const char *fetchpool_header(const struct fetchpool_response *response, const char *name)
{
    for (size_t i = 0; name && i < response->fetch.field_count; i++) {
        if (strcasecmp(fetchpool_header_name(response, i), name) == 0)
            return fetchpool_header_value(response, i);
    }
    return NULL;
}

const void *fetchpool_body(const struct fetchpool_response *response)
{
    return text_of(response->fetch.body);
}

size_t fetchpool_body_length(const struct fetchpool_response *response)
{
    return response->fetch.body.length;
}

uint64_t fetchpool_body_bytes(const struct fetchpool_response *response)
{
    return response->body_bytes;
}

size_t fetchpool_trailer_count(const struct fetchpool_response *response)
{
    return response->trailer_count;
}

const char *fetchpool_trailer_name(const struct fetchpool_response *response, size_t index)
{
    return index < response->trailer_count ? text_of(response->trailers[index].name) : NULL;
}

const char *fetchpool_trailer_value(const struct fetchpool_response *response, size_t index)
{
    return index < response->trailer_count ? text_of(response->trailers[index].value) : NULL;
}

const char *fetchpool_trailer(const struct fetchpool_response *response, const char *name)
{
    for (size_t i = 0; name && i < response->trailer_count; i++) {
        if (strcasecmp(fetchpool_trailer_name(response, i), name) == 0)
            return fetchpool_trailer_value(response, i);
    }
    return NULL;
}

uint64_t fetchpool_connection_id(const struct fetchpool_response *response)
{
    return response->fetch.connection.id;
}

int fetchpool_connection_reused(const struct fetchpool_response *response)
{
    return response->fetch.connection.is_reused;
}

uint64_t fetchpool_connection_requests(const struct fetchpool_response *response)
{
    return response->fetch.connection.requests;
}

uint64_t fetchpool_connection_age_ms(const struct fetchpool_response *response)
{
    return response->fetch.connection.age_ms;
}

const char *fetchpool_connection_peer(const struct fetchpool_response *response)
{
    return text_of(response->fetch.connection.peer);
}

struct fetchpool_timing fetchpool_timing(const struct fetchpool_response *response)
{
    return response->fetch.timing;
}

const struct fetchpool_value *fetchpool_result(const struct fetchpool_response *response)
{
    return response->query.result;
}
