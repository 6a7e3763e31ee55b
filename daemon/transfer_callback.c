/*
 * transfer_callback: what libcurl calls while a transfer runs, and what it tells the transfer's
 * owner. Nothing of libcurl may be called from here but curl_easy_pause(), curl_easy_getinfo() and
 * curl_easy_setopt().
 */
#include "transfer_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "request_field.h"

/* Once: what libcurl wants to send again gets no socket, and what is to be sent again is sent by
 * whoever made the transfer. */
static int begin_to_send(struct transfer *transfer, const struct pool_path *path)
{
    if (transfer->sends > 0 || pool_connection_use(&transfer->job, path, &transfer->is_reused) < 0)
        return CURL_PREREQFUNC_ABORT;
    transfer->sent_ns = uv_hrtime();
    if (!transfer->is_reused)
        pool_connection_note_opening(transfer->job.connection,
                                     (transfer->sent_ns - transfer->job.opening_ns) / NS_PER_US);
    transfer->sends++;
    transfer->events->on_sent(transfer->ctx);
    return CURL_PREREQFUNC_OK;
}

static int on_prerequest(void *ctx, char *remote_ip, char *local_ip, int remote_port,
                         int local_port)
{
    struct transfer *transfer = ctx;
    struct pool_path path = {remote_ip, remote_port, local_port};
    (void)local_ip;
    pool_callback_begin(transfer->pool);
    int result = begin_to_send(transfer, &path);
    pool_callback_end(transfer->pool);
    return result;
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
    transfer->answered_ns = uv_hrtime(); /* an interim answer is none */
    transfer->head.http = version_name(line);
    transfer->head.status = space ? (unsigned)strtoul(space + 1, NULL, 10) : 0;
}

/*
 * A 417 to our Expect. libcurl would send the request again, on the same connection; but an origin
 * may still wait there for the body that was announced, and take the next request for it. So the
 * connection ends here.
 */
static bool refuses_expect(const struct transfer *transfer)
{
    return transfer->head.status == 417 && transfer->setup.expects_continue &&
           transfer->sends == 1 && transfer->upload_bytes == 0 &&
           !transfer_is_over_http_2(transfer);
}

/*
 * gzip makes at most a thousandfold of what comes in. Others, and one within another, have no such
 * bound: brotli's decoder makes up to 16 MiB out of a few bytes before it gives any of it. And a
 * streamed body is decoded while its client may take nothing of it. So they are not taken.
 */
static const char *find_bad_coding(const struct transfer *transfer)
{
    unsigned codings = 0;
    const struct wire_field *fields = field_list_fields(&transfer->fields);
    for (size_t i = 0; i < transfer->fields.count; i++) {
        const char *value = fields[i].value.data;
        if (strcasecmp(fields[i].name.data, "Content-Encoding") != 0)
            continue;
        if (strcasestr(value, "br") || strcasestr(value, "zstd"))
            return "a content coding that was not asked for";
        if (++codings > 1 || strchr(value, ','))
            return "more than one content coding";
    }
    return NULL;
}

static bool has_bad_coding(struct transfer *transfer)
{
    const struct request *request = transfer->request;
    const char *fault = request->wants_decoding ? find_bad_coding(transfer) : NULL;
    if (fault)
        wire_why_set(&transfer->stop_why, "the answer of %s has %s", request->url.origin, fault);
    return fault;
}

static int end_head(struct transfer *transfer)
{
    if (transfer->head.status < 200 && transfer->head.status != 101)
        return 0; /* interim: another head follows */
    transfer->is_expect_refused = refuses_expect(transfer);
    if (transfer->is_expect_refused)
        return -ECANCELED;
    transfer->has_head = true;
    if (transfer_owes_body(transfer))
        curl_easy_setopt(transfer->job.easy, CURLOPT_FORBID_REUSE, 1L);
    pool_connection_note_answer(transfer->pool, transfer->job.connection, transfer->head.http,
                                field_list_find(&transfer->fields, "Keep-Alive").data);
    if (has_bad_coding(transfer)) {
        transfer->stop_code = FETCHPOOL_DECODE;
        return -ECANCELED;
    }
    int code = transfer->events->on_head(transfer->ctx, &transfer->head, &transfer->stop_why);
    transfer->is_enough = code == TRANSFER_ENOUGH ||
                          (code == 0 && transfer_is_answered_early(transfer));
    transfer->stop_code = transfer->is_enough ? 0 : code;
    return code == 0 && !transfer->is_enough ? 0 : -ECANCELED;
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
    if (line.data[0] == ' ' || line.data[0] == '\t') /* RFC 9112, 5.2: it goes on */
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

static int add_trailer_line(struct transfer *transfer, struct wire_str line)
{
    const char *colon = memchr(line.data, ':', line.length);
    if (!colon)
        return 0; /* the empty line behind them */
    struct wire_str name = {line.data, (size_t)(colon - line.data)};
    struct wire_str value = {colon + 1, line.length - name.length - 1};
    return note_size(transfer,
                     field_list_add(&transfer->trailers, name, request_field_trim(value)));
}

static bool is_line_end(char byte)
{
    return byte == '\r' || byte == '\n';
}

/* 0, or a negative errno that ends the transfer. */
static int take_line(struct transfer *transfer, struct wire_str line)
{
    pool_note_activity(&transfer->job);
    while (line.length > 0 && is_line_end(line.data[line.length - 1]))
        line.length--;
    if (transfer->has_head)
        return add_trailer_line(transfer, line);
    if (line.length >= 5 && memcmp(line.data, "HTTP/", 5) == 0) {
        begin_head(transfer, line);
        return 0;
    }
    if (transfer->answered_ns == 0)
        transfer->answered_ns = uv_hrtime();
    if (line.length > 0)
        return add_header_line(transfer, line);
    pool_callback_begin(transfer->pool);
    int result = end_head(transfer);
    pool_callback_end(transfer->pool);
    return result;
}

/* Once per line, with its line end; anything but the count back ends the transfer. Up to the head's
 * end only this transfer is touched. */
static size_t on_header(char *bytes, size_t unit, size_t count, void *ctx)
{
    struct transfer *transfer = ctx;
    struct wire_str line = {bytes, unit * count};
    return take_line(transfer, line) == 0 ? unit * count : 0;
}

/*
 * A transfer that is resumed and refuses at once is read for by libcurl all the same, as it holds
 * the socket for writable: 16 KiB more, for whichever stream. With its way out paused as well,
 * which without an upload means nothing, it is not.
 */
static size_t refuse(struct transfer *transfer)
{
    transfer->is_receive_paused = true;
    transfer->is_everyday = false;
    transfer->refused_at = transfer_get_number(transfer, CURLINFO_SIZE_DOWNLOAD_T);
    if (!transfer->request->has_upload)
        curl_easy_pause(transfer->job.easy, CURLPAUSE_ALL);
    return CURL_WRITEFUNC_PAUSE;
}

/*
 * To refuse bytes is the only sound way to make libcurl stop. curl_easy_pause() lets an HTTP/2
 * stream go on, and its window be filled up, whenever another stream of its connection is read;
 * and while bytes are pending, 8.14 asks to be called again at once, for ever. What the origin was
 * granted before the refusal, libcurl keeps.
 */
static size_t take_bytes(struct transfer *transfer, const uint8_t *bytes, size_t length)
{
    pool_note_activity(&transfer->job);
    int code = transfer->events->on_body(transfer->ctx, bytes, length, &transfer->stop_why);
    if (code == TRANSFER_REFUSED)
        return refuse(transfer);
    transfer->body_bytes += length;
    transfer->stop_code = code;
    transfer->is_enough = code == 0 && transfer_is_answered_early(transfer);
    return code == 0 && !transfer->is_enough ? length : CURL_WRITEFUNC_ERROR;
}

static size_t on_write(char *bytes, size_t unit, size_t count, void *ctx)
{
    struct transfer *transfer = ctx;
    pool_callback_begin(transfer->pool);
    size_t taken = take_bytes(transfer, (const uint8_t *)bytes, unit * count);
    pool_callback_end(transfer->pool);
    return taken;
}

static size_t give_bytes(struct transfer *transfer, uint8_t *buffer, size_t size)
{
    size_t length;
    pool_note_activity(&transfer->job);
    switch (transfer->events->on_read(transfer->ctx, buffer, size, &length)) {
    case TRANSFER_READ_SOME:
        transfer->upload_bytes += length;
        transfer->has_sent_all = transfer->upload_bytes == transfer->request->upload_size;
        return length;
    case TRANSFER_READ_LATER:
        transfer->is_send_paused = true;
        transfer->is_everyday = false;
        return CURL_READFUNC_PAUSE;
    case TRANSFER_READ_END:
        break;
    }
    transfer->has_sent_all = true;
    return 0;
}

static size_t on_read(char *buffer, size_t unit, size_t count, void *ctx)
{
    struct transfer *transfer = ctx;
    pool_callback_begin(transfer->pool);
    size_t given = give_bytes(transfer, (uint8_t *)buffer, unit * count);
    pool_callback_end(transfer->pool);
    return given;
}

CURLcode transfer_set_callbacks(struct transfer *transfer)
{
    CURL *easy = transfer->job.easy;
    CURLcode code = CURLE_OK;
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
    SET(CURLOPT_READFUNCTION, on_read);
    SET(CURLOPT_READDATA, transfer);
#undef SET
    return code;
}
