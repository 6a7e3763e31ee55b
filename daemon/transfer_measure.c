/* transfer_measure: where a transfer's time went, and at what it is. Reads only. */
#include "transfer_internal.h"

#include "transfer_error.h"

uint64_t transfer_get_number(const struct transfer *transfer, CURLINFO info)
{
    curl_off_t number = 0;
    curl_easy_getinfo(transfer->job.easy, info, &number);
    return number > 0 ? (uint64_t)number : 0;
}

/* Before it has begun to open a connection, its numbers may be of an earlier use of its handle. */
bool transfer_is_connected(const struct transfer *transfer)
{
    return transfer->job.opening_ns != 0 &&
           transfer_get_number(transfer, CURLINFO_CONNECT_TIME_T) > 0;
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
    if (transfer->job.opening_ns == 0)
        return;
    uint64_t resolved = transfer_get_number(transfer, CURLINFO_NAMELOOKUP_TIME_T);
    uint64_t connected = transfer_get_number(transfer, CURLINFO_CONNECT_TIME_T);
    uint64_t secured = transfer_get_number(transfer, CURLINFO_APPCONNECT_TIME_T);
    uint64_t left_us = difference(transfer->sent_ns, transfer->job.opening_ns) / NS_PER_US;
    out_result->tls_us = take_share(&left_us, difference(secured, connected));
    out_result->connect_us = take_share(&left_us, difference(connected, resolved));
    uint64_t waited_us = difference(transfer->job.opening_ns, transfer->started_ns) / NS_PER_US;
    out_result->resolve_us = take_share(&left_us, difference(resolved, waited_us));
}

void transfer_measure(const struct transfer *transfer, struct transfer_result *out_result)
{
    if (transfer->job.connection && transfer->sends > 0)
        out_result->connection = pool_connection_info(transfer->job.connection);
    out_result->is_connection_reused = transfer->is_reused;
    if (!transfer->is_reused)
        measure_opening(transfer, out_result);
    if (transfer->answered_ns)
        out_result->first_byte_us = difference(transfer->answered_ns, transfer->sent_ns) /
                                    NS_PER_US;
}

void transfer_describe_step(const struct transfer *transfer, struct wire_why *out_step)
{
    char authority[300];
    transfer_error_authority(transfer->request, authority, sizeof authority);
    if (transfer->has_head)
        wire_why_set(out_step, "the body from %s", authority);
    else if (transfer->sends > 0)
        wire_why_set(out_step, "the answer of %s", authority);
    else if (transfer_get_number(transfer, CURLINFO_NAMELOOKUP_TIME_T) == 0)
        wire_why_set(out_step, "look-up of %s", transfer->request->url.host);
    else if (transfer_get_number(transfer, CURLINFO_CONNECT_TIME_T) == 0)
        wire_why_set(out_step, "connect to %s", authority);
    else
        wire_why_set(out_step, "TLS handshake with %s", authority);
}
