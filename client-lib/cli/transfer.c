/* transfer: see transfer.h. */
#include "transfer.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "complaint.h"
#include "data.h"
#include "exitcode.h"
#include "fetchpool_wire.h"
#include "head.h"
#include "location.h"
#include "output.h"
#include "writeout.h"

#define USER_AGENT "fetchpool/" FETCHPOOL_VERSION

/* A certificate file is a few KiB, the system's whole trust store a few hundred. */
#define PEM_MAX_BYTES ((size_t)4 << 20)

static void end_with(struct transfer *transfer, int exit_code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void end_with(struct transfer *transfer, int exit_code, const char *format, ...)
{
    va_list values;
    free(transfer->complaint);
    va_start(values, format);
    if (vasprintf(&transfer->complaint, format, values) < 0)
        transfer->complaint = NULL;
    va_end(values);
    transfer->exit_code = exit_code;
}

/* ---- The request ----------------------------------------------------------------------------- */

static const char *method_of(const struct options *options)
{
    if (options->method)
        return options->method;
    if (options->is_head)
        return "HEAD";
    return options->has_body ? "POST" : "GET";
}

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
    if (options->has_body)
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

static void put_choices(const struct options *options, struct fetchpool *client,
                        struct fetchpool_request *request)
{
    fetchpool_request_set_timeout(request, options->timeout_ms);
    fetchpool_request_set_connect_timeout(request, options->connect_timeout_ms);
    fetchpool_request_set_http(request, options->http);
    fetchpool_request_set_decompress(request, options->is_compressed);
    fetchpool_request_set_tls_verify(request, !options->is_insecure);
    if (options->follows_redirects) {
        int32_t count = options->max_redirects;
        fetchpool_request_set_redirects(request,
                                        count < 0 ? any_redirects(client) : (uint32_t)count);
    }
    if (options->has_body)
        fetchpool_request_set_body(request, options->body.data ? options->body.data : (void *)"",
                                   options->body.length);
}

/* Reads a PEM file. NULL if it cannot be read, which ends the transfer. Returns owned. */
static char *read_pem(struct transfer *transfer, const char *path, int exit_code)
{
    struct buffer pem;
    buffer_init(&pem, PEM_MAX_BYTES);
    int result = data_read_file(&pem, path);
    if (result == 0)
        result = data_end_string(&pem);
    if (result == 0)
        return (char *)pem.data;
    end_with(transfer, exit_code, "cannot read %s: %s", path, strerror(-result));
    buffer_finish(&pem);
    return NULL;
}

static void put_ca(struct transfer *transfer, struct fetchpool_request *request)
{
    if (!transfer->options->ca_file)
        return;
    char *pem = read_pem(transfer, transfer->options->ca_file, EXIT_CODE_CA_FILE);
    fetchpool_request_set_tls_ca(request, pem);
    free(pem);
}

/* Without --key the key is in the certificate's file, as with curl. */
static void put_identity(struct transfer *transfer, struct fetchpool_request *request)
{
    const struct options *options = transfer->options;
    if (!options->cert_file)
        return;
    const char *key_file = options->key_file ? options->key_file : options->cert_file;
    char *certificate = read_pem(transfer, options->cert_file, EXIT_CODE_CERT_FILE);
    char *key = certificate ? read_pem(transfer, key_file, EXIT_CODE_CERT_FILE) : NULL;
    if (key)
        fetchpool_request_set_tls_identity(request, certificate, key);
    free(key);
    free(certificate);
}

static struct fetchpool_request *make_request(struct transfer *transfer, struct fetchpool *client)
{
    struct fetchpool_request *request = fetchpool_request_create(transfer->method, transfer->url);
    if (!request) {
        end_with(transfer, EXIT_CODE_MEMORY, "out of memory");
        return NULL;
    }
    put_fields(transfer->options, request);
    put_choices(transfer->options, client, request);
    put_ca(transfer, request);
    put_identity(transfer, request);
    return request;
}

/* ---- The answer ------------------------------------------------------------------------------ */

static bool shows_head(const struct options *options)
{
    return options->shows_head || options->is_head;
}

static int show_head(const struct transfer *transfer, struct output *output)
{
    if (!shows_head(transfer->options))
        return 0;
    struct buffer head;
    buffer_init(&head, WIRE_MAX_REPLY_BYTES);
    head_render(&head, transfer->response);
    int result = head.error;
    if (result == 0)
        result = output_write(output, head.data, head.length);
    buffer_finish(&head);
    return result;
}

static int show_body(struct transfer *transfer, struct output *output)
{
    size_t length = fetchpool_body_length(transfer->response);
    if (transfer->exit_code == EXIT_CODE_STATUS)
        return 0;
    int result = output_write(output, fetchpool_body(transfer->response), length);
    if (result == 0)
        transfer->body_bytes_shown = length;
    return result;
}

static void show_answer(struct transfer *transfer)
{
    bool is_bodiless = transfer->exit_code == EXIT_CODE_STATUS;
    if (is_bodiless && !shows_head(transfer->options))
        return;
    struct output output;
    int result = output_open(&output, transfer->file);
    if (result == 0) {
        result = show_head(transfer, &output);
        if (result == 0)
            result = show_body(transfer, &output);
        if (result == 0)
            result = output_finish(&output);
        else
            output_abandon(&output);
    }
    if (result < 0)
        end_with(transfer, EXIT_CODE_WRITE, "cannot write to %s: %s",
                 transfer->file ? transfer->file : "standard output", strerror(-result));
}

/* -L --max-redirs 0 makes a redirect an error; to the library, no redirects means not to follow. */
static bool is_redirect_too_many(const struct transfer *transfer)
{
    const struct options *options = transfer->options;
    int status = fetchpool_status(transfer->response);
    return options->follows_redirects && options->max_redirects == 0 && status >= 300 &&
           status <= 399 && fetchpool_header(transfer->response, "Location");
}

static void judge(struct transfer *transfer, const struct fetchpool *client)
{
    const struct fetchpool_response *response = transfer->response;
    int status = fetchpool_status(response);
    transfer->exit_code = exitcode_of(response);
    if (transfer->exit_code != EXIT_CODE_OK) {
        transfer->complaint = complaint_of(client, transfer->exit_code,
                                           fetchpool_error_message(response));
        return;
    }
    if (transfer->options->fails_on_error_status && status >= 400)
        end_with(transfer, EXIT_CODE_STATUS, "The requested URL returned error: %d", status);
    show_answer(transfer);
    if (transfer->exit_code == EXIT_CODE_OK && is_redirect_too_many(transfer))
        end_with(transfer, EXIT_CODE_REDIRECTS, "Maximum (0) redirects followed");
}

/* ---- The whole ------------------------------------------------------------------------------- */

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void fetch(struct transfer *transfer, struct fetchpool *client)
{
    struct fetchpool_request *request = make_request(transfer, client);
    if (transfer->exit_code == EXIT_CODE_OK) {
        uint64_t started = now_us();
        transfer->response = fetchpool_fetch(client, request);
        transfer->elapsed_us = now_us() - started;
        judge(transfer, client);
    }
    fetchpool_request_free(request);
}

/* Where this URL's body goes: `file` stays NULL for standard output. 0 or -ENOMEM. */
static int choose_file(struct transfer *transfer)
{
    const struct options *options = transfer->options;
    if (transfer->index >= options->target_count)
        return 0;
    const struct target *target = &options->targets[transfer->index];
    if (!target->is_named_by_url && strcmp(target->path, "-") == 0)
        return 0;
    transfer->file = target->is_named_by_url ? location_file_name(transfer->url)
                                             : strdup(target->path);
    return transfer->file ? 0 : -ENOMEM;
}

static void transfer_finish(struct transfer *transfer)
{
    fetchpool_response_free(transfer->response);
    free(transfer->url);
    free(transfer->file);
    free(transfer->complaint);
}

int transfer_run(struct fetchpool *client, const struct options *options, size_t index)
{
    struct transfer transfer = {
        .options = options,
        .index = index,
        .url = location_complete(options->urls[index]),
        .method = method_of(options),
    };
    if (transfer.url && choose_file(&transfer) == 0)
        fetch(&transfer, client);
    else
        end_with(&transfer, EXIT_CODE_MEMORY, "out of memory");
    if (transfer.exit_code != EXIT_CODE_OK && options_allow_complaints(options))
        complaint_show(transfer.exit_code,
                       transfer.complaint ? transfer.complaint : "out of memory");
    writeout_show(&transfer);
    transfer_finish(&transfer);
    return transfer.exit_code;
}
