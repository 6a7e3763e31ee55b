/*
 * variable: see variable.h. All of them stand in one table at the end of the file.
 *
 * curl's times are points since the start, the daemon's are durations, so they are added up. With
 * redirects the durations are sums over all requests, and so are the points; time_redirect is 0.
 */
#include "variable.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "exitcode.h"
#include "fetchpool_wire.h"
#include "head.h"
#include "location.h"

/* A head has at most the size of the message that it came in. */
#define HEAD_MAX_BYTES WIRE_MAX_REPLY_BYTES

static void put(struct buffer *text, const char *word)
{
    if (word)
        buffer_append_text(text, word);
}

static void put_number(struct buffer *text, uint64_t number)
{
    buffer_append_format(text, "%" PRIu64, number);
}

static void put_time(struct buffer *text, uint64_t us)
{
    buffer_append_format(text, "%" PRIu64 ".%06" PRIu64, us / 1000000, us % 1000000);
}

/* ---- The answer ------------------------------------------------------------------------------ */

static void put_status(struct buffer *text, const struct transfer *transfer)
{
    int status = transfer->response ? fetchpool_status(transfer->response) : 0;
    buffer_append_format(text, "%03d", status);
}

static void put_http_version(struct buffer *text, const struct transfer *transfer)
{
    const char *version = transfer->response ? fetchpool_http_version(transfer->response) : "";
    put(text, *version ? version : "0");
}

static void put_size_header(struct buffer *text, const struct transfer *transfer)
{
    struct buffer head;
    buffer_init(&head, HEAD_MAX_BYTES);
    if (transfer->response && fetchpool_status(transfer->response) > 0)
        head_render(&head, transfer->response);
    put_number(text, head.length);
    buffer_finish(&head);
}

static void put_num_headers(struct buffer *text, const struct transfer *transfer)
{
    put_number(text, transfer->response ? fetchpool_header_count(transfer->response) : 0);
}

static void put_num_redirects(struct buffer *text, const struct transfer *transfer)
{
    put_number(text, transfer->response ? fetchpool_redirects(transfer->response) : 0);
}

static void put_content_type(struct buffer *text, const struct transfer *transfer)
{
    if (transfer->response)
        put(text, fetchpool_header(transfer->response, "Content-Type"));
}

static void put_redirect_url(struct buffer *text, const struct transfer *transfer)
{
    const struct fetchpool_response *response = transfer->response;
    int status = response ? fetchpool_status(response) : 0;
    const char *location = response ? fetchpool_header(response, "Location") : NULL;
    if (!location || status < 300 || status > 399)
        return;
    char *url = location_resolve(fetchpool_url(response), location);
    put(text, url);
    free(url);
}

/* ---- The transfer ---------------------------------------------------------------------------- */

static void put_size_download(struct buffer *text, const struct transfer *transfer)
{
    put_number(text, transfer->download.body_bytes);
}

static void put_size_upload(struct buffer *text, const struct transfer *transfer)
{
    bool is_sent = transfer->response && fetchpool_status(transfer->response) > 0;
    if (transfer->upload.exists)
        put_number(text, transfer->upload.sent);
    else
        put_number(text, is_sent ? body_length(&transfer->options->body) : 0);
}

static void put_method(struct buffer *text, const struct transfer *transfer)
{
    put(text, transfer->method);
}

static void put_url(struct buffer *text, const struct transfer *transfer)
{
    put(text, transfer->options->urls[transfer->index]);
}

static const char *effective_url(const struct transfer *transfer)
{
    const char *url = transfer->response ? fetchpool_url(transfer->response) : "";
    if (!*url)
        url = transfer->url;
    return url ? url : "";
}

static void put_url_effective(struct buffer *text, const struct transfer *transfer)
{
    put(text, effective_url(transfer));
}

static void put_scheme(struct buffer *text, const struct transfer *transfer)
{
    const char *url = effective_url(transfer);
    buffer_append(text, url, strcspn(url, ":"));
}

static void put_urlnum(struct buffer *text, const struct transfer *transfer)
{
    put_number(text, transfer->index);
}

static void put_exitcode(struct buffer *text, const struct transfer *transfer)
{
    put_number(text, (uint64_t)transfer->complaint.exit_code);
}

static void put_errormsg(struct buffer *text, const struct transfer *transfer)
{
    put(text, transfer->complaint.sentence);
}

/* A status is an answer, even where -f makes an error of it. */
static bool is_answered(const struct transfer *transfer)
{
    int exit_code = transfer->complaint.exit_code;
    return exit_code == EXIT_CODE_OK || exit_code == EXIT_CODE_STATUS;
}

static void put_error_code(struct buffer *text, const struct transfer *transfer)
{
    bool has_code = !is_answered(transfer) && transfer->response;
    put_number(text, has_code ? (uint64_t)fetchpool_error_code(transfer->response) : 0);
}

/* A failure of ours has no code. Before there was a request, it fails again; behind an answer, the
 * request was processed. */
static enum fetchpool_class class_of(const struct transfer *transfer)
{
    if (is_answered(transfer))
        return FETCHPOOL_CLASS_NONE;
    if (!transfer->response)
        return FETCHPOOL_CLASS_REFUSED;
    enum fetchpool_class class = fetchpool_error_class(transfer->response);
    return class == FETCHPOOL_CLASS_NONE ? FETCHPOOL_CLASS_MAYBE_PROCESSED : class;
}

static void put_error_class(struct buffer *text, const struct transfer *transfer)
{
    static const char *const names[] = {
        [FETCHPOOL_CLASS_NONE] = "none",
        [FETCHPOOL_CLASS_REFUSED] = "refused",
        [FETCHPOOL_CLASS_NOT_SENT] = "not sent",
        [FETCHPOOL_CLASS_MAYBE_PROCESSED] = "maybe processed",
    };
    put(text, names[class_of(transfer)]);
}

static void put_filename(struct buffer *text, const struct transfer *transfer)
{
    put(text, transfer->file);
}

/* ---- The connection -------------------------------------------------------------------------- */

static bool has_connection(const struct transfer *transfer)
{
    return transfer->response && fetchpool_connection_requests(transfer->response) > 0;
}

static void put_num_connects(struct buffer *text, const struct transfer *transfer)
{
    bool is_new = has_connection(transfer) && !fetchpool_connection_reused(transfer->response);
    put_number(text, is_new);
}

/* "address:port", "[address]:port": the last colon divides it. */
static const char *peer_port(const struct transfer *transfer)
{
    const char *peer = transfer->response ? fetchpool_connection_peer(transfer->response) : "";
    return strrchr(peer, ':');
}

static void put_remote_ip(struct buffer *text, const struct transfer *transfer)
{
    const char *port = peer_port(transfer);
    if (!port)
        return;
    const char *peer = fetchpool_connection_peer(transfer->response);
    size_t length = (size_t)(port - peer);
    if (length >= 2 && peer[0] == '[' && peer[length - 1] == ']') {
        peer++;
        length -= 2;
    }
    buffer_append(text, peer, length);
}

static void put_remote_port(struct buffer *text, const struct transfer *transfer)
{
    const char *port = peer_port(transfer);
    put(text, port ? port + 1 : "0");
}

static void put_connection_id(struct buffer *text, const struct transfer *transfer)
{
    put_number(text, transfer->response ? fetchpool_connection_id(transfer->response) : 0);
}

static void put_reused(struct buffer *text, const struct transfer *transfer)
{
    put_number(text, transfer->response && fetchpool_connection_reused(transfer->response));
}

static void put_connection_requests(struct buffer *text, const struct transfer *transfer)
{
    put_number(text, transfer->response ? fetchpool_connection_requests(transfer->response) : 0);
}

static void put_connection_age(struct buffer *text, const struct transfer *transfer)
{
    put_time(text, transfer->response ? fetchpool_connection_age_ms(transfer->response) * 1000 : 0);
}

/* ---- Times ----------------------------------------------------------------------------------- */

static struct fetchpool_timing timing_of(const struct transfer *transfer)
{
    return transfer->response ? fetchpool_timing(transfer->response) : (struct fetchpool_timing){0};
}

static void put_time_zero(struct buffer *text, const struct transfer *transfer)
{
    (void)transfer;
    put_time(text, 0);
}

static void put_time_queue(struct buffer *text, const struct transfer *transfer)
{
    put_time(text, timing_of(transfer).queue_us);
}

static void put_time_namelookup(struct buffer *text, const struct transfer *transfer)
{
    struct fetchpool_timing timing = timing_of(transfer);
    put_time(text, timing.queue_us + timing.resolve_us);
}

static void put_time_connect(struct buffer *text, const struct transfer *transfer)
{
    struct fetchpool_timing timing = timing_of(transfer);
    put_time(text, timing.queue_us + timing.resolve_us + timing.connect_us);
}

static uint64_t ready_us(const struct fetchpool_timing *timing)
{
    return timing->queue_us + timing->resolve_us + timing->connect_us + timing->tls_us;
}

/* curl has 0 where there was no handshake. */
static void put_time_appconnect(struct buffer *text, const struct transfer *transfer)
{
    struct fetchpool_timing timing = timing_of(transfer);
    put_time(text, timing.tls_us > 0 ? ready_us(&timing) : 0);
}

static void put_time_pretransfer(struct buffer *text, const struct transfer *transfer)
{
    struct fetchpool_timing timing = timing_of(transfer);
    put_time(text, ready_us(&timing));
}

static void put_time_starttransfer(struct buffer *text, const struct transfer *transfer)
{
    struct fetchpool_timing timing = timing_of(transfer);
    put_time(text, ready_us(&timing) + timing.first_byte_us);
}

/* After an error there are no figures of the daemon's, or those of the head: only ours. */
static void put_time_total(struct buffer *text, const struct transfer *transfer)
{
    uint64_t total_us = timing_of(transfer).total_us;
    bool is_whole = total_us > 0 && fetchpool_error_code(transfer->response) == 0;
    put_time(text, is_whole ? total_us : transfer->elapsed_us);
}

/* ---- The table ------------------------------------------------------------------------------- */

static const struct variable {
    const char *name;
    void (*put)(struct buffer *text, const struct transfer *transfer);
} variables[] = {
    {"connection_age", put_connection_age},
    {"connection_id", put_connection_id},
    {"connection_requests", put_connection_requests},
    {"content_type", put_content_type},
    {"error_class", put_error_class},
    {"error_code", put_error_code},
    {"errormsg", put_errormsg},
    {"exitcode", put_exitcode},
    {"filename_effective", put_filename},
    {"http_code", put_status},
    {"http_version", put_http_version},
    {"method", put_method},
    {"num_connects", put_num_connects},
    {"num_headers", put_num_headers},
    {"num_redirects", put_num_redirects},
    {"redirect_url", put_redirect_url},
    {"remote_ip", put_remote_ip},
    {"remote_port", put_remote_port},
    {"response_code", put_status},
    {"reused", put_reused},
    {"scheme", put_scheme},
    {"size_download", put_size_download},
    {"size_header", put_size_header},
    {"size_upload", put_size_upload},
    {"time_appconnect", put_time_appconnect},
    {"time_connect", put_time_connect},
    {"time_namelookup", put_time_namelookup},
    {"time_pretransfer", put_time_pretransfer},
    {"time_queue", put_time_queue},
    {"time_redirect", put_time_zero},
    {"time_starttransfer", put_time_starttransfer},
    {"time_total", put_time_total},
    {"url", put_url},
    {"url_effective", put_url_effective},
    {"urlnum", put_urlnum},
};

bool variable_put(struct buffer *text, const struct transfer *transfer, const char *name)
{
    for (size_t i = 0; i < sizeof variables / sizeof variables[0]; i++) {
        if (strcmp(variables[i].name, name) == 0) {
            variables[i].put(text, transfer);
            return true;
        }
    }
    return false;
}
