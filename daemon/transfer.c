/* transfer: see transfer.h. */
#include "transfer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "request_field.h"
#include "transfer_error.h"
#include "transfer_setup.h"

#define NS_PER_US 1000

struct transfer {
    struct pool_job job; /* its easy handle is the transfer's */
    struct pool *pool;
    const struct request *request;
    const struct transfer_events *events;
    void *ctx;
    struct transfer_setup setup;
    char detail[CURL_ERROR_SIZE];

    struct pool_connection *connection; /* NULL until the request is sent */
    bool is_reused;
    char peer[POOL_PEER_BYTES]; /* once the connection is released */
    unsigned sends;             /* how often libcurl has been about to write the request */

    struct transfer_head head;
    struct field_list fields;
    bool has_head;
    int stop_code; /* of on_body: why we ended it */
    struct wire_why stop_why;
    bool is_withheld;
    bool is_head_too_large;
    bool is_length_ambiguous;
    bool is_done;

    uint64_t started_ns, sent_ns, answered_ns;
};

/* ---- libcurl's callbacks -------------------------------------------------------------------- */

/*
 * May libcurl send the request once more? It wants to when a connection of the pool turns out to
 * be dead, whatever the method.
 */
static bool may_send_again(const struct request *request)
{
    switch (request->retry) {
    case WIRE_RETRY_NEVER:
        return false;
    case WIRE_RETRY_ALWAYS:
        return true;
    case WIRE_RETRY_SAFE:
        return request_is_idempotent(request);
    }
    return false;
}

static int on_prerequest(void *ctx, char *remote_ip, char *local_ip, int remote_port,
                         int local_port)
{
    struct transfer *transfer = ctx;
    char peer[POOL_PEER_BYTES];
    (void)local_ip;
    snprintf(peer, sizeof peer, strchr(remote_ip, ':') ? "[%s]:%d" : "%s:%d", remote_ip,
             remote_port);
    struct pool_connection *connection = pool_connection_find(transfer->pool, transfer->job.easy,
                                                              transfer->request->url.origin,
                                                              local_port, peer);
    if (!connection)
        return CURL_PREREQFUNC_ABORT;
    if (transfer->sends > 0 && !may_send_again(transfer->request)) {
        transfer->is_withheld = true;
        return CURL_PREREQFUNC_ABORT;
    }
    if (transfer->connection)
        pool_connection_release(transfer->connection);
    transfer->connection = connection;
    transfer->is_reused = pool_connection_use(transfer->pool, connection);
    transfer->sent_ns = uv_hrtime();
    if (transfer->sends++ == 0)
        transfer->events->on_sent(transfer->ctx);
    return CURL_PREREQFUNC_OK;
}

static const char *version_name(struct wire_str line)
{
    if (line.length >= 6 && memcmp(line.data, "HTTP/2", 6) == 0)
        return "2";
    if (line.length >= 8 && memcmp(line.data, "HTTP/1.0", 8) == 0)
        return "1.0";
    return "1.1";
}

/* "HTTP/1.1 200 OK": the first line of each answer, interim ones included. */
static void begin_head(struct transfer *transfer, struct wire_str line)
{
    const char *space = memchr(line.data, ' ', line.length);
    field_list_clear(&transfer->fields);
    transfer->head.http = version_name(line);
    transfer->head.status = space ? (unsigned)strtoul(space + 1, NULL, 10) : 0;
}

static void end_head(struct transfer *transfer)
{
    if (transfer->head.status < 200 && transfer->head.status != 101)
        return; /* interim: another head follows */
    transfer->has_head = true;
    pool_connection_set_http(transfer->pool, transfer->connection, transfer->head.http);
    transfer->events->on_head(transfer->ctx, &transfer->head);
}

/*
 * RFC 9112, 6.3: a length that is no number, or two that differ, leave it open where the answer
 * ends. On a shared connection what follows would be taken for somebody else's answer.
 */
static bool is_length_clear(const struct transfer *transfer, struct wire_str name,
                            struct wire_str value)
{
    static const char length[] = "Content-Length";
    if (name.length != sizeof length - 1 || strncasecmp(name.data, length, name.length) != 0)
        return true;
    for (size_t i = 0; i < value.length; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return false;
    }
    struct wire_str before = field_list_find(&transfer->fields, length);
    return value.length > 0 &&
           (!before.data ||
            (before.length == value.length && memcmp(before.data, value.data, value.length) == 0));
}

static int note_size(struct transfer *transfer, int result)
{
    if (result == -EMSGSIZE)
        transfer->is_head_too_large = true;
    return result;
}

static int add_header_line(struct transfer *transfer, struct wire_str line)
{
    if (strchr(" \t", line.data[0])) /* RFC 9112, 5.2: it goes on */
        return note_size(transfer, field_list_extend(&transfer->fields, request_field_trim(line)));
    const char *colon = memchr(line.data, ':', line.length);
    if (!colon)
        return 0; /* a broken line: libcurl has judged it */
    struct wire_str name = {line.data, (size_t)(colon - line.data)};
    struct wire_str value = request_field_trim(
        (struct wire_str){colon + 1, line.length - name.length - 1});
    if (!is_length_clear(transfer, name, value)) {
        transfer->is_length_ambiguous = true;
        return -EPROTO;
    }
    return note_size(transfer, field_list_add(&transfer->fields, name, value));
}

/* Once per line, with its line end; anything but the count back ends the transfer. */
static size_t on_header(char *bytes, size_t unit, size_t count, void *ctx)
{
    struct transfer *transfer = ctx;
    struct wire_str line = {bytes, unit * count};
    if (transfer->answered_ns == 0)
        transfer->answered_ns = uv_hrtime();
    while (line.length > 0 && strchr("\r\n", line.data[line.length - 1]))
        line.length--;
    if (transfer->has_head)
        return unit * count; /* a trailer */
    if (line.length >= 5 && memcmp(line.data, "HTTP/", 5) == 0)
        begin_head(transfer, line);
    else if (line.length == 0)
        end_head(transfer);
    else if (add_header_line(transfer, line) < 0)
        return 0;
    return unit * count;
}

static size_t on_write(char *bytes, size_t unit, size_t count, void *ctx)
{
    struct transfer *transfer = ctx;
    size_t length = unit * count;
    transfer->stop_code = transfer->events->on_body(transfer->ctx, (const uint8_t *)bytes, length,
                                                    &transfer->stop_why);
    return transfer->stop_code == 0 ? length : CURL_WRITEFUNC_ERROR;
}

/* ---- Measures ------------------------------------------------------------------------------- */

static uint64_t time_of(CURL *easy, CURLINFO info)
{
    curl_off_t us = 0;
    curl_easy_getinfo(easy, info, &us);
    return us > 0 ? (uint64_t)us : 0;
}

static uint64_t difference(uint64_t later, uint64_t earlier)
{
    return later > earlier ? later - earlier : 0;
}

/* Takes as much of a phase as is left of the time that all phases took together. */
static uint64_t take_share(uint64_t *left_us, uint64_t phase_us)
{
    uint64_t taken = phase_us < *left_us ? phase_us : *left_us;
    *left_us -= taken;
    return taken;
}

/*
 * libcurl's times are points on a clock of its own, which starts a little after the transfer; each
 * phase is what lies between two of them. The whole is measured here, and no phase may exceed it:
 * the parts of `total` must not add up to more than it.
 */
static void measure_opening(const struct transfer *transfer, struct transfer_result *out_result)
{
    CURL *easy = transfer->job.easy;
    uint64_t resolved = time_of(easy, CURLINFO_NAMELOOKUP_TIME_T);
    uint64_t connected = time_of(easy, CURLINFO_CONNECT_TIME_T);
    uint64_t secured = time_of(easy, CURLINFO_APPCONNECT_TIME_T);
    uint64_t left_us = difference(transfer->sent_ns, transfer->job.opening_ns) / NS_PER_US;
    out_result->tls_us = take_share(&left_us, difference(secured, connected));
    out_result->connect_us = take_share(&left_us, difference(connected, resolved));
    out_result->resolve_us = take_share(&left_us, difference(resolved, out_result->wait_us));
}

static void measure(const struct transfer *transfer, struct transfer_result *out_result)
{
    if (transfer->connection)
        out_result->connection = pool_connection_info(transfer->connection);
    out_result->is_connection_reused = transfer->is_reused;
    uint64_t began_ns = transfer->is_reused ? transfer->sent_ns : transfer->job.opening_ns;
    out_result->wait_us = difference(began_ns, transfer->started_ns) / NS_PER_US;
    if (!transfer->is_reused)
        measure_opening(transfer, out_result);
    if (transfer->answered_ns)
        out_result->first_byte_us = difference(transfer->answered_ns, transfer->sent_ns) /
                                    NS_PER_US;
}

void transfer_describe_step(const struct transfer *transfer, struct wire_why *out_step)
{
    char authority[300];
    CURL *easy = transfer->job.easy;
    transfer_error_authority(transfer->request, authority, sizeof authority);
    if (transfer_is_waiting(transfer))
        wire_why_set(out_step, "waiting for a connection to %s", authority);
    else if (transfer->has_head)
        wire_why_set(out_step, "the body from %s", authority);
    else if (transfer->sends > 0)
        wire_why_set(out_step, "the answer of %s", authority);
    else if (time_of(easy, CURLINFO_NAMELOOKUP_TIME_T) == 0)
        wire_why_set(out_step, "look-up of %s", transfer->request->url.host);
    else if (time_of(easy, CURLINFO_CONNECT_TIME_T) == 0)
        wire_why_set(out_step, "connect to %s", authority);
    else
        wire_why_set(out_step, "TLS handshake with %s", authority);
}

bool transfer_is_waiting(const struct transfer *transfer)
{
    return !transfer->is_done && transfer->sends == 0 && transfer->job.opening_ns == 0;
}

const struct transfer_head *transfer_get_head(const struct transfer *transfer)
{
    return transfer->has_head ? &transfer->head : NULL;
}

/* ---- End ------------------------------------------------------------------------------------ */

static int explain(const struct transfer *transfer, CURLcode code, struct wire_why *out_why)
{
    if (transfer->stop_code != 0) {
        *out_why = transfer->stop_why;
        return transfer->stop_code;
    }
    struct transfer_failure failure = {
        .code = code,
        .easy = transfer->job.easy,
        .detail = transfer->detail,
        .request = transfer->request,
        .is_sent = transfer->sends > 0,
        .has_head = transfer->has_head,
        .has_answer = transfer->answered_ns != 0,
        .is_withheld = transfer->is_withheld,
        .is_head_too_large = transfer->is_head_too_large,
        .is_length_ambiguous = transfer->is_length_ambiguous,
        .lacks_socket = transfer->job.lacks_socket,
        .max_head_bytes = transfer->fields.text.limit,
    };
    return transfer_error_translate(&failure, out_why);
}

/* The record may go with it: what the result says of it is the transfer's own from now on. */
static void release_connection(struct transfer *transfer, struct transfer_result *result)
{
    if (!transfer->connection)
        return;
    snprintf(transfer->peer, sizeof transfer->peer, "%s", result->connection.peer);
    result->connection.peer = transfer->peer;
    result->connection.origin = transfer->request->url.origin;
    pool_connection_release(transfer->connection);
    transfer->connection = NULL;
}

static void on_job_done(struct pool_job *job, CURLcode code)
{
    struct transfer *transfer = (struct transfer *)job; /* its first member */
    struct transfer_result result = {0};
    transfer->is_done = true;
    measure(transfer, &result);
    if (code == CURLE_OK && !transfer->has_head)
        code = CURLE_GOT_NOTHING; /* libcurl is content with a head that was cut off */
    if (code != CURLE_OK)
        result.code = explain(transfer, code, &result.why);
    release_connection(transfer, &result); /* whoever hears of the end finds it idle */
    transfer->events->on_done(transfer->ctx, &result);
}

/* ---- Life ----------------------------------------------------------------------------------- */

static CURLcode prepare(struct transfer *transfer, const struct config *config, bool waits)
{
    CURL *easy = transfer->job.easy;
    const struct request *request = transfer->request;
    /* Over HTTP/1.1 waiting for a connection would be waiting for somebody else's answer. */
    bool may_multiplex = request->http == WIRE_HTTP_2 ||
                         (request->http == WIRE_HTTP_AUTO && request->url.is_tls &&
                          !pool_speaks_http_1(transfer->pool, request->url.origin));
    CURLcode code = pool_prepare(transfer->pool, &transfer->job, !request_has_identity(request),
                                 waits && may_multiplex);
    if (code == CURLE_OK)
        code = transfer_setup_apply(&transfer->setup, easy, transfer->request, config);
#define SET(option, value)                                                                         \
    if (code == CURLE_OK)                                                                          \
    code = curl_easy_setopt(easy, option, value)
    SET(CURLOPT_ERRORBUFFER, transfer->detail);
    SET(CURLOPT_PREREQFUNCTION, on_prerequest);
    SET(CURLOPT_PREREQDATA, transfer);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, transfer);
    SET(CURLOPT_WRITEFUNCTION, on_write);
    SET(CURLOPT_WRITEDATA, transfer);
#undef SET
    return code;
}

int transfer_create(struct transfer **out_transfer, struct pool *pool, const struct config *config,
                    const struct request *request, bool waits, const struct transfer_events *events,
                    void *ctx, struct wire_why *why)
{
    struct transfer *transfer = calloc(1, sizeof *transfer);
    wire_why_set(why, "the daemon is out of memory");
    if (!transfer)
        return FETCHPOOL_BUSY;
    *transfer = (struct transfer){
        .job = {.easy = curl_easy_init(), .on_done = on_job_done},
        .pool = pool,
        .request = request,
        .events = events,
        .ctx = ctx,
        .started_ns = uv_hrtime(),
        .is_done = true,
    };
    field_list_init(&transfer->fields, config->max_response_header_bytes);
    transfer->head.fields = &transfer->fields;
    CURLcode code = transfer->job.easy ? prepare(transfer, config, waits) : CURLE_OUT_OF_MEMORY;
    if (code != CURLE_OK || pool_add(pool, &transfer->job) < 0) {
        if (code != CURLE_OUT_OF_MEMORY)
            wire_why_set(why, "libcurl does not take the request: %s", curl_easy_strerror(code));
        transfer_destroy(transfer);
        return FETCHPOOL_BUSY;
    }
    transfer->is_done = false;
    *out_transfer = transfer;
    return 0;
}

void transfer_destroy(struct transfer *transfer)
{
    if (!transfer)
        return;
    if (!transfer->is_done)
        pool_remove(transfer->pool, &transfer->job);
    if (transfer->connection)
        pool_connection_release(transfer->connection);
    curl_easy_cleanup(transfer->job.easy);
    transfer_setup_finish(&transfer->setup);
    field_list_finish(&transfer->fields);
    free(transfer);
}
