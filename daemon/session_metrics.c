/*
 * session_metrics: the daemon's numbers for one who asks: `stats`, `GET /metrics` as a line, and
 * the same over HTTP, which is answered once and ends the session, whatever stands behind it.
 */
#include "session_internal.h"

#include <errno.h>
#include <stdio.h>

#include "console_http.h"
#include "metrics.h"

#define NS_PER_MS 1000000

void session_measure(const struct session *session, struct stats_gauges *out_gauges)
{
    const struct session_set *set = session->set;
    const struct dispatch *dispatch = set->fetches->dispatch;
    session_set_gather_stats(set);
    *out_gauges = (struct stats_gauges){
        .uptime_ms = (uv_hrtime() - set->started_ns) / NS_PER_MS,
        .loop_busy_max_us = loop_meter_busy_max_us(set->meter),
        .clients = set->count,
        .in_flight = set->in_flight,
        .paused_streams = set->fetches->stalls->count,
        .paused_bytes = set->fetches->stalls->bytes,
        .queued = dispatch->admission.queued,
        .connections = pool_connection_count(dispatch->pool),
        .opening = pool_opening_count(dispatch->pool),
        .looking_up = pool_look_up_count(dispatch->pool),
        .origins = HASH_COUNT(dispatch->origins->by_name),
    };
}

static void write_metrics(const struct session *session, struct buffer *out)
{
    const struct session_set *set = session->set;
    struct stats_gauges gauges;
    session_measure(session, &gauges);
    struct metrics_source source = {
        .stats = set->fetches->stats,
        .gauges = &gauges,
        .pool = set->fetches->dispatch->pool,
        .origins = set->fetches->dispatch->origins,
        .started_at_ms = set->started_at_ms,
    };
    metrics_write(out, &source);
}

void session_reply_metrics(struct session *session)
{
    struct buffer *out = conn_output(session->conn);
    size_t mark = out->length;
    write_metrics(session, out);
    session_finish_reply(session, 0, mark);
}

/* ---- Over HTTP ------------------------------------------------------------------------------ */

/* Where even a short answer does not fit, the client has long stopped reading. */
static void answer(struct session *session, const struct console_http_answer *what)
{
    struct buffer *out = conn_output(session->conn);
    size_t mark = out->length;
    console_http_write(out, what);
    if (out->error != 0) {
        buffer_truncate(out, mark);
        session_abort(session);
        return;
    }
    conn_flush(session->conn);
}

static void refuse(struct session *session, unsigned status, const char *sentence,
                   bool is_head_only)
{
    char body[sizeof(struct wire_why) + 2];
    int length = snprintf(body, sizeof body, "%s\n", sentence);
    answer(session, &(struct console_http_answer){
                        .status = status,
                        .type = CONSOLE_HTTP_TEXT_TYPE,
                        .body = {body, (size_t)length},
                        .is_head_only = is_head_only,
                    });
}

void session_refuse_head(struct session *session, unsigned status, const char *sentence)
{
    refuse(session, status, sentence, false);
}

static void answer_metrics(struct session *session, bool is_head_only)
{
    struct buffer body;
    buffer_init(&body, conn_output(session->conn)->limit);
    write_metrics(session, &body);
    if (body.error != 0)
        refuse(session, 500,
               body.error == -EMSGSIZE
                   ? "the metrics are longer than [limits] max_unread; lower [metrics] origins"
                   : "the daemon is out of memory",
               is_head_only);
    else
        answer(session, &(struct console_http_answer){
                            .status = 200,
                            .type = CONSOLE_HTTP_METRICS_TYPE,
                            .body = {(const char *)body.data, body.length},
                            .is_head_only = is_head_only,
                        });
    buffer_finish(&body);
}

void session_answer_head(struct session *session, const char *head, size_t length)
{
    struct console_http_request request;
    console_http_parse(&request, head, length);
    session->requests++;
    if (session->is_surplus)
        refuse(session, 503, "this user has too many connections ([limits] clients_per_user)",
               request.is_head_only);
    else if (request.status != 200)
        refuse(session, request.status, request.why.text, request.is_head_only);
    else
        answer_metrics(session, request.is_head_only);
    session_close(session);
}
