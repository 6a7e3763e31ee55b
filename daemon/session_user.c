/*
 * session_user: how many sessions each user has. One beyond the limit is kept just long enough to
 * tell its client why it cannot stay: in whose dialect is known when it has said something. Of
 * those there are few at a time; beyond, it is closed without a word.
 */
#include "session_internal.h"

#include <errno.h>
#include <stdlib.h>

#define MOST_SURPLUS 16

struct session_user {
    uint32_t uid;
    size_t sessions, surplus;
    UT_hash_handle hh;
};

static struct session_user *find_or_add(struct session_set *set, uint32_t uid)
{
    struct session_user *user;
    HASH_FIND(hh, set->users, &uid, sizeof uid, user);
    if (user)
        return user;
    user = calloc(1, sizeof *user);
    if (!user)
        return NULL;
    user->uid = uid;
    HASH_ADD(hh, set->users, uid, sizeof user->uid, user);
    if (user->hh.tbl)
        return user;
    free(user);
    return NULL;
}

/* What the descriptors allow holds for everybody. */
size_t session_most_of_user(const struct session *session)
{
    size_t most = session->policy->clients_per_user;
    return most < session->set->clients_per_user ? most : session->set->clients_per_user;
}

int session_join_user(struct session *session, uint32_t uid)
{
    struct session_set *set = session->set;
    size_t most = session_most_of_user(session);
    struct session_user *user = find_or_add(set, uid);
    if (!user)
        return -ENOMEM;
    if (user->sessions - user->surplus >= most && user->surplus >= MOST_SURPLUS)
        return -EBUSY;
    session->is_surplus = user->sessions - user->surplus >= most;
    session->user = user;
    user->sessions++;
    user->surplus += session->is_surplus;
    return 0;
}

void session_leave_user(struct session *session)
{
    struct session_set *set = session->set;
    struct session_user *user = session->user;
    if (!user)
        return;
    session->user = NULL;
    user->surplus -= session->is_surplus;
    if (--user->sessions > 0)
        return;
    HASH_DEL(set->users, user);
    free(user);
}
