/* session_set: what is done to all sessions of a daemon at once; see session.h. */
#include "session_internal.h"

#include <utlist.h>

#include "log.h"

void session_set_gather_stats(const struct session_set *set)
{
    struct stats *stats = set->fetches->stats;
    stats->log_lines_dropped = log_count_dropped();
    if (set->fetches->access)
        stats->access_lines_dropped = access_log_count_dropped(set->fetches->access);
}

static struct call *find_untouched(const struct session *session)
{
    struct call *call, *next;
    HASH_ITER (hh, session->calls, call, next) {
        if (fetch_is_untouched(call->fetch))
            return call;
    }
    return NULL;
}

/* What waits for its turn is the next daemon's, and keeps nobody waiting here. One at a time, as an
 * answer that does not fit ends all calls of its session. */
static void give_back(struct session *session)
{
    struct call *call;
    while ((call = find_untouched(session)))
        fetch_cancel(call->fetch, FETCHPOOL_SHUTTING_DOWN, FETCHPOOL_CANCELLED_SENT,
                     "the daemon is shutting down");
}

void session_set_drain(struct session_set *set)
{
    struct session *session, *next;
    set->is_draining = true;
    DL_FOREACH_SAFE (set->first, session, next) {
        if (session->said_hello)
            session_say_goaway(session);
        give_back(session);
    }
}

void session_set_renew_policies(struct session_set *set)
{
    struct session *session;
    DL_FOREACH (set->first, session)
        session_renew_policy(session);
}

void session_set_cancel_all(struct session_set *set, const char *reason)
{
    struct session *session, *next_session;
    DL_FOREACH_SAFE (set->first, session, next_session) {
        /* Each answer ends a call, and the last words to a client that is gone end all of them. */
        while (session->calls)
            fetch_cancel(session->calls->fetch, FETCHPOOL_SHUTTING_DOWN, FETCHPOOL_CANCELLED_SENT,
                         reason);
    }
}

void session_set_close_all(struct session_set *set)
{
    struct session *session, *next;
    DL_FOREACH_SAFE (set->first, session, next)
        conn_end_input(session->conn);
}

void session_set_abort_all(struct session_set *set)
{
    struct session *session, *next;
    DL_FOREACH_SAFE (set->first, session, next)
        session_abort(session);
}
