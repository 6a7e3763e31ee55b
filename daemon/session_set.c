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

void session_set_drain(struct session_set *set)
{
    struct session *session;
    set->is_draining = true;
    DL_FOREACH (set->first, session) {
        if (session->said_hello)
            session_say_goaway(session);
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
        session_close(session);
}

void session_set_abort_all(struct session_set *set)
{
    struct session *session, *next;
    DL_FOREACH_SAFE (set->first, session, next)
        session_abort(session);
}
