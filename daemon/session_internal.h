/* What the files of session share: the session itself, its calls, and the answers it gives. */
#pragma once

#include <uthash.h>

#include "fetchpool_wire.h"
#include "session.h"

/* A fetch of the session that runs. */
struct call {
    struct session *session;
    uint32_t id; /* 0 in the text dialect */
    struct fetch *fetch;
    bool only_asks;  /* a check: nothing is fetched */
    bool is_stream;  /* either body comes in pieces */
    bool wants_room; /* in the list of those that wait for room in the client's socket */
    struct call *prev, *next;
    UT_hash_handle hh;
};

struct session {
    struct session_set *set;
    struct conn *conn;
    struct call *calls;
    struct call *crowded; /* those of them that want room, in the order of asking */
    size_t streams;       /* how many of them are */
    char *name;           /* of hello; NULL: the process's */
    char *tag;            /* of the latest fetch that had one */
    uint64_t requests;
    size_t held_bytes; /* of bodies that come in */
    struct stall_group group;
    const struct config_policy *policy; /* of its user */
    struct session_user *user;
    bool is_surplus; /* its user has too many: its first request is refused, and it ends */
    bool said_hello;
    bool has_secret; /* the message that is being read */
    bool has_input_ended;
    struct session *prev, *next;
};

/* Sends what is written, then closes. What runs is abandoned. */
void session_close(struct session *session);
/* Closes at once. */
void session_abort(struct session *session);

/* After its last answer, if the client sends no more. */
void session_close_if_finished(struct session *session);
/* A broken client is closed, after one line in the log. */
void session_offend(struct session *session, const char *reason);

/* ---- session_user.c ------------------------------------------------------------------------- */

/* Counts it to its user. 0, or a negative errno: it is not to be kept at all. */
int session_join_user(struct session *session, uint32_t uid);
/* How many sessions its user may have. */
size_t session_most_of_user(const struct session *session);
void session_leave_user(struct session *session);

/* ---- session_policy.c ----------------------------------------------------------------------- */

/* Finds the policy of its user. 0 or a negative errno. */
int session_find_policy(struct session *session);
/* The same when the policies have changed; its fetches get the new one, and some end by that. A
 * session whose groups cannot be had any more is closed. */
void session_renew_policy(struct session *session);
/* One line for the log, at most one a minute for each user. */
void session_log_verdict(const struct session *session, const struct request *request,
                         const struct policy_verdict *verdict);
/* Root and the daemon's own user may see what others do, too. */
bool session_sees_all(const struct session *session);

/* ---- session_call.c ------------------------------------------------------------------------- */

struct call *session_find_call(const struct session *session, uint32_t id);
/* Those of its calls that wait for their turn. */
size_t session_count_queued(const struct session *session);
void session_abandon_calls(struct session *session);
/* Answers, with an error if it cannot start. */
void session_start_fetch(struct session *session, uint32_t id, const struct wire_fetch *asked);
/* The same for one that only asks whether it would be allowed. */
void session_start_check(struct session *session, uint32_t id, const struct wire_fetch *asked);
void session_refuse_fetch(struct session *session, uint32_t id, int code, const char *message);
/* The client's socket is full: what comes for it has to wait. Also from inside libcurl. */
void session_hold_streams(struct session *session);
/* The client's socket has room: those that want it get it. */
void session_give_room(struct session *session);
/* The client sends no more. */
void session_end_input(struct session *session);

/* ---- session_admin.c ------------------------------------------------------------------------ */

/* Is it a method for root and the daemon's own user? */
bool session_is_admin_method(struct wire_str method);
/* Does it, and answers. All sessions may have been closed by it: last. */
void session_administer(struct session *session, uint32_t id, struct wire_str method);

/* ---- session_log.c -------------------------------------------------------------------------- */

/* Each writes a line at debug, and one in the access log. */
void session_log_end(const struct call *call, const struct fetch_outcome *outcome);
void session_log_abandoned(const struct call *call);
void session_log_refusal(const struct session *session, uint32_t id, int code);

/* ---- session_stream.c ----------------------------------------------------------------------- */

void session_take_note(struct session *session, const struct wire_message *message);

/* ---- session_reply.c ------------------------------------------------------------------------ */

/* The code and the sentence for what a buffer's error kept from being written. */
int session_describe_loss(int result, struct wire_why *why);

/* The head of a streamed answer. 0, -ENOMEM, or -EMSGSIZE if it does not fit behind what is unread.
 */
int session_begin_stream(struct session *session, uint32_t id,
                         const struct wire_response *response);
void session_say_window(struct session *session, uint32_t id, uint64_t bytes);

/* Every answer is in the session's dialect; the id matters to MessagePack only. */
void session_reply_error(struct session *session, uint32_t id, int code, const char *message);
void session_reply_outcome(struct session *session, uint32_t id,
                           const struct fetch_outcome *outcome);

/* The static name of an informative method, or NULL if there is none of that name. */
const char *session_find_query(struct wire_str method);
void session_reply_query(struct session *session, uint32_t id, const char *method);

/* Any result: `put` appends it, as one value, or, in the text dialect, as text. */
struct session_result {
    void (*put)(struct buffer *out, const void *data);
    void (*put_text)(struct buffer *out, const void *data);
    const void *data;
};
void session_reply_result(struct session *session, uint32_t id,
                          const struct session_result *result);

/* Of the text dialect. */
void session_reply_help(struct session *session);

/* Ends an answer that begins at `mark` of the output: sends it, or says what kept it from being
 * written. */
void session_finish_reply(struct session *session, uint32_t id, size_t mark);

void session_say_goaway(struct session *session);

/* ---- session_metrics.c ---------------------------------------------------------------------- */

/* What is true of the daemon now; its counters are brought up to date, too. */
void session_measure(const struct session *session, struct stats_gauges *out_gauges);
/* The metrics as they are, for a line of the text dialect. */
void session_reply_metrics(struct session *session);
/* An HTTP request, of which this is the head: it is answered over HTTP, and the session ends. */
void session_answer_head(struct session *session, const char *head, size_t length);
/* The same for one that cannot be read, with this status. The session stays. */
void session_refuse_head(struct session *session, unsigned status, const char *sentence);
