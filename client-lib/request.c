/* request: see request.h, and fetchpool.h for what each setter means. */
#include "request.h"

#include <stdlib.h>
#include <string.h>

#define FIELDS_AT_FIRST 8

int request_refuse(struct fetchpool_request *request, int code)
{
    if (request && request->failure == FETCHPOOL_OK)
        request->failure = code;
    return code;
}

/* ---- Owned strings --------------------------------------------------------------------------- */

static void drop(struct wire_str *str)
{
    free((void *)str->data); /* const for its readers; it is ours */
    *str = (struct wire_str){0};
}

/* What a client certificate comes with: nothing of it stays in memory. */
static void drop_secret(struct wire_str *str)
{
    if (str->data)
        explicit_bzero((void *)str->data, str->length);
    drop(str);
}

static int replace(struct fetchpool_request *request, struct wire_str *str, const char *text)
{
    char *copy = text ? strdup(text) : NULL;
    if (text && !copy)
        return request_refuse(request, FETCHPOOL_NO_MEMORY);
    drop(str);
    *str = wire_str_of(copy);
    return FETCHPOOL_OK;
}

/* ---- Life ------------------------------------------------------------------------------------ */

struct fetchpool_request *fetchpool_request_create(const char *method, const char *url)
{
    if (!url)
        return NULL;
    struct fetchpool_request *request = calloc(1, sizeof *request);
    if (!request)
        return NULL;
    wire_fetch_init(&request->fetch);
    replace(request, &request->fetch.method, method);
    replace(request, &request->fetch.url, url);
    if (request->failure == FETCHPOOL_OK)
        return request;
    fetchpool_request_free(request);
    return NULL;
}

static void drop_fields(struct wire_fetch *fetch)
{
    for (size_t i = 0; i < fetch->field_count; i++) {
        drop(&fetch->fields[i].name);
        drop(&fetch->fields[i].value);
    }
    wire_fetch_finish(fetch);
}

void fetchpool_request_free(struct fetchpool_request *request)
{
    if (!request)
        return;
    struct wire_fetch *fetch = &request->fetch;
    drop_fields(fetch);
    drop(&fetch->url);
    drop(&fetch->method);
    drop(&fetch->tls.ca);
    drop_secret(&fetch->tls.cert);
    drop_secret(&fetch->tls.key);
    drop(&fetch->tls.server_name);
    drop(&fetch->proxy);
    drop(&fetch->tag);
    free(request);
}

uint32_t request_timeout_ms(const struct fetchpool_request *request)
{
    uint64_t timeout_ms = request->fetch.timeout_ms;
    return timeout_ms == WIRE_UNSET ? 0 : (uint32_t)timeout_ms;
}

uint64_t request_phases_ms(const struct fetchpool_request *request)
{
    const struct wire_fetch *fetch = &request->fetch;
    const uint64_t phases[] = {fetch->queue_timeout_ms, fetch->connect_timeout_ms,
                               fetch->first_byte_timeout_ms, fetch->idle_timeout_ms};
    uint64_t sum_ms = 0;
    for (size_t i = 0; i < sizeof phases / sizeof phases[0]; i++)
        sum_ms += phases[i] == WIRE_UNSET ? 0 : phases[i];
    return sum_ms;
}

/* ---- Header fields and body ------------------------------------------------------------------ */

static void drop_upload(struct fetchpool_request *request)
{
    request->fetch.upload = false;
    request->fetch.upload_size = WIRE_UNSET;
    request->functions.on_read = NULL;
}

static int reserve_field(struct fetchpool_request *request)
{
    struct wire_fetch *fetch = &request->fetch;
    if (fetch->field_count < request->field_capacity)
        return FETCHPOOL_OK;
    size_t capacity = request->field_capacity ? request->field_capacity * 2 : FIELDS_AT_FIRST;
    struct wire_field *fields = reallocarray(fetch->fields, capacity, sizeof *fields);
    if (!fields)
        return FETCHPOOL_NO_MEMORY;
    fetch->fields = fields;
    request->field_capacity = capacity;
    return FETCHPOOL_OK;
}

int fetchpool_request_add_header(struct fetchpool_request *request, const char *name,
                                 const char *value)
{
    if (!request || !name || !value)
        return request_refuse(request, FETCHPOOL_BAD_ARGUMENT);
    if (reserve_field(request) != FETCHPOOL_OK)
        return request_refuse(request, FETCHPOOL_NO_MEMORY);
    struct wire_field field = {.name = wire_str_of(strdup(name)),
                               .value = wire_str_of(strdup(value))};
    if (!field.name.data || !field.value.data) {
        drop(&field.name);
        drop(&field.value);
        return request_refuse(request, FETCHPOOL_NO_MEMORY);
    }
    request->fetch.fields[request->fetch.field_count++] = field;
    return FETCHPOOL_OK;
}

int fetchpool_request_set_body(struct fetchpool_request *request, const void *bytes, size_t length)
{
    if (!request || (!bytes && length > 0))
        return request_refuse(request, FETCHPOOL_BAD_ARGUMENT);
    drop_upload(request);
    request->fetch.body = (struct wire_str){bytes, length};
    return FETCHPOOL_OK;
}

/* ---- Streams --------------------------------------------------------------------------------- */

int fetchpool_request_set_on_headers(struct fetchpool_request *request,
                                     fetchpool_on_headers on_headers, void *ctx)
{
    if (!request)
        return FETCHPOOL_BAD_ARGUMENT;
    request->functions.on_headers = on_headers;
    request->functions.headers_ctx = ctx;
    return FETCHPOOL_OK;
}

int fetchpool_request_set_on_body(struct fetchpool_request *request, fetchpool_on_body on_body,
                                  void *ctx)
{
    if (!request)
        return FETCHPOOL_BAD_ARGUMENT;
    request->fetch.stream = on_body != NULL;
    request->functions.on_body = on_body;
    request->functions.body_ctx = ctx;
    return FETCHPOOL_OK;
}

int fetchpool_request_set_upload(struct fetchpool_request *request, fetchpool_on_read on_read,
                                 void *ctx, uint64_t size)
{
    if (!request)
        return FETCHPOOL_BAD_ARGUMENT;
    drop_upload(request);
    request->fetch.body = (struct wire_str){0};
    if (!on_read)
        return FETCHPOOL_OK;
    request->fetch.upload = true;
    request->fetch.upload_size = size; /* FETCHPOOL_SIZE_UNKNOWN is WIRE_UNSET */
    request->functions.on_read = on_read;
    request->functions.read_ctx = ctx;
    return FETCHPOOL_OK;
}

/* ---- Numbers --------------------------------------------------------------------------------- */

/* 0 is "the daemon's", which the wire says by silence. */
static int set_number(struct fetchpool_request *request, size_t offset, uint64_t number)
{
    if (!request)
        return FETCHPOOL_BAD_ARGUMENT;
    *(uint64_t *)((char *)&request->fetch + offset) = number ? number : WIRE_UNSET;
    return FETCHPOOL_OK;
}

int fetchpool_request_set_timeout(struct fetchpool_request *request, uint32_t timeout_ms)
{
    return set_number(request, offsetof(struct wire_fetch, timeout_ms), timeout_ms);
}

int fetchpool_request_set_queue_timeout(struct fetchpool_request *request, uint32_t timeout_ms)
{
    return set_number(request, offsetof(struct wire_fetch, queue_timeout_ms), timeout_ms);
}

int fetchpool_request_set_connect_timeout(struct fetchpool_request *request, uint32_t timeout_ms)
{
    return set_number(request, offsetof(struct wire_fetch, connect_timeout_ms), timeout_ms);
}

int fetchpool_request_set_first_byte_timeout(struct fetchpool_request *request, uint32_t timeout_ms)
{
    return set_number(request, offsetof(struct wire_fetch, first_byte_timeout_ms), timeout_ms);
}

int fetchpool_request_set_idle_timeout(struct fetchpool_request *request, uint32_t timeout_ms)
{
    return set_number(request, offsetof(struct wire_fetch, idle_timeout_ms), timeout_ms);
}

int fetchpool_request_set_max_body(struct fetchpool_request *request, uint64_t bytes)
{
    return set_number(request, offsetof(struct wire_fetch, max_body), bytes);
}

int fetchpool_request_set_window(struct fetchpool_request *request, uint64_t bytes)
{
    return set_number(request, offsetof(struct wire_fetch, window), bytes);
}

int fetchpool_request_set_redirects(struct fetchpool_request *request, uint32_t count)
{
    return set_number(request, offsetof(struct wire_fetch, redirects), count);
}

/* ---- Choices --------------------------------------------------------------------------------- */

int fetchpool_request_set_decompress(struct fetchpool_request *request, int yes)
{
    if (!request)
        return FETCHPOOL_BAD_ARGUMENT;
    request->fetch.decompress = yes != 0;
    return FETCHPOOL_OK;
}

int fetchpool_request_set_http(struct fetchpool_request *request, enum fetchpool_http version)
{
    static const enum wire_http versions[] = {
        [FETCHPOOL_HTTP_AUTO] = WIRE_HTTP_AUTO,
        [FETCHPOOL_HTTP_1_1] = WIRE_HTTP_1_1,
        [FETCHPOOL_HTTP_2] = WIRE_HTTP_2,
    };
    if (!request || (unsigned)version > FETCHPOOL_HTTP_2)
        return request_refuse(request, FETCHPOOL_BAD_ARGUMENT);
    request->fetch.http = versions[version];
    return FETCHPOOL_OK;
}

int fetchpool_request_set_retry(struct fetchpool_request *request, enum fetchpool_retry retry)
{
    static const enum wire_retry retries[] = {
        [FETCHPOOL_RETRY_SAFE] = WIRE_RETRY_SAFE,
        [FETCHPOOL_RETRY_NEVER] = WIRE_RETRY_NEVER,
        [FETCHPOOL_RETRY_ALWAYS] = WIRE_RETRY_ALWAYS,
    };
    if (!request || (unsigned)retry > FETCHPOOL_RETRY_ALWAYS)
        return request_refuse(request, FETCHPOOL_BAD_ARGUMENT);
    request->fetch.retry = retries[retry];
    return FETCHPOOL_OK;
}

/* ---- Texts ----------------------------------------------------------------------------------- */

static int set_text(struct fetchpool_request *request, size_t offset, const char *text)
{
    if (!request)
        return FETCHPOOL_BAD_ARGUMENT;
    return replace(request, (struct wire_str *)((char *)&request->fetch + offset), text);
}

int fetchpool_request_set_tls_ca(struct fetchpool_request *request, const char *pem)
{
    return set_text(request, offsetof(struct wire_fetch, tls.ca), pem);
}

int fetchpool_request_set_tls_identity(struct fetchpool_request *request, const char *certificate,
                                       const char *key)
{
    if (!certificate != !key)
        return request_refuse(request, FETCHPOOL_BAD_ARGUMENT);
    if (request) {
        drop_secret(&request->fetch.tls.cert);
        drop_secret(&request->fetch.tls.key);
    }
    int code = set_text(request, offsetof(struct wire_fetch, tls.cert), certificate);
    return code ? code : set_text(request, offsetof(struct wire_fetch, tls.key), key);
}

int fetchpool_request_set_tls_server_name(struct fetchpool_request *request, const char *name)
{
    return set_text(request, offsetof(struct wire_fetch, tls.server_name), name);
}

int fetchpool_request_set_tls_verify(struct fetchpool_request *request, int verify)
{
    if (!request)
        return FETCHPOOL_BAD_ARGUMENT;
    request->fetch.tls.no_verify = verify == 0;
    return FETCHPOOL_OK;
}

int fetchpool_request_set_proxy(struct fetchpool_request *request, const char *url)
{
    return set_text(request, offsetof(struct wire_fetch, proxy), url);
}

int fetchpool_request_set_tag(struct fetchpool_request *request, const char *tag)
{
    return set_text(request, offsetof(struct wire_fetch, tag), tag);
}
