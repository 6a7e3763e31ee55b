/* What session.c and session_reply.c share: the session itself, and the answers it gives. */
#pragma once

#include <uthash.h>

#include "fetchpool_wire.h"
#include "session.h"

/* A fetch of the session that runs. */
struct call {
    struct session *session;
    uint32_t id; /* 0 in the text dialect */
    struct fetch *fetch;
    UT_hash_handle hh;
};

struct session {
    struct session_set *set;
    struct conn *conn;
    struct call *calls;
    char *name; /* of hello; NULL: the process's */
    char *tag;  /* of the latest fetch that had one */
    uint64_t requests;
    size_t held_bytes; /* of bodies that come in */
    bool said_hello;
    bool has_input_ended;
    struct session *prev, *next;
};

/* Sends what is written, then closes. What runs is abandoned. */
void session_close(struct session *session);
/* Closes at once. */
void session_abort(struct session *session);

/* Every answer is in the session's dialect; the id matters to MessagePack only. */
void session_reply_error(struct session *session, uint32_t id, int code, const char *message);
void session_reply_outcome(struct session *session, uint32_t id,
                           const struct fetch_outcome *outcome);

/* The static name of an informative method, or NULL if there is none of that name. */
const char *session_find_query(struct wire_str method);
void session_reply_query(struct session *session, uint32_t id, const char *method);

/* Of the text dialect. */
void session_reply_help(struct session *session);

void session_say_goaway(struct session *session);
