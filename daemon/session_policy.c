/* session_policy: which policy holds for a session's user, and what is said of its verdicts. */
#include "session_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define NS_PER_MS 1000000

/* The default one holds where the groups cannot be had, and the session is not kept. */
int session_find_policy(struct session *session)
{
    const struct config *config = session->set->fetches->config;
    struct conn_peer peer = conn_get_peer(session->conn);
    gid_t *groups;
    size_t count;
    int result = conn_get_groups(session->conn, &groups, &count);
    struct policy_subject subject = {peer.uid, peer.gid, groups, count};
    session->policy = policy_find(config, &subject);
    free(groups);
    return result;
}

/* One that ends may take the others with it: false if none did. */
static bool ask_again(struct session *session)
{
    struct call *call, *next;
    HASH_ITER (hh, session->calls, call, next) {
        if (fetch_ask_again(call->fetch))
            return true;
    }
    return false;
}

void session_renew_policy(struct session *session)
{
    struct call *call, *next;
    int result = session_find_policy(session);
    session->group.most_user_bytes = session->policy->paused_memory_bytes;
    HASH_ITER (hh, session->calls, call, next)
        fetch_set_policy(call->fetch, session->policy);
    while (ask_again(session))
        continue;
    if (result < 0)
        session_abort(session);
}

void session_log_verdict(const struct session *session, const struct request *request,
                         const struct policy_verdict *verdict)
{
    struct session_set *set = session->set;
    struct conn_peer peer = conn_get_peer(session->conn);
    char topic[sizeof verdict->rule];
    struct offence offence = {.uid = peer.uid,
                              .pid = peer.pid,
                              .topic = topic,
                              .origin = request->url.origin,
                              .rule = verdict->rule};
    struct wire_why what;
    snprintf(topic, sizeof topic, "%.*s", (int)verdict->topic_length, verdict->rule);
    if (verdict->answer == POLICY_DENIED) {
        set->fetches->stats->requests_denied++;
        wire_why_set(&what, "a request for %s was denied by %s", request->url.origin,
                     verdict->rule);
    } else {
        set->fetches->stats->requests_reported++;
        wire_why_set(&what, "a request for %s would be denied by %s (mode = report)",
                     request->url.origin, verdict->rule);
    }
    offence_log_write(set->offences, uv_hrtime() / NS_PER_MS, &offence, what.text);
}

bool session_sees_all(const struct session *session)
{
    uid_t uid = conn_get_peer(session->conn).uid;
    return uid == 0 || uid == geteuid();
}
