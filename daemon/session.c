/*
 * session: see session.h. Its fetches are in session_call.c, the notifications of their bodies in
 * session_stream.c, what it answers with in session_reply.c.
 */
#include "session.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "console.h"
#include "fetchpool_wire.h"
#include "log.h"
#include "session_internal.h"

#define NS_PER_MS 1000000

/* ---- End of a session ----------------------------------------------------------------------- */

void session_close(struct session *session)
{
    session_abandon_calls(session);
    conn_close(session->conn);
}

/* The client sends no more: when its last answer is written, that is all. */
void session_close_if_finished(struct session *session)
{
    if (session->has_input_ended && HASH_COUNT(session->calls) == 0)
        session_close(session);
}

void session_abort(struct session *session)
{
    session_abandon_calls(session);
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
    session_abandon_calls(session);
    stall_group_finish(set->fetches->stalls, &session->group);
    session_leave_user(session);
    DL_DELETE(set->first, session);
    set->count--;
    free(session->name);
    free(session->tag);
    free(session);
    set->on_gone(set->ctx);
}

/* ---- Messages ------------------------------------------------------------------------------- */

static void on_request_fetch(struct session *session, const struct wire_message *message)
{
    struct wire_fetch asked;
    struct wire_why why;
    int result = wire_fetch_decode(&asked, message->params, &why);
    session->has_secret = result < 0; /* there may be one in it */
    if (result == -ENOMEM) {
        session_refuse_fetch(session, message->id, FETCHPOOL_BUSY, "the daemon is out of memory");
    } else if (result < 0) {
        session_refuse_fetch(session, message->id, FETCHPOOL_BAD_REQUEST, why.text);
    } else {
        if (wire_str_is(message->method, "check"))
            session_start_check(session, message->id, &asked);
        else
            session_start_fetch(session, message->id, &asked);
        session->has_secret = asked.tls.key.data || asked.proxy.data;
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

static void on_request_admin(struct session *session, const struct wire_message *message)
{
    const struct fetchpool_value *map;
    struct wire_why why;
    if (wire_params_map(message->params, &map, &why) < 0)
        session_reply_error(session, message->id, FETCHPOOL_BAD_REQUEST, why.text);
    else
        session_administer(session, message->id, message->method);
}

/* Its user has too many sessions: this one ends with its first request that asks for anything. */
static void turn_away(struct session *session, uint32_t id)
{
    const struct config *config = session->set->fetches->config;
    char section[POLICY_SECTION_BYTES];
    struct wire_why why;
    policy_name_section(session->policy,
                        session->policy->clients_per_user != config->clients_per_user, section);
    wire_why_set(&why, "this user has %zu connections already (%s clients_per_user)",
                 session_most_of_user(session), section);
    session_refuse_fetch(session, id, FETCHPOOL_BUSY, why.text);
    session_close(session);
}

/* While the daemon drains, "shutting down" is the better reason: the next one may have room. */
static bool is_to_be_turned_away(const struct session *session)
{
    return session->is_surplus && !session->set->is_draining;
}

static void on_request(struct session *session, const struct wire_message *message)
{
    struct wire_why why;
    session->requests++;
    if (is_to_be_turned_away(session) && !wire_str_is(message->method, "hello")) {
        turn_away(session, message->id); /* and not what introduces it */
        return;
    }
    if (session_find_call(session, message->id)) {
        wire_why_set(&why, "id %lu is in use by a request that has not ended",
                     (unsigned long)message->id);
        session_reply_error(session, message->id, FETCHPOOL_DUPLICATE_ID, why.text);
        return;
    }
    const char *query = NULL;
    if (wire_str_is(message->method, "fetch") || wire_str_is(message->method, "check")) {
        on_request_fetch(session, message);
    } else if (wire_str_is(message->method, "hello")) {
        on_request_hello(session, message);
    } else if (session_is_admin_method(message->method)) {
        on_request_admin(session, message);
    } else if ((query = session_find_query(message->method))) {
        on_request_query(session, message, query);
    } else {
        wire_why_set(&why, "unknown method \"%.*s\"",
                     (int)(message->method.length < 60 ? message->method.length : 60),
                     message->method.data);
        session_reply_error(session, message->id, FETCHPOOL_UNKNOWN_METHOD, why.text);
    }
}

void session_offend(struct session *session, const char *reason)
{
    struct session_set *set = session->set;
    struct conn_peer peer = conn_get_peer(session->conn);
    set->fetches->stats->messages_broken++;
    struct offence offence = {.uid = peer.uid, .pid = peer.pid, .topic = "broken"};
    struct wire_why what;
    wire_why_set(&what, "%s; closed", reason);
    offence_log_write(set->offences, uv_hrtime() / NS_PER_MS, &offence, what.text);
    session_close(session);
}

static void on_message(void *ctx, const uint8_t *bytes, size_t length)
{
    struct session *session = ctx;
    struct wire_message message;
    struct wire_why why = {"the daemon has no memory for its message"};
    if (wire_message_open(&message, bytes, length, &why) < 0) {
        session_offend(session, why.text);
        return;
    }
    switch (message.kind) {
    case WIRE_REQUEST:
        on_request(session, &message);
        break;
    case WIRE_NOTIFICATION:
        session_take_note(session, &message);
        break;
    case WIRE_RESPONSE:
        session_offend(session, "it sent a response; only the daemon does");
        break;
    }
    wire_message_close(&message);
    if (session->has_secret)
        explicit_bzero((uint8_t *)bytes,
                       length); /* they lie in the conn's input until others come */
    session->has_secret = false;
}

/* ---- Lines ---------------------------------------------------------------------------------- */

static void on_line_fetch(struct session *session, const struct console_command *command)
{
    struct wire_fetch asked;
    wire_fetch_init(&asked);
    asked.url = command->url;
    if (command->action == CONSOLE_CHECK) {
        session_start_check(session, 0, &asked);
        return;
    }
    asked.method = wire_str_of(command->method);
    session_start_fetch(session, 0, &asked);
}

static void on_line(void *ctx, const char *bytes, size_t length)
{
    struct session *session = ctx;
    struct console_command command;
    console_parse(&command, bytes, length);
    session->requests += command.action != CONSOLE_NOTHING;
    if (is_to_be_turned_away(session)) {
        turn_away(session, 0);
        return;
    }
    switch (command.action) {
    case CONSOLE_NOTHING:
        break;
    case CONSOLE_FETCH:
    case CONSOLE_CHECK:
        on_line_fetch(session, &command);
        break;
    case CONSOLE_QUERY:
        session_reply_query(session, 0, command.method);
        break;
    case CONSOLE_ADMIN:
        session_administer(session, 0, wire_str_of(command.method));
        break;
    case CONSOLE_METRICS:
        session_reply_metrics(session);
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

static void on_head(void *ctx, const char *bytes, size_t length)
{
    session_answer_head(ctx, bytes, length);
}

static void on_fault(void *ctx, const struct framer_fault *fault)
{
    struct session *session = ctx;
    if (fault->is_head) {
        session_refuse_head(session,
                            fault->is_too_large ? 431
                            : fault->is_late    ? 408
                                                : 400,
                            fault->reason);
        session_offend(session, fault->reason);
        return;
    }
    int code = fault->is_too_large ? FETCHPOOL_TOO_LARGE : FETCHPOOL_BAD_REQUEST;
    if (fault->has_id || conn_get_dialect(session->conn) == FRAMER_TEXT)
        session_reply_error(session, fault->id, code, fault->reason);
    session_offend(session, fault->reason);
}

static void on_end(void *ctx)
{
    struct session *session = ctx;
    session->has_input_ended = true;
    session_end_input(session);
}

static void on_full(void *ctx)
{
    session_hold_streams(ctx);
}

static void on_room(void *ctx)
{
    session_give_room(ctx);
}

static const struct conn_events conn_events = {
    .on_message = on_message,
    .on_line = on_line,
    .on_head = on_head,
    .on_fault = on_fault,
    .on_end = on_end,
    .on_full = on_full,
    .on_room = on_room,
    .on_gone = on_gone,
    .on_closed = on_closed,
};

/* ---- Life ----------------------------------------------------------------------------------- */

static struct session *session_of(struct stall_group *group)
{
    return (struct session *)((char *)group - offsetof(struct session, group));
}

static void on_hold(struct stall_group *group)
{
    session_hold_streams(session_of(group));
}

static void on_release(struct stall_group *group)
{
    session_give_room(session_of(group));
}

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
    result = session_find_policy(session);
    session->group = (struct stall_group){
        .uid = conn_get_peer(session->conn).uid,
        .most_user_bytes = session->policy->paused_memory_bytes,
        .on_hold = on_hold,
        .on_release = on_release,
    };
    DL_APPEND(set->first, session);
    set->count++;
    set->fetches->stats->clients_accepted++;
    if (result < 0 || session_join_user(session, conn_get_peer(session->conn).uid) < 0)
        session_abort(session); /* nobody to be told anything: see session_user.c */
    return 0;
}
