/* request: see request.h. */
#include "request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "request_field.h"
#include "request_internal.h"

static bool is_one_of(const char *word, const char *const *words)
{
    for (; *words; words++) {
        if (strcmp(word, *words) == 0)
            return true;
    }
    return false;
}

/* ---- Parts ---------------------------------------------------------------------------------- */

int request_code_of(int result)
{
    return result == 0 ? 0 : result == -ENOMEM ? FETCHPOOL_BUSY : FETCHPOOL_BAD_REQUEST;
}

int request_copy_str(char **out_text, struct wire_str str)
{
    if (!str.data)
        return 0;
    *out_text = malloc(str.length + 1);
    if (!*out_text)
        return -ENOMEM;
    memcpy(*out_text, str.data, str.length);
    (*out_text)[str.length] = '\0';
    return 0;
}

static int take_method(struct request *request, struct wire_str method, struct wire_why *why)
{
    struct wire_str text = method.data ? method : wire_str_of("GET");
    if (text.length > REQUEST_MOST_METHOD_BYTES)
        return wire_why_set(why, "method is %zu bytes long; at most %d are allowed", text.length,
                            REQUEST_MOST_METHOD_BYTES);
    if (!request_field_is_token(text))
        return wire_why_set(why, "method \"%.*s\" is not an HTTP method",
                            (int)(text.length < 64 ? text.length : 64), text.data);
    if (wire_str_is(text, "CONNECT"))
        return wire_why_set(why, "method CONNECT is not allowed: it would turn the shared "
                                 "connection into a tunnel");
    memcpy(request->method, text.data, text.length);
    request->method[text.length] = '\0';
    return 0;
}

static int take_field(struct request *request, const struct wire_field *field, struct wire_why *why)
{
    struct wire_str value = request_field_trim(field->value);
    int result = request_field_check(field->name, value, why);
    if (result < 0)
        return result;
    if (field->name.length == 4 && strncasecmp(field->name.data, "Host", 4) == 0) {
        if (!url_host_agrees(&request->url, value))
            return wire_why_set(why, "header Host \"%.*s\" differs from the URL's, %s",
                                (int)(value.length < 80 ? value.length : 80), value.data,
                                strstr(request->url.origin, "://") + 3);
        return 0;
    }
    result = field_list_add(&request->fields, field->name, value);
    if (result == -EMSGSIZE)
        return wire_why_set(why, "header %.*s makes the header fields larger than %zu bytes",
                            (int)(field->name.length < 80 ? field->name.length : 80),
                            field->name.data, request->fields.text.limit);
    return result;
}

static int take_fields(struct request *request, const struct wire_fetch *fetch,
                       const struct config *config, struct wire_why *why)
{
    if (fetch->field_count > config->max_headers)
        return wire_why_set(why, "headers holds %zu fields; at most %zu are allowed",
                            fetch->field_count, (size_t)config->max_headers);
    for (size_t i = 0; i < fetch->field_count; i++) {
        int result = take_field(request, &fetch->fields[i], why);
        if (result < 0)
            return result;
    }
    return 0;
}

static int take_body(struct request *request, struct wire_str body, struct wire_why *why)
{
    if (!body.data)
        return 0;
    if (body.length > 0 && strcmp(request->method, "HEAD") == 0)
        return wire_why_set(why, "body: a HEAD request has none");
    request->body = malloc(body.length + 1); /* never NULL for an empty one */
    if (!request->body)
        return -ENOMEM;
    memcpy(request->body, body.data, body.length);
    request->body_length = body.length;
    return 0;
}

static int take_upload(struct request *request, const struct wire_fetch *fetch,
                       struct wire_why *why)
{
    request->has_upload = fetch->upload;
    request->upload_size = fetch->upload_size;
    if (!fetch->upload)
        return fetch->upload_size == WIRE_UNSET
                   ? 0
                   : wire_why_set(why, "upload_size is given without upload");
    if (fetch->body.data)
        return wire_why_set(why, "body and upload exclude each other");
    if (strcmp(request->method, "HEAD") == 0)
        return wire_why_set(why, "upload: a HEAD request has no body");
    if (fetch->upload_size != WIRE_UNSET && fetch->upload_size > INT64_MAX)
        return wire_why_set(why, "upload_size is larger than any file");
    return 0;
}

static int take_stream(struct request *request, const struct wire_fetch *fetch,
                       struct wire_why *why)
{
    request->is_streamed = fetch->stream;
    request->window_bytes = fetch->window == WIRE_UNSET ? WIRE_DEFAULT_WINDOW : fetch->window;
    if (request->window_bytes > INT64_MAX)
        return wire_why_set(why, "window is larger than any body");
    return 0;
}

/* ---- Numbers -------------------------------------------------------------------------------- */

static int take_duration(uint64_t *member, const char *name, uint64_t asked_ms, uint64_t preset_ms,
                         struct wire_why *why)
{
    *member = asked_ms == WIRE_UNSET ? preset_ms : asked_ms;
    /* A day is more than anything that waits for HTTP; it keeps sums of times from overflowing. */
    if (*member > (uint64_t)86400 * 1000)
        return wire_why_set(why, "%s is more than a day (86400000 ms)", name);
    return *member ? 0 : wire_why_set(why, "%s must be at least 1 ms", name);
}

static int take_durations(struct request *request, const struct wire_fetch *fetch,
                          const struct config *config, struct wire_why *why)
{
    bool streams = fetch->stream || fetch->upload;
    int result = take_duration(&request->total_timeout_ms, "timeout", fetch->timeout_ms,
                               streams ? config->stream_timeout_ms : config->total_timeout_ms, why);
    if (result == 0)
        result = take_duration(&request->queue_timeout_ms, "queue_timeout", fetch->queue_timeout_ms,
                               config->queue_timeout_ms, why);
    if (result == 0)
        result = take_duration(&request->connect_timeout_ms, "connect_timeout",
                               fetch->connect_timeout_ms, config->connect_timeout_ms, why);
    if (result == 0)
        result = take_duration(&request->first_byte_timeout_ms, "first_byte_timeout",
                               fetch->first_byte_timeout_ms, config->first_byte_timeout_ms, why);
    if (result == 0)
        result = take_duration(&request->idle_timeout_ms, "idle_timeout", fetch->idle_timeout_ms,
                               config->idle_timeout_ms, why);
    return result;
}

static int take_bounds(struct request *request, const struct wire_fetch *fetch,
                       const struct config *config, struct wire_why *why)
{
    request->max_body_bytes = fetch->max_body;
    if (fetch->max_body == WIRE_UNSET && !fetch->stream)
        request->max_body_bytes = config->max_body_bytes;
    if (request->max_body_bytes > config->max_body_bytes && !fetch->stream)
        return wire_why_set(why, "max_body is %llu; this daemon allows at most %llu bytes",
                            (unsigned long long)request->max_body_bytes,
                            (unsigned long long)config->max_body_bytes);
    request->redirects_left = fetch->redirects == WIRE_UNSET ? 0 : fetch->redirects;
    if (request->redirects_left > config->max_redirects)
        return wire_why_set(why, "redirects is %llu; this daemon allows at most %llu",
                            (unsigned long long)request->redirects_left,
                            (unsigned long long)config->max_redirects);
    return 0;
}

static int take_tag(struct request *request, struct wire_str tag, const struct config *config,
                    struct wire_why *why)
{
    if (tag.length > config->max_name_bytes)
        return wire_why_set(why, "tag is %zu bytes long; at most %zu are allowed", tag.length,
                            (size_t)config->max_name_bytes);
    return request_copy_str(&request->tag, tag);
}

/* ---- Life ----------------------------------------------------------------------------------- */

static int fill(struct request *request, const struct wire_fetch *fetch,
                const struct config *config, struct url_memo *urls, struct wire_why *why)
{
    int code = request_check_tls(&fetch->tls, config, why);
    if (code == 0)
        code = request_take_proxy(request, fetch->proxy, config, why);
    if (code != 0)
        return code;
    int result = url_memo_parse(urls, &request->url, fetch->url, config->max_url_bytes, why);
    if (result == 0)
        result = take_method(request, fetch->method, why);
    if (result == 0)
        result = take_fields(request, fetch, config, why);
    if (result == 0)
        result = take_body(request, fetch->body, why);
    if (result == 0)
        result = take_upload(request, fetch, why);
    if (result == 0)
        result = take_stream(request, fetch, why);
    if (result == 0)
        result = take_durations(request, fetch, config, why);
    if (result == 0)
        result = take_bounds(request, fetch, config, why);
    if (result == 0)
        result = request_copy_tls(request, &fetch->tls);
    if (result == 0)
        result = take_tag(request, fetch->tag, config, why);
    return request_code_of(result);
}

int request_create(struct request **out_request, const struct wire_fetch *fetch,
                   const struct config *config, struct url_memo *urls, struct wire_why *why)
{
    struct request *request = malloc(sizeof *request);
    if (!request) {
        wire_why_set(why, "the daemon is out of memory");
        return FETCHPOOL_BUSY;
    }
    *request = (struct request){
        .http = fetch->http,
        .retry = fetch->retry,
        .wants_decoding = fetch->decompress,
    };
    field_list_init(&request->fields, config->max_header_bytes);
    int code = fill(request, fetch, config, urls, why);
    if (code == FETCHPOOL_BUSY)
        wire_why_set(why, "the daemon is out of memory");
    if (code != 0)
        request_destroy(request);
    else
        *out_request = request;
    return code;
}

void request_free_secret(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

void request_destroy(struct request *request)
{
    if (!request)
        return;
    url_finish(&request->url);
    field_list_finish(&request->fields);
    free(request->body);
    free(request->tls_ca);
    request_free_secret(request->tls_cert); /* its file may hold the key, too */
    request_free_secret(request->tls_key);
    free(request->tls_server_name);
    request_free_secret(request->proxy);
    free(request->proxy_host);
    free(request->tag);
    free(request);
}

/* ---- Questions ------------------------------------------------------------------------------ */

bool request_is_idempotent(const struct request *request)
{
    static const char *const methods[] = {"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", NULL};
    return is_one_of(request->method, methods);
}

bool request_is_safe(const struct request *request)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS", "TRACE", NULL};
    return is_one_of(request->method, methods);
}
