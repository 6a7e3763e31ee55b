/*
 * fetch: the requests `fetch`, `check` and `hello`, each encoder beside its decoder.
 *
 * The keys of `fetch` stand in one table, which both directions walk: name, type, place in the
 * struct. A key added there is known everywhere.
 */
#include "internal.h"
#include "value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- The table of keys ---------------------------------------------------------------------- */

enum key_type {
    KEY_TEXT,         /* struct wire_str, sent as str */
    KEY_BYTES,        /* struct wire_str, sent as bin */
    KEY_NUMBER,       /* uint64_t, WIRE_UNSET if absent */
    KEY_FLAG,         /* bool, false if absent */
    KEY_FLAG_INVERSE, /* bool, true in the struct where the wire says false */
    KEY_HTTP,
    KEY_RETRY,
    KEY_FIELDS,
    KEY_TLS
};

struct key {
    const char *name;
    enum key_type type;
    size_t offset;
};

#define FETCH_AT(member) offsetof(struct wire_fetch, member)
#define TLS_AT(member)   offsetof(struct wire_tls, member)

static const struct key fetch_keys[] = {
    {"url", KEY_TEXT, FETCH_AT(url)},
    {"method", KEY_TEXT, FETCH_AT(method)},
    {"headers", KEY_FIELDS, 0},
    {"body", KEY_BYTES, FETCH_AT(body)},
    {"upload", KEY_FLAG, FETCH_AT(upload)},
    {"upload_size", KEY_NUMBER, FETCH_AT(upload_size)},
    {"stream", KEY_FLAG, FETCH_AT(stream)},
    {"window", KEY_NUMBER, FETCH_AT(window)},
    {"max_body", KEY_NUMBER, FETCH_AT(max_body)},
    {"timeout", KEY_NUMBER, FETCH_AT(timeout_ms)},
    {"queue_timeout", KEY_NUMBER, FETCH_AT(queue_timeout_ms)},
    {"connect_timeout", KEY_NUMBER, FETCH_AT(connect_timeout_ms)},
    {"first_byte_timeout", KEY_NUMBER, FETCH_AT(first_byte_timeout_ms)},
    {"idle_timeout", KEY_NUMBER, FETCH_AT(idle_timeout_ms)},
    {"redirects", KEY_NUMBER, FETCH_AT(redirects)},
    {"decompress", KEY_FLAG, FETCH_AT(decompress)},
    {"http", KEY_HTTP, FETCH_AT(http)},
    {"retry", KEY_RETRY, FETCH_AT(retry)},
    {"tls", KEY_TLS, FETCH_AT(tls)},
    {"proxy", KEY_TEXT, FETCH_AT(proxy)},
    {"tag", KEY_TEXT, FETCH_AT(tag)},
};

static const struct key tls_keys[] = {
    {"ca", KEY_BYTES, TLS_AT(ca)},
    {"cert", KEY_BYTES, TLS_AT(cert)},
    {"key", KEY_BYTES, TLS_AT(key)},
    {"server_name", KEY_TEXT, TLS_AT(server_name)},
    {"verify", KEY_FLAG_INVERSE, TLS_AT(no_verify)},
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const char *const http_names[] = {
    [WIRE_HTTP_AUTO] = "auto", [WIRE_HTTP_1_1] = "1.1", [WIRE_HTTP_2] = "2"};
static const char *const retry_names[] = {
    [WIRE_RETRY_SAFE] = "safe", [WIRE_RETRY_NEVER] = "never", [WIRE_RETRY_ALWAYS] = "always"};

void wire_fetch_init(struct wire_fetch *fetch)
{
    *fetch = (struct wire_fetch){0};
    for (size_t i = 0; i < COUNT(fetch_keys); i++) {
        if (fetch_keys[i].type == KEY_NUMBER)
            *(uint64_t *)((char *)fetch + fetch_keys[i].offset) = WIRE_UNSET;
    }
}

void wire_fetch_finish(struct wire_fetch *fetch)
{
    free(fetch->fields);
    fetch->fields = NULL;
    fetch->field_count = 0;
}

/* ---- Decoding fetch ------------------------------------------------------------------------- */

static int read_str(struct wire_str *out_str, const struct fetchpool_value *value, const char *key,
                    struct wire_why *why)
{
    const char *bytes = fetchpool_value_string(value);
    if (!bytes)
        return wire_wrong_type(why, key, "a string", value);
    *out_str = (struct wire_str){bytes, fetchpool_value_length(value)};
    return 0;
}

static int read_word(int *out_index, const char *const *names, size_t count,
                     const struct fetchpool_value *value, const char *key, struct wire_why *why)
{
    for (size_t i = 0; i < count; i++) {
        if (value_is_text(value, names[i])) {
            *out_index = (int)i;
            return 0;
        }
    }
    const char *text = fetchpool_value_string(value);
    if (!text)
        return wire_wrong_type(why, key, "a string", value);
    return wire_why_set(why, "%s must be \"%s\", \"%s\" or \"%s\", not \"%.*s\"", key, names[0],
                        names[1], names[2], (int)fetchpool_value_length(value), text);
}

static int read_keys(void *object, const struct key *keys, size_t key_count, const char *prefix,
                     const struct fetchpool_value *map, struct wire_why *why);

static int read_tls(struct wire_tls *tls, const struct fetchpool_value *value, struct wire_why *why)
{
    enum fetchpool_type type = fetchpool_value_type(value);
    if (type == FETCHPOOL_ARRAY && fetchpool_value_length(value) == 0)
        return 0;
    if (type != FETCHPOOL_MAP)
        return wire_wrong_type(why, "tls", "a map", value);
    return read_keys(tls, tls_keys, COUNT(tls_keys), "tls.", value, why);
}

static int read_flag(bool *out_flag, const struct fetchpool_value *value, const char *name,
                     bool is_inverse, struct wire_why *why)
{
    bool flag;
    if (!value_as_boolean(value, &flag))
        return wire_wrong_type(why, name, "true or false", value);
    *out_flag = flag != is_inverse;
    return 0;
}

static int read_key(void *object, const struct key *key, const char *name,
                    const struct fetchpool_value *value, struct wire_why *why)
{
    void *member = (char *)object + key->offset;
    int word = 0;
    int result;
    switch (key->type) {
    case KEY_TEXT:
    case KEY_BYTES:
        return read_str(member, value, name, why);
    case KEY_NUMBER:
        if (!value_as_unsigned(value, member))
            return wire_wrong_type(why, name, "an unsigned integer", value);
        return 0;
    case KEY_FLAG:
        return read_flag(member, value, name, false, why);
    case KEY_FLAG_INVERSE:
        return read_flag(member, value, name, true, why);
    case KEY_HTTP:
        result = read_word(&word, http_names, COUNT(http_names), value, name, why);
        *(enum wire_http *)member = (enum wire_http)word;
        return result;
    case KEY_RETRY:
        result = read_word(&word, retry_names, COUNT(retry_names), value, name, why);
        *(enum wire_retry *)member = (enum wire_retry)word;
        return result;
    case KEY_FIELDS: {
        struct wire_fetch *fetch = object;
        return wire_read_fields(&fetch->fields, &fetch->field_count, value, why);
    }
    case KEY_TLS:
        return read_tls(member, value, why);
    }
    return 0;
}

/* Only the sentence needs its whole name. */
static int refuse_key(void *object, const struct key *key, const char *prefix,
                      const struct fetchpool_value *value, struct wire_why *why)
{
    char name[32];
    snprintf(name, sizeof name, "%s%s", prefix, key->name);
    return read_key(object, key, name, value, why);
}

/* A key with the value nil is as good as absent: dynamic languages send such. */
static int read_keys(void *object, const struct key *keys, size_t key_count, const char *prefix,
                     const struct fetchpool_value *map, struct wire_why *why)
{
    for (size_t pair = 0; pair < fetchpool_value_length(map); pair++) {
        const struct fetchpool_value *value = fetchpool_value_at(map, pair);
        if (fetchpool_value_type(value) == FETCHPOOL_NIL)
            continue;
        for (size_t i = 0; i < key_count; i++) {
            if (!value_is_text(fetchpool_value_key_at(map, pair), keys[i].name))
                continue;
            int result = read_key(object, &keys[i], keys[i].name, value, why);
            if (result < 0)
                return *prefix ? refuse_key(object, &keys[i], prefix, value, why) : result;
            break;
        }
    }
    return 0;
}

int wire_fetch_decode(struct wire_fetch *out_fetch, const struct fetchpool_value *params,
                      struct wire_why *why)
{
    const struct fetchpool_value *map;
    int result = wire_params_map(params, &map, why);
    if (result < 0)
        return result;
    struct wire_fetch fetch;
    wire_fetch_init(&fetch);
    result = read_keys(&fetch, fetch_keys, COUNT(fetch_keys), "", map, why);
    if (result == 0 && !fetch.url.data)
        result = wire_why_set(why, "url is missing");
    if (result < 0)
        wire_fetch_finish(&fetch);
    else
        *out_fetch = fetch;
    return result;
}

/* ---- Encoding fetch ------------------------------------------------------------------------- */

static bool tls_is_set(const struct wire_tls *tls)
{
    return tls->ca.data || tls->cert.data || tls->key.data || tls->server_name.data ||
           tls->no_verify;
}

static bool key_is_set(const void *object, const struct key *key)
{
    const void *member = (const char *)object + key->offset;
    switch (key->type) {
    case KEY_TEXT:
    case KEY_BYTES:
        return ((const struct wire_str *)member)->data != NULL;
    case KEY_NUMBER:
        return *(const uint64_t *)member != WIRE_UNSET;
    case KEY_FLAG:
    case KEY_FLAG_INVERSE:
        return *(const bool *)member;
    case KEY_HTTP:
        return *(const enum wire_http *)member != WIRE_HTTP_AUTO;
    case KEY_RETRY:
        return *(const enum wire_retry *)member != WIRE_RETRY_SAFE;
    case KEY_FIELDS:
        return ((const struct wire_fetch *)object)->field_count > 0;
    case KEY_TLS:
        return tls_is_set(member);
    }
    return false;
}

static void put_keys(struct buffer *buffer, const void *object, const struct key *keys,
                     size_t key_count);

static void put_member(struct buffer *buffer, const void *object, const struct key *key)
{
    const void *member = (const char *)object + key->offset;
    switch (key->type) {
    case KEY_TEXT:
        wire_put_str(buffer, *(const struct wire_str *)member);
        break;
    case KEY_BYTES:
        wire_put_bin(buffer, *(const struct wire_str *)member);
        break;
    case KEY_NUMBER:
        wire_put_unsigned(buffer, *(const uint64_t *)member);
        break;
    case KEY_FLAG:
        wire_put_boolean(buffer, true);
        break;
    case KEY_FLAG_INVERSE:
        wire_put_boolean(buffer, false);
        break;
    case KEY_HTTP:
        wire_put_text(buffer, http_names[*(const enum wire_http *)member]);
        break;
    case KEY_RETRY:
        wire_put_text(buffer, retry_names[*(const enum wire_retry *)member]);
        break;
    case KEY_FIELDS: {
        const struct wire_fetch *fetch = object;
        wire_put_fields(buffer, fetch->fields, fetch->field_count);
        break;
    }
    case KEY_TLS:
        put_keys(buffer, member, tls_keys, COUNT(tls_keys));
        break;
    }
}

static void put_size(struct buffer *buffer, const void *object, const struct key *keys,
                     size_t key_count)
{
    size_t set = 0;
    for (size_t i = 0; i < key_count; i++)
        set += key_is_set(object, &keys[i]);
    wire_put_map(buffer, set);
}

static void put_pairs(struct buffer *buffer, const void *object, const struct key *keys,
                      size_t key_count)
{
    for (size_t i = 0; i < key_count; i++) {
        if (!key_is_set(object, &keys[i]))
            continue;
        wire_put_text(buffer, keys[i].name);
        put_member(buffer, object, &keys[i]);
    }
}

static void put_keys(struct buffer *buffer, const void *object, const struct key *keys,
                     size_t key_count)
{
    put_size(buffer, object, keys, key_count);
    put_pairs(buffer, object, keys, key_count);
}

static void put_request(struct buffer *buffer, uint32_t id, const char *method)
{
    wire_put_array(buffer, 4);
    wire_put_unsigned(buffer, WIRE_REQUEST);
    wire_put_unsigned(buffer, id);
    wire_put_text(buffer, method);
    wire_put_array(buffer, 1);
}

static size_t index_of_timeout(void)
{
    size_t i = 0;
    while (fetch_keys[i].offset != FETCH_AT(timeout_ms))
        i++;
    return i;
}

/* A key that it carries is not to outlive the message. Returns where the timeout's number is. */
static size_t encode(struct buffer *buffer, uint32_t id, const char *method,
                     const struct wire_fetch *fetch)
{
    const size_t timeout = index_of_timeout();
    size_t number_at = 0;
    buffer->is_secret |= fetch->tls.key.data != NULL;
    put_request(buffer, id, method);
    put_size(buffer, fetch, fetch_keys, COUNT(fetch_keys));
    put_pairs(buffer, fetch, fetch_keys, timeout);
    if (fetch->timeout_ms != WIRE_UNSET) /* behind its name and the byte before that */
        number_at = buffer->length + 1 + strlen(fetch_keys[timeout].name);
    put_pairs(buffer, fetch, fetch_keys + timeout, COUNT(fetch_keys) - timeout);
    return number_at;
}

size_t wire_fetch_encode(struct buffer *buffer, uint32_t id, const struct wire_fetch *fetch)
{
    return encode(buffer, id, "fetch", fetch);
}

void wire_check_encode(struct buffer *buffer, uint32_t id, const struct wire_fetch *fetch)
{
    struct wire_fetch question = *fetch;
    question.body = (struct wire_str){0};
    question.upload = question.stream = false;
    question.upload_size = question.window = WIRE_UNSET;
    encode(buffer, id, "check", &question);
}

/* ---- hello ---------------------------------------------------------------------------------- */

void wire_hello_encode(struct buffer *buffer, uint32_t id, const struct wire_hello *hello)
{
    put_request(buffer, id, "hello");
    wire_put_map(buffer, 2);
    wire_put_text(buffer, "client");
    wire_put_str(buffer, hello->client);
    wire_put_text(buffer, "version");
    wire_put_str(buffer, hello->version);
}

int wire_hello_decode(struct wire_hello *out_hello, const struct fetchpool_value *params,
                      struct wire_why *why)
{
    static const struct key hello_keys[] = {
        {"client", KEY_TEXT, offsetof(struct wire_hello, client)},
        {"version", KEY_TEXT, offsetof(struct wire_hello, version)},
    };
    const struct fetchpool_value *map;
    int result = wire_params_map(params, &map, why);
    if (result < 0)
        return result;
    struct wire_hello hello = {0};
    result = read_keys(&hello, hello_keys, COUNT(hello_keys), "", map, why);
    if (result == 0)
        *out_hello = hello;
    return result;
}
