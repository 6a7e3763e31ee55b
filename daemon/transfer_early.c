/*
 * transfer_early: an answer that comes before the whole upload has gone. Where it is no good news,
 * over HTTP/2, libcurl 8.14 then sends nothing more and, up to status 399, waits for ever for the
 * end of a stream that it does not end itself; from 400 on it resets the stream, and takes its own
 * reset, if it meets it too soon, for the origin's. So such a transfer is ended from here, when its
 * answer is all there.
 */
#include "transfer_internal.h"

#include <stdlib.h>
#include <string.h>

static bool is_upload_unfinished(const struct transfer *transfer)
{
    return transfer->request->has_upload && !transfer->has_sent_all;
}

bool transfer_is_over_http_2(const struct transfer *transfer)
{
    return strcmp(transfer->head.http, "2") == 0;
}

/* A 417 that came when the upload had begun without being asked for: libcurl would send it again,
 * and fail, as some of it is gone. It gives its head, but no body any more. */
static bool is_late_expectation(const struct transfer *transfer)
{
    return transfer->head.status == 417 && transfer->setup.expects_continue &&
           transfer->upload_bytes > 0;
}

static bool is_early(const struct transfer *transfer)
{
    return transfer->has_head && transfer->head.status >= 300 && is_upload_unfinished(transfer) &&
           (transfer_is_over_http_2(transfer) || is_late_expectation(transfer));
}

bool transfer_is_answered_early(const struct transfer *transfer)
{
    if (!is_early(transfer))
        return false;
    if (transfer->head.status == 304 || is_late_expectation(transfer))
        return true;
    struct wire_str length = field_list_find(&transfer->fields, "Content-Length");
    return length.data && strtoull(length.data, NULL, 10) == transfer->body_bytes &&
           !transfer->request->wants_decoding;
}

/*
 * Asked whether it wants the body, the origin has answered without a 100. libcurl takes the end of
 * a good answer (others end the connection by themselves) for the end of both directions. But the
 * origin may read on for the body, and would take for it whatever comes next over that connection.
 */
bool transfer_owes_body(const struct transfer *transfer)
{
    return transfer->setup.expects_continue && transfer->upload_bytes == 0 &&
           is_upload_unfinished(transfer) && !transfer_is_over_http_2(transfer);
}

/*
 * Over HTTP/2 an origin may answer well and end its stream while the upload still goes out. libcurl
 * that meets the end while it sends takes it for a failure to send; the answer is whole if it is as
 * long as it says.
 */
bool transfer_is_whole_anyway(const struct transfer *transfer, CURLcode code)
{
    if (code != CURLE_SEND_ERROR || !transfer->has_head || !transfer_is_over_http_2(transfer))
        return false;
    struct wire_str length = field_list_find(&transfer->fields, "Content-Length");
    return length.data && strtoull(length.data, NULL, 10) == transfer->body_bytes &&
           !transfer->request->wants_decoding;
}

bool transfer_met_own_reset(const struct transfer *transfer, CURLcode code)
{
    return code == CURLE_HTTP2_STREAM && is_early(transfer) && transfer_is_over_http_2(transfer) &&
           strstr(transfer->detail, "STREAM_CLOSED") &&
           !field_list_find(&transfer->fields, "Content-Length").data;
}
