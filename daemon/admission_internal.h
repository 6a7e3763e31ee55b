/* What admission and admission_run share. */
#pragma once

#include "admission.h"

struct admission_user {
    uint32_t uid;
    size_t queued, running;
    struct admission_share share;       /* of the one who came last */
    struct admission_user *prev, *next; /* among those who wait */
    UT_hash_handle hh;
};

/* What one user has waiting at one origin: never empty. */
struct admission_queue {
    struct admission_user *user;
    struct admission_ticket *tickets;
    bool is_blocked; /* its first has said so */
    struct admission_note note;
    struct admission_queue *prev, *next; /* in its origin's ring */
};

/* How many requests of this user may run. */
static inline size_t admission_most_of(const struct admission *admission,
                                       const struct admission_user *user)
{
    return user->share.running > 0 ? user->share.running : admission->limits.running_per_user;
}

/* What its turn came to. The ticket waits, until then. */
void admission_start(struct admission *admission, struct admission_ticket *ticket);
void admission_block(struct admission *admission, struct admission_ticket *ticket);
