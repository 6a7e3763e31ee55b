/* transfer_setup: see transfer_setup.h. */
#include "transfer_setup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "transfer.h"

/* The first failure is kept and ends the rest. */
#define SET(option, value)                                                                         \
    do {                                                                                           \
        CURLcode set_code = curl_easy_setopt(easy, option, value);                                 \
        if (set_code != CURLE_OK)                                                                  \
            return set_code;                                                                       \
    } while (0)

/*
 * Of one read from an origin and one write to it. A TLS record has 16 KiB, so that more is of no
 * use there; and an HTTP/2 connection is read from once for each of its streams before anything
 * else happens, so that more could be too much.
 */
#define RECEIVE_BUFFER_BYTES 65536L
#define TLS_RECEIVE_BYTES    16384L
#define UPLOAD_BUFFER_BYTES  65536L

/* Of an answer that is decoded: it can become a thousand times as much, 8 ms of work. */
#define CODED_RECEIVE_BYTES 2048L

/* How much later than the fetch's own timer libcurl's would end a connection attempt. */
#define CONNECT_SLACK_MS 2000

/* ---- Header fields -------------------------------------------------------------------------- */

/* libcurl takes "Name: value"; without a value it must be "Name;", as "Name:" would remove it. */
static void add_field(struct transfer_lines *lines, const struct wire_field *field)
{
    transfer_lines_add(lines, field->name, field->value.length > 0 ? ": " : ";", field->value);
}

static void add_fields(struct transfer_lines *lines, const struct request *request,
                       const struct field_list *added)
{
    const struct wire_field *fields = field_list_fields(&request->fields);
    for (size_t i = 0; i < request->fields.count; i++)
        add_field(lines, &fields[i]);
    for (size_t i = 0; added && i < added->count; i++) {
        const struct wire_field *field = &field_list_fields(added)[i];
        if (!field_list_find(&request->fields, field->name.data).data)
            add_field(lines, field);
    }
}

/* libcurl's own threshold (EXPECT_100_THRESHOLD, since 8.0), which it does not let one change. */
#define EXPECT_BYTES ((uint64_t)1024 * 1024)

/* Only a body that comes in pieces is worth the question: others are sent at once. */
static bool asks_first(const struct request *request, const struct config *config)
{
    return request->has_upload && !request->asks_not_first && config->expect_timeout_ms > 0 &&
           request->upload_size > EXPECT_BYTES; /* or unknown */
}

static bool method_has_body(const struct request *request)
{
    return request->body || request->has_upload || strcmp(request->method, "POST") == 0 ||
           strcmp(request->method, "PUT") == 0 || strcmp(request->method, "PATCH") == 0;
}

/* A field that libcurl would add by itself: "Name:" keeps it from that. */
static void suppress(struct transfer_lines *lines, const char *name)
{
    transfer_lines_add(lines, wire_str_of(name), ":", wire_str_of(""));
}

/* The same, if the client did not ask for it. */
static void suppress_unasked(struct transfer_lines *lines, const struct request *request,
                             const char *name)
{
    if (!field_list_find(&request->fields, name).data)
        suppress(lines, name);
}

static const char *authority_of(const struct request *request)
{
    return strstr(request->url.origin, "://") + 3;
}

/* "Accept:", "Content-Type:", "Expect:" and "Host: " with the authority, and a NUL for each. */
#define MOST_OWN_LINES 4
#define OWN_LINE_BYTES 64

/* A line is a field's two texts and their two NULs, and one byte more. */
static int make_room(struct transfer_lines *lines, const struct request *request,
                     const struct field_list *added)
{
    size_t most = request->fields.count + (added ? added->count : 0);
    size_t bytes = request->fields.text.length + (added ? added->text.length : 0) + most;
    if (request->tls_server_name)
        bytes += strlen(authority_of(request));
    return transfer_lines_init(lines, most + MOST_OWN_LINES, bytes + OWN_LINE_BYTES);
}

static CURLcode set_fields(struct transfer_setup *setup, CURL *easy, const struct request *request,
                           const struct field_list *added)
{
    struct transfer_lines *lines = &setup->fields;
    bool has_body = method_has_body(request);
    if (make_room(lines, request, added) < 0)
        return CURLE_OUT_OF_MEMORY;
    add_fields(lines, request, added);
    suppress_unasked(lines, request, "Accept");
    if (has_body)
        suppress_unasked(lines, request, "Content-Type");
    if (has_body && !setup->expects_continue)
        suppress(lines, "Expect"); /* a body goes out with its head */
    if (request->tls_server_name)  /* which is in the URL; the origin is to see the client's own */
        transfer_lines_add(lines, wire_str_of("Host"), ": ", wire_str_of(authority_of(request)));
    /* There may be none: this one then is NULL. */
    return curl_easy_setopt(easy, CURLOPT_HTTPHEADER, lines->count > 0 ? lines->first : NULL);
}

/* ---- Method and body ------------------------------------------------------------------------ */

/* Over HTTP/1.1 a body of unknown length goes in chunks, which libcurl does by itself. */
static CURLcode set_upload(CURL *easy, const struct request *request)
{
    SET(CURLOPT_UPLOAD, 1L);
    SET(CURLOPT_INFILESIZE_LARGE,
        request->upload_size == WIRE_UNSET ? (curl_off_t)-1 : (curl_off_t)request->upload_size);
    SET(CURLOPT_UPLOAD_BUFFERSIZE, UPLOAD_BUFFER_BYTES);
    SET(CURLOPT_CUSTOMREQUEST, request->method);
    return CURLE_OK;
}

static CURLcode set_get(struct transfer_told *told, CURL *easy)
{
    if (told->is_get)
        return CURLE_OK;
    SET(CURLOPT_HTTPGET, 1L);
    SET(CURLOPT_CUSTOMREQUEST, "GET");
    told->is_get = true;
    return CURLE_OK;
}

static CURLcode set_method(struct transfer_told *told, CURL *easy, const struct request *request)
{
    if (strcmp(request->method, "GET") == 0 && !method_has_body(request))
        return set_get(told, easy);
    told->is_get = false;
    if (request->has_upload)
        return set_upload(easy, request);
    if (strcmp(request->method, "HEAD") == 0) {
        SET(CURLOPT_NOBODY, 1L);
        return CURLE_OK;
    }
    if (method_has_body(request)) {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_length);
        SET(CURLOPT_POSTFIELDS, request->body ? (const char *)request->body : "");
    } else {
        SET(CURLOPT_HTTPGET, 1L);
    }
    SET(CURLOPT_CUSTOMREQUEST, request->method);
    return CURLE_OK;
}

/*
 * A body that is decoded comes over HTTP/1.1, if the client does not ask for HTTP/2: there it is
 * read in small pieces, and the origin waits as soon as the client does. Over HTTP/2 it may send
 * 20 MiB more, which are a thousand times as many decoded.
 */
static long http_version_of(const struct request *request)
{
    if (request->wants_decoding && request->http == WIRE_HTTP_AUTO)
        return CURL_HTTP_VERSION_1_1;
    switch (request->http) {
    case WIRE_HTTP_AUTO:
        return CURL_HTTP_VERSION_2TLS;
    case WIRE_HTTP_1_1:
        return CURL_HTTP_VERSION_1_1;
    case WIRE_HTTP_2:
        return CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE; /* over TLS: by ALPN, and only that */
    }
    return CURL_HTTP_VERSION_2TLS;
}

enum pool_kind transfer_setup_kind(const struct request *request)
{
    switch (http_version_of(request)) {
    case CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE:
        return POOL_HTTP_2;
    case CURL_HTTP_VERSION_2TLS:
        return request->url.is_tls ? POOL_EITHER : POOL_HTTP_1;
    default:
        return POOL_HTTP_1;
    }
}

/* ---- TLS ------------------------------------------------------------------------------------ */

static struct curl_blob blob_of(char *pem)
{
    return (struct curl_blob){.data = pem, .len = strlen(pem), .flags = CURL_BLOB_NOCOPY};
}

/*
 * The system's are in a file, most often, and in a directory as well. With both, libcurl keeps
 * neither in memory, and reads the file for each connection: 140 authorities cost 25 ms, in which
 * everybody waits.
 */
static CURLcode set_authorities(CURL *easy, const struct config *config)
{
    if (!config->ca_file && !curl_version_info(CURLVERSION_NOW)->cainfo)
        return CURLE_OK;
    if (config->ca_file) {
        SET(CURLOPT_CAINFO, config->ca_file);
        SET(CURLOPT_PROXY_CAINFO, config->ca_file);
    }
    SET(CURLOPT_CAPATH, NULL);
    SET(CURLOPT_PROXY_CAPATH, NULL);
    return CURLE_OK;
}

CURLcode transfer_set_terms(CURL *easy, const struct config *config)
{
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    SET(CURLOPT_PROXY, config->proxy_url ? config->proxy_url : ""); /* "": no variable counts */
    SET(CURLOPT_NOPROXY, "");
    return set_authorities(easy, config);
}

static CURLcode set_tls(CURL *easy, const struct request *request)
{
    if (request->is_tls_unverified) {
        SET(CURLOPT_SSL_VERIFYPEER, 0L);
        SET(CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (request->tls_ca) {
        struct curl_blob ca = blob_of(request->tls_ca);
        SET(CURLOPT_CAINFO_BLOB, &ca);
        SET(CURLOPT_CAPATH, NULL); /* is looked at beside the blob */
    }
    if (request->tls_cert) {
        struct curl_blob cert = blob_of(request->tls_cert), key = blob_of(request->tls_key);
        SET(CURLOPT_SSLCERT_BLOB, &cert);
        SET(CURLOPT_SSLKEY_BLOB, &key);
        SET(CURLOPT_KEYPASSWD, ""); /* never ask at a terminal */
    }
    return CURLE_OK;
}

/*
 * A server name that is not the URL's host: libcurl verifies the name in the URL, so it gets that
 * name there, and is told where to connect instead.
 */
static CURLcode set_url(struct transfer_setup *setup, CURL *easy, const struct request *request)
{
    char *text = NULL, *redirect = NULL;
    if (!request->tls_server_name) {
        SET(CURLOPT_URL, request->url.text);
        return CURLE_OK;
    }
    if (asprintf(&redirect, "::%s:%u", request->url.host, request->url.port) < 0)
        return CURLE_OUT_OF_MEMORY;
    setup->connect_to = curl_slist_append(NULL, redirect);
    free(redirect);
    CURLcode code = setup->connect_to ? CURLE_OK : CURLE_OUT_OF_MEMORY;
    if (code == CURLE_OK && url_with_host(&text, &request->url, request->tls_server_name) < 0)
        code = CURLE_OUT_OF_MEMORY;
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_CONNECT_TO, setup->connect_to);
    if (code == CURLE_OK)
        code = curl_easy_setopt(easy, CURLOPT_URL, text);
    free(text);
    return code;
}

/* ---- All ------------------------------------------------------------------------------------ */

static long receive_bytes(const struct request *request)
{
    if (request->wants_decoding)
        return CODED_RECEIVE_BYTES;
    return request->url.is_tls || request->http == WIRE_HTTP_2 ? TLS_RECEIVE_BYTES
                                                               : RECEIVE_BUFFER_BYTES;
}

CURLcode transfer_setup_prepare(CURL *easy, const struct config *config)
{
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L); /* a redirect is a request of its own: see fetch */
    SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    SET(CURLOPT_UNRESTRICTED_AUTH, 0L);
    SET(CURLOPT_HTTP09_ALLOWED, 0L);
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_PATH_AS_IS, 1L);
    return transfer_set_terms(easy, config);
}

bool transfer_setup_is_everyday(const struct request *request)
{
    return !request_has_terms(request) && !request_has_identity(request) && !request->has_upload &&
           !request->wants_decoding && !request_binds_connection(request) &&
           strcmp(request->method, "HEAD") != 0;
}

void transfer_setup_undo(const struct transfer_setup *setup, CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, NULL);
    if (!setup->told.is_get)
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, NULL);
}

static CURLcode tell(long *told, CURL *easy, CURLoption option, long number)
{
    if (*told == number)
        return CURLE_OK;
    *told = number;
    return curl_easy_setopt(easy, option, number);
}

/* libcurl shares it out among the addresses of a name. The deadline itself is the fetch's, which
 * knows what was sent: so it must come first. */
static long connect_timeout_ms(const struct request *request)
{
    return (long)request->connect_timeout_ms + CONNECT_SLACK_MS;
}

static CURLcode tell_numbers(struct transfer_told *told, CURL *easy, const struct request *request)
{
    CURLcode code = tell(&told->receive_bytes, easy, CURLOPT_BUFFERSIZE, receive_bytes(request));
    if (code == CURLE_OK)
        code = tell(&told->http_version, easy, CURLOPT_HTTP_VERSION, http_version_of(request));
    if (code == CURLE_OK)
        code = tell(&told->connect_timeout_ms, easy, CURLOPT_CONNECTTIMEOUT_MS,
                    connect_timeout_ms(request));
    return code;
}

static CURLcode set_common(CURL *easy, const struct request *request)
{
    if (request->is_proxy_clients)
        SET(CURLOPT_PROXY, request->proxy);
    if (request_binds_connection(request))
        SET(CURLOPT_FORBID_REUSE, 1L);
    if (request->wants_decoding)
        SET(CURLOPT_ACCEPT_ENCODING, "gzip, deflate");
    return CURLE_OK;
}

CURLcode transfer_setup_apply(struct transfer_setup *setup, CURL *easy,
                              const struct request *request, const struct field_list *added,
                              const struct config *config)
{
    setup->expects_continue = asks_first(request, config);
    CURLcode code = set_common(easy, request);
    if (code == CURLE_OK)
        code = tell_numbers(&setup->told, easy, request);
    if (code == CURLE_OK && setup->expects_continue)
        code = curl_easy_setopt(easy, CURLOPT_EXPECT_100_TIMEOUT_MS,
                                (long)config->expect_timeout_ms);
    if (code == CURLE_OK)
        code = set_url(setup, easy, request);
    if (code == CURLE_OK)
        code = set_method(&setup->told, easy, request);
    if (code == CURLE_OK)
        code = set_fields(setup, easy, request, added);
    if (code == CURLE_OK)
        code = set_tls(easy, request);
    return code;
}

void transfer_setup_finish(struct transfer_setup *setup)
{
    transfer_lines_finish(&setup->fields);
    curl_slist_free_all(setup->connect_to);
    *setup = (struct transfer_setup){.told = setup->told};
}
