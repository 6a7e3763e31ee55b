/* outgoing: see outgoing.h. */
#include "outgoing.h"

#include <stdlib.h>
#include <string.h>

#include "data.h"
#include "exitcode.h"
#include "location.h"

#define USER_AGENT "fetchpool/" FETCHPOOL_VERSION

/* A certificate file is a few KiB, the system's whole trust store a few hundred. */
#define PEM_MAX_BYTES ((size_t)4 << 20)

const char *outgoing_method(const struct outgoing *outgoing)
{
    const struct options *options = outgoing->options;
    if (options->method)
        return options->method;
    if (options->is_head)
        return "HEAD";
    if (outgoing->file)
        return "PUT";
    return options->body.exists ? "POST" : "GET";
}

/* ---- What the options say -------------------------------------------------------------------- */

/* "URL;auto" is curl's way to ask for more than the first request's; the URL is what we send. */
static void put_referer(const struct options *options, struct fetchpool_request *request)
{
    const char *end = options->referer ? strstr(options->referer, ";auto") : NULL;
    if (!end) {
        fields_put_default(&options->fields, request, "Referer", options->referer);
        return;
    }
    char *referer = strndup(options->referer, (size_t)(end - options->referer));
    fields_put_default(&options->fields, request, "Referer", referer);
    free(referer);
}

/* In curl's order, so that an origin sees the same. */
static void put_fields(const struct options *options, struct fetchpool_request *request)
{
    const struct fields *fields = &options->fields;
    if (options->user)
        fields_put_basic(fields, request, options->user);
    fields_put_default(fields, request, "User-Agent",
                       options->user_agent ? options->user_agent : USER_AGENT);
    fields_put_default(fields, request, "Accept", "*/*");
    put_referer(options, request);
    fields_put(fields, request);
    if (options->body.exists)
        fields_put_default(fields, request, "Content-Type", "application/x-www-form-urlencoded");
}

/* "As many as you like" is what the daemon allows: it refuses more, and says in hello how many. */
static uint32_t any_redirects(struct fetchpool *client)
{
    struct fetchpool_response *hello = fetchpool_query(client, "hello", 0);
    const struct fetchpool_value *limits = fetchpool_value_get(fetchpool_result(hello), "limits");
    int64_t count = fetchpool_value_integer(fetchpool_value_get(limits, "max_redirects"));
    fetchpool_response_free(hello);
    return count > 0 && count <= UINT32_MAX ? (uint32_t)count : MAX_REDIRECTS_DEFAULT;
}

/* curl's proxies have a scheme if they want one. Without the memory for it, nothing goes past it.
 */
static void put_proxy(const struct options *options, struct fetchpool_request *request,
                      struct complaint *complaint)
{
    if (!options->proxy)
        return;
    char *proxy = location_complete(options->proxy);
    if (!proxy)
        complaint_set(complaint, EXIT_CODE_MEMORY, "out of memory");
    fetchpool_request_set_proxy(request, proxy);
    free(proxy);
}

static void put_choices(const struct options *options, struct fetchpool *client,
                        struct fetchpool_request *request)
{
    fetchpool_request_set_timeout(request, options->timeout_ms);
    fetchpool_request_set_connect_timeout(request, options->connect_timeout_ms);
    fetchpool_request_set_http(request, options->http);
    fetchpool_request_set_decompress(request, options->is_compressed);
    fetchpool_request_set_max_body(request, options->max_body_bytes);
    fetchpool_request_set_tls_verify(request, !options->is_insecure);
    if (options->follows_redirects) {
        int32_t count = options->max_redirects;
        fetchpool_request_set_redirects(request,
                                        count < 0 ? any_redirects(client) : (uint32_t)count);
    }
}

/* ---- Files ----------------------------------------------------------------------------------- */

/* Reads a PEM file. NULL with a complaint if it cannot be read. The text is the buffer's, which is
 * wiped when it is finished: it may hold a key. */
static const char *read_pem(struct buffer *pem, const char *path, int exit_code,
                            struct complaint *complaint)
{
    buffer_init(pem, PEM_MAX_BYTES);
    pem->is_secret = true;
    int result = data_read_file(pem, path);
    if (result == 0)
        result = data_end_string(pem);
    if (result == 0)
        return (const char *)pem->data;
    complaint_set(complaint, exit_code, "cannot read %s: %s", path, strerror(-result));
    return NULL;
}

static void put_ca(const struct options *options, struct fetchpool_request *request,
                   struct complaint *complaint)
{
    struct buffer pem;
    if (!options->ca_file)
        return;
    fetchpool_request_set_tls_ca(request,
                                 read_pem(&pem, options->ca_file, EXIT_CODE_CA_FILE, complaint));
    buffer_finish(&pem);
}

/* Without --key the key is in the certificate's file, as with curl. */
static void put_identity(const struct options *options, struct fetchpool_request *request,
                         struct complaint *complaint)
{
    struct buffer certificate;
    struct buffer key;
    const char *cert_file = options->cert_file;
    const char *key_file = options->key_file ? options->key_file : cert_file;
    if (!cert_file)
        return;
    buffer_init(&key, 0);
    const char *certificate_pem = read_pem(&certificate, cert_file, EXIT_CODE_CERT_FILE, complaint);
    const char *key_pem = NULL;
    if (certificate_pem)
        key_pem = read_pem(&key, key_file, EXIT_CODE_CERT_FILE, complaint);
    if (key_pem)
        fetchpool_request_set_tls_identity(request, certificate_pem, key_pem);
    buffer_finish(&key);
    buffer_finish(&certificate);
}

/* ---- The body -------------------------------------------------------------------------------- */

static void put_upload(struct upload *upload, const char *name, int result,
                       struct fetchpool_request *request, struct complaint *complaint)
{
    if (result < 0)
        complaint_set(complaint, EXIT_CODE_READ, "cannot read %s: %s", name, strerror(-result));
    else
        fetchpool_request_set_upload(request, upload_read, upload, upload->size);
}

/* In the message where it fits, so that the daemon may send it again; else as a stream. */
static void put_body(const struct outgoing *outgoing, struct fetchpool_request *request,
                     struct complaint *complaint)
{
    const struct body *body = &outgoing->options->body;
    struct upload *upload = outgoing->upload;
    if (outgoing->file)
        put_upload(upload, outgoing->file, upload_open_file(upload, outgoing->file), request,
                   complaint);
    else if (body->exists && body_length(body) > BODY_MESSAGE_BYTES)
        put_upload(upload, body->file_name, upload_open_body(upload, body), request, complaint);
    else if (body->exists)
        fetchpool_request_set_body(request, body->bytes.data ? body->bytes.data : (void *)"",
                                   body->bytes.length);
}

/* ---- The whole ------------------------------------------------------------------------------- */

struct fetchpool_request *outgoing_make_bodiless(const struct outgoing *outgoing,
                                                 struct fetchpool *client,
                                                 struct complaint *complaint)
{
    const struct options *options = outgoing->options;
    struct fetchpool_request *request = fetchpool_request_create(outgoing_method(outgoing),
                                                                 outgoing->url);
    if (!request) {
        complaint_set(complaint, EXIT_CODE_MEMORY, "out of memory");
        return NULL;
    }
    put_fields(options, request);
    put_choices(options, client, request);
    put_proxy(options, request, complaint);
    put_ca(options, request, complaint);
    put_identity(options, request, complaint);
    return request;
}

struct fetchpool_request *outgoing_make(const struct outgoing *outgoing, struct fetchpool *client,
                                        struct complaint *complaint)
{
    struct fetchpool_request *request = outgoing_make_bodiless(outgoing, client, complaint);
    if (request)
        put_body(outgoing, request, complaint);
    return request;
}
