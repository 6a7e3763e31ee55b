/* session: see session.h. What it answers with is in session_reply.c. */
#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "console.h"
#include "fetchpool_wire.h"
#include "log.h"
#include "session_internal.h"

#define NS_PER_MS 1000000

/* ---- Calls: the fetches of a session that run ----------------------------------------------- */

static struct call *find_call(const struct session *session, uint32_t id)
{
    struct call *call;
    HASH_FIND(hh, session->calls, &id, sizeof id, call);
    return call;
}

static struct call *add_call(struct session *session, uint32_t id)
{
    struct call *call = calloc(1, sizeof *call);
    if (!call)
        return NULL;
    call->session = session;
    call->id = id;
    HASH_ADD(hh, session->calls, id, sizeof call->id, call);
    if (!call->hh.tbl) {
        free(call);
        return NULL;
    }
    session->set->in_flight++;
    return call;
}

static void remove_call(struct call *call)
{
    HASH_DEL(call->session->calls, call);
    call->session->set->in_flight--;
    free(call);
}

/* The text dialect answers in order, so it runs one command at a time. */
static size_t most_calls(const struct session *session)
{
    return conn_get_dialect(session->conn) == FRAMER_TEXT
               ? 1
               : session->set->fetches->config->requests_per_client;
}

static void log_abandoned(const struct session *session, const struct request *request)
{
    log_write(LOG_LEVEL_DEBUG, "client pid %d, tag %s: %s %s: client gone",
              (int)conn_get_peer(session->conn).pid, request->tag ? request->tag : "-",
              request->method, request->url.origin);
}

static void abandon_calls(struct session *session)
{
    struct call *call, *next;
    HASH_ITER (hh, session->calls, call, next) {
        log_abandoned(session, fetch_get_request(call->fetch));
        session->held_bytes -= fetch_get_held_bytes(call->fetch);
        fetch_abandon(call->fetch);
        remove_call(call);
    }
}

/* ---- End of a session ----------------------------------------------------------------------- */

void session_close(struct session *session)
{
    abandon_calls(session);
    conn_close(session->conn);
}

/* The client sends no more: when its last answer is written, that is all. */
static void close_if_finished(struct session *session)
{
    if (session->has_input_ended && HASH_COUNT(session->calls) == 0)
        session_close(session);
}

void session_abort(struct session *session)
{
    abandon_calls(session);
    conn_abort(session->conn);
}

static void on_gone(void *ctx)
{
    session_abort(ctx);
}

static void on_closed(void *ctx)
{
    struct session *session = ctx;
    struct session_set *set = session->set;
    abandon_calls(session);
    DL_DELETE(set->first, session);
    set->count--;
    free(session->name);
    free(session->tag);
    free(session);
    set->on_gone(set->ctx);
}

/* ---- fetch ---------------------------------------------------------------------------------- */

static void log_request(const struct session *session, const struct fetch_outcome *outcome)
{
    const struct wire_response *response = outcome->response;
    const struct request *request = outcome->request;
    if (!log_is_on(LOG_LEVEL_DEBUG))
        return;
    const char *tag = request->tag ? request->tag : "-";
    int pid = (int)conn_get_peer(session->conn).pid;
    if (response)
        log_write(LOG_LEVEL_DEBUG,
                  "client pid %d, tag %.60s: %s %s: %u, connection %llu, %s, %llu us", pid, tag,
                  request->method, request->url.origin, (unsigned)response->status,
                  (unsigned long long)response->connection.id,
                  response->connection.is_reused ? "reused" : "new",
                  (unsigned long long)outcome->total_us);
    else
        log_write(LOG_LEVEL_DEBUG, "client pid %d, tag %.60s: %s %s: error %d, %llu us", pid, tag,
                  request->method, request->url.origin, outcome->code,
                  (unsigned long long)outcome->total_us);
}

static void on_fetch_end(void *ctx, const struct fetch_outcome *outcome)
{
    struct call *call = ctx;
    struct session *session = call->session;
    struct session_set *set = session->set;
    uint32_t id = call->id;
    log_request(session, outcome);
    session->held_bytes -= fetch_get_held_bytes(call->fetch);
    remove_call(call);
    session_reply_outcome(session, id, outcome);
    conn_resume(session->conn);
    close_if_finished(session);
    set->on_fetch_end(set->ctx);
}

/* All answers for this client, those that come in and those that it has not read, have one bound.
 */
static int on_hold(void *ctx, size_t bytes)
{
    const struct call *call = ctx;
    struct session *session = call->session;
    size_t unsent = conn_get_bytes_unsent(session->conn);
    if (session->held_bytes + unsent + bytes > session->set->shared->max_unread_bytes)
        return unsent > 0 ? FETCHPOOL_CLIENT_TOO_SLOW : FETCHPOOL_BODY_TOO_LARGE;
    session->held_bytes += bytes;
    return 0;
}

static const struct fetch_events fetch_events = {
    .on_hold = on_hold,
    .on_end = on_fetch_end,
};

static void remember_tag(struct session *session, const struct request *request)
{
    if (!request->tag || (session->tag && strcmp(session->tag, request->tag) == 0))
        return;
    char *copy = strdup(request->tag);
    if (!copy)
        return; /* a table shows the old one */
    free(session->tag);
    session->tag = copy;
}

static void refuse_fetch(struct session *session, uint32_t id, int code, const char *message)
{
    struct stats *stats = session->set->fetches->stats;
    stats->requests++;
    stats->requests_failed++;
    if (code < FETCHPOOL_BUSY)
        stats->requests_refused++;
    log_write(LOG_LEVEL_DEBUG, "client pid %d: refused: error %d",
              (int)conn_get_peer(session->conn).pid, code);
    session_reply_error(session, id, code, message);
}

static void start_fetch(struct session *session, uint32_t id, const struct wire_fetch *asked)
{
    struct wire_why why;
    struct request *request;
    const struct fetch_context *fetches = session->set->fetches;
    if (session->set->is_draining) {
        refuse_fetch(session, id, FETCHPOOL_SHUTTING_DOWN, "the daemon is shutting down");
        return;
    }
    int code = request_create(&request, asked, fetches->config, &why);
    if (code != 0) {
        refuse_fetch(session, id, code, why.text);
        return;
    }
    remember_tag(session, request);
    struct call *call = add_call(session, id);
    if (call)
        call->fetch = fetch_create(fetches, request, &fetch_events, call);
    else
        request_destroy(request);
    if (call && !call->fetch)
        remove_call(call);
    if (!call || !call->fetch)
        refuse_fetch(session, id, FETCHPOOL_BUSY, "the daemon is out of memory");
    if (HASH_COUNT(session->calls) >= most_calls(session))
        conn_pause(session->conn);
}

/* ---- Messages ------------------------------------------------------------------------------- */

static void on_request_fetch(struct session *session, const struct wire_message *message)
{
    struct wire_fetch asked;
    struct wire_why why;
    int result = wire_fetch_decode(&asked, message->params, &why);
    if (result == -ENOMEM) {
        refuse_fetch(session, message->id, FETCHPOOL_BUSY, "the daemon is out of memory");
    } else if (result < 0) {
        refuse_fetch(session, message->id, FETCHPOOL_BAD_REQUEST, why.text);
    } else {
        start_fetch(session, message->id, &asked);
        wire_fetch_finish(&asked);
    }
}

static void on_request_hello(struct session *session, const struct wire_message *message)
{
    struct wire_hello hello;
    struct wire_why why;
    size_t most = session->set->fetches->config->max_name_bytes;
    int result = wire_hello_decode(&hello, message->params, &why);
    if (result == 0 && hello.client.length > most)
        result = wire_why_set(&why, "client is %zu bytes long; at most %zu are allowed",
                              hello.client.length, most);
    if (result < 0) {
        session_reply_error(session, message->id, FETCHPOOL_BAD_REQUEST, why.text);
        return;
    }
    session->said_hello = true;
    if (hello.client.data) {
        free(session->name);
        session->name = strndup(hello.client.data, hello.client.length);
    }
    session_reply_query(session, message->id, "hello");
    if (session->set->is_draining)
        session_say_goaway(session);
}

/* The methods without params of their own still have the form of any. */
static void on_request_query(struct session *session, const struct wire_message *message,
                             const char *method)
{
    const struct fetchpool_value *map;
    struct wire_why why;
    if (wire_params_map(message->params, &map, &why) < 0)
        session_reply_error(session, message->id, FETCHPOOL_BAD_REQUEST, why.text);
    else
        session_reply_query(session, message->id, method);
}

static void on_request(struct session *session, const struct wire_message *message)
{
    struct wire_why why;
    session->requests++;
    if (find_call(session, message->id)) {
        wire_why_set(&why, "id %lu is in use by a request that has not ended",
                     (unsigned long)message->id);
        session_reply_error(session, message->id, FETCHPOOL_DUPLICATE_ID, why.text);
        return;
    }
    const char *query = session_find_query(message->method);
    if (wire_str_is(message->method, "fetch")) {
        on_request_fetch(session, message);
    } else if (wire_str_is(message->method, "hello")) {
        on_request_hello(session, message);
    } else if (query) {
        on_request_query(session, message, query);
    } else {
        wire_why_set(&why, "unknown method \"%.*s\"",
                     (int)(message->method.length < 60 ? message->method.length : 60),
                     message->method.data);
        session_reply_error(session, message->id, FETCHPOOL_UNKNOWN_METHOD, why.text);
    }
}

/* A broken client is closed, after one line in the log. */
static void offend(struct session *session, const char *reason)
{
    struct session_set *set = session->set;
    struct conn_peer peer = conn_get_peer(session->conn);
    set->fetches->stats->messages_broken++;
    offence_log_write(set->offences, uv_hrtime() / NS_PER_MS, peer.uid, peer.pid, reason);
    session_close(session);
}

static void on_message(void *ctx, const uint8_t *bytes, size_t length)
{
    struct session *session = ctx;
    struct wire_message message;
    struct wire_why why = {"the daemon has no memory for its message"};
    if (wire_message_open(&message, bytes, length, &why) < 0) {
        offend(session, why.text);
        return;
    }
    bool is_response = message.kind == WIRE_RESPONSE;
    if (message.kind == WIRE_REQUEST)
        on_request(session, &message); /* notifications belong to streams: none is known yet */
    wire_message_close(&message);
    if (is_response)
        offend(session, "it sent a response; only the daemon does");
}

/* ---- Lines ---------------------------------------------------------------------------------- */

static void on_line_fetch(struct session *session, const struct console_command *command)
{
    struct wire_fetch asked;
    wire_fetch_init(&asked);
    asked.url = command->url;
    asked.method = wire_str_of(command->method);
    start_fetch(session, 0, &asked);
}

static void on_line(void *ctx, const char *bytes, size_t length)
{
    struct session *session = ctx;
    struct console_command command;
    console_parse(&command, bytes, length);
    session->requests += command.action != CONSOLE_NOTHING;
    switch (command.action) {
    case CONSOLE_NOTHING:
        break;
    case CONSOLE_FETCH:
        on_line_fetch(session, &command);
        break;
    case CONSOLE_QUERY:
        session_reply_query(session, 0, command.method);
        break;
    case CONSOLE_HELP:
        session_reply_help(session);
        break;
    case CONSOLE_QUIT:
        session_close(session);
        break;
    case CONSOLE_WRONG:
        session_reply_error(session, 0, 0, command.why.text);
        break;
    }
}

/* ---- What else the conn says ---------------------------------------------------------------- */

static void on_fault(void *ctx, const struct framer_fault *fault)
{
    struct session *session = ctx;
    int code = fault->is_too_large ? FETCHPOOL_TOO_LARGE : FETCHPOOL_BAD_REQUEST;
    if (fault->has_id || conn_get_dialect(session->conn) == FRAMER_TEXT)
        session_reply_error(session, fault->id, code, fault->reason);
    offend(session, fault->reason);
}

static void on_end(void *ctx)
{
    struct session *session = ctx;
    session->has_input_ended = true;
    close_if_finished(session);
}

static const struct conn_events conn_events = {
    .on_message = on_message,
    .on_line = on_line,
    .on_fault = on_fault,
    .on_end = on_end,
    .on_gone = on_gone,
    .on_closed = on_closed,
};

/* ---- Life ----------------------------------------------------------------------------------- */

int session_accept(struct session_set *set, uv_stream_t *server)
{
    struct session *session = calloc(1, sizeof *session);
    if (!session)
        return -ENOMEM;
    session->set = set;
    int result = conn_accept(&session->conn, server, set->shared, &conn_events, session);
    if (result < 0) {
        free(session);
        return result;
    }
    DL_APPEND(set->first, session);
    set->count++;
    set->fetches->stats->clients_accepted++;
    return 0;
}
