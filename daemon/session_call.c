/*
 * session_call: the calls of a session, that is its fetches that run: their table by id, what they
 * tell the client, and which of them waits for room in its socket.
 */
#include "session_internal.h"

#include <stdlib.h>
#include <string.h>

#include <utlist.h>

/* ---- The table ------------------------------------------------------------------------------ */

struct call *session_find_call(const struct session *session, uint32_t id)
{
    struct call *call;
    HASH_FIND(hh, session->calls, &id, sizeof id, call);
    return call;
}

static struct call *add_call(struct session *session, uint32_t id, bool is_stream)
{
    struct call *call = malloc(sizeof *call);
    if (!call)
        return NULL;
    *call = (struct call){.session = session, .id = id, .is_stream = is_stream};
    HASH_ADD(hh, session->calls, id, sizeof call->id, call);
    if (!call->hh.tbl) {
        free(call);
        return NULL;
    }
    session->set->in_flight++;
    session->streams += is_stream;
    return call;
}

static void remove_call(struct call *call)
{
    struct session *session = call->session;
    if (call->wants_room)
        DL_DELETE(session->crowded, call);
    HASH_DEL(session->calls, call);
    session->set->in_flight--;
    session->streams -= call->is_stream;
    free(call);
}

/* The text dialect answers in order, so it runs one command at a time. */
static size_t most_calls(const struct session *session)
{
    return conn_get_dialect(session->conn) == FRAMER_TEXT ? 1
                                                          : session->policy->requests_per_client;
}

size_t session_count_queued(const struct session *session)
{
    struct call *call, *next;
    size_t count = 0;
    HASH_ITER (hh, session->calls, call, next)
        count += fetch_is_queued(call->fetch);
    return count;
}

void session_abandon_calls(struct session *session)
{
    struct call *call, *next;
    HASH_ITER (hh, session->calls, call, next) {
        session_log_abandoned(call);
        session->held_bytes -= fetch_get_held_bytes(call->fetch);
        fetch_abandon(call->fetch);
        remove_call(call);
    }
}

/* ---- The end of one ------------------------------------------------------------------------- */

static void on_fetch_end(void *ctx, const struct fetch_outcome *outcome)
{
    struct call *call = ctx;
    struct session *session = call->session;
    struct session_set *set = session->set;
    uint32_t id = call->id;
    session_log_end(call, outcome);
    session->held_bytes -= fetch_get_held_bytes(call->fetch);
    remove_call(call);
    session_reply_outcome(session, id, outcome);
    conn_resume(session->conn);
    session_close_if_finished(session);
    set->on_fetch_end(set->ctx);
}

static void on_verdict(void *ctx, const struct request *request,
                       const struct policy_verdict *verdict)
{
    const struct call *call = ctx;
    session_log_verdict(call->session, request, verdict);
}

/* All answers for this client, those that come in and those that it has not read, have one bound.
 */
static int on_hold(void *ctx, size_t bytes)
{
    const struct call *call = ctx;
    struct session *session = call->session;
    size_t unsent = conn_get_bytes_unsent(session->conn);
    if (session->held_bytes + unsent + bytes > session->set->shared->max_unread_bytes)
        return conn_has_room(session->conn) ? FETCHPOOL_BODY_TOO_LARGE : FETCHPOOL_CLIENT_TOO_SLOW;
    session->held_bytes += bytes;
    return 0;
}

/* ---- Streams: these come from inside libcurl ------------------------------------------------- */

static int on_response(void *ctx, const struct wire_response *response, struct wire_why *why)
{
    const struct call *call = ctx;
    int result = session_begin_stream(call->session, call->id, response);
    return result == 0 ? 0 : session_describe_loss(result, why);
}

/* The calls get room in the order in which they asked for it. */
static void join_crowd(struct call *call)
{
    if (!call->wants_room)
        DL_APPEND(call->session->crowded, call);
    call->wants_room = true;
}

static bool has_room(void *ctx)
{
    struct call *call = ctx;
    if (conn_has_room(call->session->conn))
        return true;
    join_crowd(call);
    return false;
}

static void on_data(void *ctx, const uint8_t *bytes, size_t length)
{
    const struct call *call = ctx;
    uint8_t head[WIRE_DATA_HEAD_BYTES];
    size_t head_length = wire_data_head(head, call->id, length);
    conn_write(call->session->conn, head, head_length, bytes, length);
}

static void on_grant(void *ctx, uint64_t bytes)
{
    const struct call *call = ctx;
    session_say_window(call->session, call->id, bytes);
}

static const struct fetch_events fetch_events = {
    .on_verdict = on_verdict,
    .on_hold = on_hold,
    .on_response = on_response,
    .has_room = has_room,
    .on_data = on_data,
    .on_grant = on_grant,
    .on_end = on_fetch_end,
};

/* Without this each would stop only when some of its body has come in vain, and over HTTP/2 one
 * that has not stopped yet brings some of all. */
void session_hold_streams(struct session *session)
{
    struct call *call, *next;
    HASH_ITER (hh, session->calls, call, next) {
        if (call->is_stream && fetch_hold(call->fetch))
            join_crowd(call);
    }
}

/*
 * The next to get room: the first that asked of which something has come already, or more would be
 * read for others while that waits; then the first that asked. The latter not while the session
 * holds its streams.
 */
static struct call *next_in_crowd(const struct session *session)
{
    struct call *call;
    DL_FOREACH (session->crowded, call) {
        if (fetch_get_waiting_bytes(call->fetch) > 0)
            return call;
    }
    return session->group.is_holding ? NULL : session->crowded;
}

void session_give_room(struct session *session)
{
    struct call *call;
    while (conn_has_room(session->conn) && (call = next_in_crowd(session))) {
        DL_DELETE(session->crowded, call);
        call->wants_room = false;
        fetch_resume(call->fetch); /* it may ask again, or end */
    }
}

/* One at a time: an answer that does not fit ends all calls of the session. */
static struct call *find_unfinished_upload(const struct session *session)
{
    struct call *call, *next;
    HASH_ITER (hh, session->calls, call, next) {
        if (fetch_awaits_input(call->fetch))
            return call;
    }
    return NULL;
}

void session_end_input(struct session *session)
{
    struct call *call;
    while ((call = find_unfinished_upload(session)))
        fetch_end_input(call->fetch);
    session_close_if_finished(session);
}

/* ---- Starting ------------------------------------------------------------------------------- */

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

void session_refuse_fetch(struct session *session, uint32_t id, int code, const char *message)
{
    stats_note_end(session->set->fetches->stats, code);
    session_log_refusal(session, id, code);
    session_reply_error(session, id, code, message);
}

/* 0, or the code of the refusal. */
static int check_place(const struct session *session, struct wire_why *why)
{
    const struct config *config = session->set->fetches->config;
    char section[POLICY_SECTION_BYTES];
    if (session->set->is_draining) {
        wire_why_set(why, "the daemon is shutting down");
        return FETCHPOOL_SHUTTING_DOWN;
    }
    if (HASH_COUNT(session->calls) < most_calls(session))
        return 0;
    policy_name_section(session->policy,
                        session->policy->requests_per_client != config->requests_per_client,
                        section);
    wire_why_set(why, "%zu requests run on this connection already (%s requests_per_client)",
                 most_calls(session), section);
    return FETCHPOOL_BUSY;
}

/* Takes the request. NULL without memory. */
static struct call *start_call(struct session *session, uint32_t id, struct request *request,
                               bool only_asks)
{
    bool is_stream = !only_asks && (request->is_streamed || request->has_upload);
    struct call *call = add_call(session, id, is_stream);
    if (!call) {
        request_destroy(request);
        return NULL;
    }
    call->only_asks = only_asks;
    struct fetch_client client = {
        .policy = session->policy,
        .group = &session->group,
        .only_asks = only_asks,
    };
    call->fetch = fetch_create(session->set->fetches, request, &client, &fetch_events, call);
    if (call->fetch)
        return call;
    remove_call(call);
    return NULL;
}

/* Holding messages back would hold back the windows and the data of streams as well. */
static void limit_calls(struct session *session)
{
    if (HASH_COUNT(session->calls) >= most_calls(session) && session->streams == 0)
        conn_pause(session->conn);
}

/* NULL if it was refused, which has been answered then. */
static struct call *start(struct session *session, uint32_t id, const struct wire_fetch *asked,
                          bool only_asks)
{
    const struct fetch_context *context = session->set->fetches;
    struct wire_why why;
    struct request *request;
    int code = check_place(session, &why);
    if (code == 0)
        code = request_create(&request, asked, context->config, context->urls, &why);
    if (code != 0) {
        session_refuse_fetch(session, id, code, why.text);
        return NULL;
    }
    remember_tag(session, request);
    struct call *call = start_call(session, id, request, only_asks);
    if (!call) {
        session_refuse_fetch(session, id, FETCHPOOL_BUSY, "the daemon is out of memory");
        return NULL;
    }
    limit_calls(session);
    return call;
}

void session_start_fetch(struct session *session, uint32_t id, const struct wire_fetch *asked)
{
    struct call *call = start(session, id, asked, false);
    if (call)
        fetch_open_upload(call->fetch);
}

void session_start_check(struct session *session, uint32_t id, const struct wire_fetch *asked)
{
    start(session, id, asked, true);
}
