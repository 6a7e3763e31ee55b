/*
 * session_reply: what a session answers, in the dialect of its client. Encoded once, straight into
 * the conn's output; an answer that does not fit there is undone and replaced by error 206.
 */
#include "session_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "console.h"
#include "report.h"

#define NS_PER_MS 1000000

static bool is_text(const struct session *session)
{
    return conn_get_dialect(session->conn) == FRAMER_TEXT;
}

/* ---- Errors --------------------------------------------------------------------------------- */

static void write_error(struct session *session, uint32_t id, int code, const char *message)
{
    struct buffer *out = conn_output(session->conn);
    if (is_text(session))
        console_write_error(out, code, message);
    else
        wire_put_error(out, id, code, message);
}

int session_describe_loss(int result, struct wire_why *why)
{
    bool is_full = result == -EMSGSIZE;
    wire_why_set(why, "%s",
                 is_full ? "the client has too many bytes of answers unread"
                         : "the daemon is out of memory");
    return is_full ? FETCHPOOL_CLIENT_TOO_SLOW : FETCHPOOL_INTERNAL;
}

/*
 * Ends an answer, or a stream: sends it, or, if it did not fit behind what the client has not read
 * yet or there was no memory, says that instead. Where not even that fits, the client is not
 * reading at all.
 */
static void finish(struct session *session, uint32_t id, size_t mark, bool is_stream)
{
    struct buffer *out = conn_output(session->conn);
    if (out->error != 0) {
        struct wire_why why;
        int code = session_describe_loss(out->error, &why);
        buffer_truncate(out, mark);
        if (is_stream)
            wire_put_stream_error(out, id, code, why.text);
        else
            write_error(session, id, code, why.text);
    }
    if (out->error != 0) {
        buffer_truncate(out, mark);
        session_abort(session); /* better no connection than a request without an answer */
        return;
    }
    conn_flush(session->conn);
}

void session_finish_reply(struct session *session, uint32_t id, size_t mark)
{
    finish(session, id, mark, false);
}

void session_reply_help(struct session *session)
{
    struct buffer *out = conn_output(session->conn);
    size_t mark = out->length;
    console_write_help(out);
    session_finish_reply(session, 0, mark);
}

void session_reply_error(struct session *session, uint32_t id, int code, const char *message)
{
    size_t mark = conn_output(session->conn)->length;
    write_error(session, id, code, message);
    session_finish_reply(session, id, mark);
}

static void write_check(const struct session *session, struct buffer *out, uint32_t id,
                        const struct fetch_check *check)
{
    if (is_text(session)) {
        report_check_text(out, check, session->policy->name);
        return;
    }
    wire_put_result(out, id);
    report_check(out, check, session->policy->name);
}

void session_reply_outcome(struct session *session, uint32_t id,
                           const struct fetch_outcome *outcome)
{
    struct buffer *out = conn_output(session->conn);
    size_t mark = out->length;
    if (outcome->code != 0 && outcome->has_begun)
        wire_put_stream_error(out, id, outcome->code, outcome->message);
    else if (outcome->code != 0)
        write_error(session, id, outcome->code, outcome->message);
    else if (outcome->end)
        wire_put_end(out, id, outcome->end);
    else if (outcome->check)
        write_check(session, out, id, outcome->check);
    else if (is_text(session))
        console_write_response(out, outcome->response);
    else
        wire_response_encode(out, id, outcome->response);
    finish(session, id, mark, outcome->has_begun);
}

int session_begin_stream(struct session *session, uint32_t id, const struct wire_response *response)
{
    struct buffer *out = conn_output(session->conn);
    size_t mark = out->length;
    wire_response_encode(out, id, response);
    int result = out->error;
    if (result != 0)
        buffer_truncate(out, mark);
    conn_flush(session->conn);
    return result;
}

/* One that does not fit is left out: the upload ends as stalled, as its client has long. Without
 * memory the client would wait for it in vain. */
void session_say_window(struct session *session, uint32_t id, uint64_t bytes)
{
    struct buffer *out = conn_output(session->conn);
    size_t mark = out->length;
    wire_put_window(out, id, bytes);
    if (out->error == -ENOMEM)
        conn_break_off(session->conn);
    if (out->error != 0)
        buffer_truncate(out, mark);
    conn_flush(session->conn);
}

void session_say_goaway(struct session *session)
{
    struct buffer *out = conn_output(session->conn);
    size_t mark = out->length;
    wire_put_goaway(out, "the daemon is shutting down");
    if (out->error != 0)
        buffer_truncate(out, mark); /* it has not read for long and will see the end itself */
    conn_flush(session->conn);
}

/* ---- Informative methods -------------------------------------------------------------------- */

static void put_hello(const struct session *session, struct buffer *out)
{
    report_hello(out, session->set->fetches->config, session->policy, session->set->pool_id);
}

static void put_ping(const struct session *session, struct buffer *out)
{
    (void)session;
    wire_put_text(out, "pong");
}

static void put_stats(const struct session *session, struct buffer *out)
{
    struct stats_gauges gauges;
    session_measure(session, &gauges);
    report_stats(out, session->set->fetches->stats, &gauges, session->set->pool_id);
}

static void put_connections(const struct session *session, struct buffer *out)
{
    struct report_viewer viewer = {
        .uid = conn_get_peer(session->conn).uid,
        .sees_all = session_sees_all(session),
    };
    report_connections(out, session->set->fetches->dispatch->pool, &viewer);
}

static void put_origins(const struct session *session, struct buffer *out)
{
    report_origins(out, session->set->fetches->dispatch->origins, uv_hrtime() / NS_PER_MS);
}

/* The kernel's name for a process: its /proc/PID/comm. Empty if it has gone. */
static void read_process_name(pid_t pid, char *out_name, size_t size)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    FILE *file = fopen(path, "re");
    size_t length = file ? fread(out_name, 1, size - 1, file) : 0;
    if (file)
        fclose(file);
    while (length > 0 && out_name[length - 1] == '\n')
        length--;
    out_name[length] = '\0';
}

/* Asked once: a name in the process table costs system calls for each client. */
static void remember_process_name(struct session *session)
{
    char process[64] = "";
    if (session->name)
        return;
    read_process_name(conn_get_peer(session->conn).pid, process, sizeof process);
    session->name = strdup(process); /* without memory, the next table asks again */
}

static void put_client(struct buffer *out, struct session *session)
{
    struct conn_peer peer = conn_get_peer(session->conn);
    remember_process_name(session);
    struct report_client client = {
        .pid = peer.pid,
        .uid = peer.uid,
        .gid = peer.gid,
        .name = wire_str_of(session->name ? session->name : ""),
        .in_flight = HASH_COUNT(session->calls),
        .queued = session_count_queued(session),
        .requests = session->requests,
        .bytes = conn_get_bytes_written(session->conn),
        .tag = wire_str_of(session->tag ? session->tag : ""),
    };
    report_client_row(out, &client);
}

/* What others do is not everybody's to see. */
static bool is_visible(const struct session *session, const struct session *other)
{
    return session_sees_all(session) ||
           conn_get_peer(other->conn).uid == conn_get_peer(session->conn).uid;
}

static void put_clients(const struct session *session, struct buffer *out)
{
    struct session *each;
    size_t count = 0;
    DL_FOREACH (session->set->first, each)
        count += is_visible(session, each);
    wire_put_array(out, count);
    DL_FOREACH (session->set->first, each) {
        if (is_visible(session, each))
            put_client(out, each);
    }
}

static const struct query {
    const char *method;
    void (*put)(const struct session *session, struct buffer *out);
} queries[] = {
    {"hello", put_hello},     {"ping", put_ping},
    {"stats", put_stats},     {"connections", put_connections},
    {"origins", put_origins}, {"clients", put_clients},
};

#define QUERY_COUNT (sizeof queries / sizeof queries[0])

const char *session_find_query(struct wire_str method)
{
    for (size_t i = 0; i < QUERY_COUNT; i++) {
        if (wire_str_is(method, queries[i].method))
            return queries[i].method;
    }
    return NULL;
}

static void put_query(const struct session *session, struct buffer *out, const char *method)
{
    for (size_t i = 0; i < QUERY_COUNT; i++) {
        if (strcmp(method, queries[i].method) == 0)
            queries[i].put(session, out);
    }
}

/* As text, the message is made all the same and shown as a table: one account of each row. */
static void write_query_as_text(const struct session *session, struct buffer *out,
                                const char *method)
{
    struct buffer message;
    buffer_init(&message, out->limit);
    wire_put_result(&message, 0);
    put_query(session, &message, method);
    if (message.error == 0)
        console_write_result(out, message.data, message.length);
    else
        console_write_error(out, 0, "the daemon is out of memory");
    buffer_finish(&message);
}

void session_reply_result(struct session *session, uint32_t id, const struct session_result *result)
{
    struct buffer *out = conn_output(session->conn);
    size_t mark = out->length;
    if (is_text(session)) {
        result->put_text(out, result->data);
    } else {
        wire_put_result(out, id);
        result->put(out, result->data);
    }
    session_finish_reply(session, id, mark);
}

void session_reply_query(struct session *session, uint32_t id, const char *method)
{
    struct buffer *out = conn_output(session->conn);
    size_t mark = out->length;
    if (is_text(session)) {
        write_query_as_text(session, out, method);
    } else {
        wire_put_result(out, id);
        put_query(session, out, method);
    }
    session_finish_reply(session, id, mark);
}
