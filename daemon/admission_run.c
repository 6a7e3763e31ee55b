/*
 * admission_run: who is next.
 *
 * At an origin, users take turns: deficit round robin in which everything costs the same, one
 * request, and that comes down to plain round robin. The first queue of the ring is served and goes
 * to its end. Among origins too: the one served goes to the end of the list.
 *
 * A walk through the list survives whatever on_turn does to it, by a cursor that moves on when its
 * origin leaves.
 */
#include "admission_internal.h"

#include <utlist.h>

/* One walk through the ready origins. */
struct walk {
    struct admission *admission;
    size_t bound; /* asked are the users who run less than this, and than their own most */
    bool is_over; /* nobody is left to be asked, and the rest need not be looked at */
};

static bool is_below(const struct admission *admission, const struct admission_user *user,
                     size_t bound)
{
    return user->running < bound && user->running < admission_most_of(admission, user);
}

static bool anybody_waits_below(const struct admission *admission, size_t bound)
{
    const struct admission_user *user;
    DL_FOREACH (admission->waiting, user) {
        if (is_below(admission, user, bound))
            return true;
    }
    return false;
}

/* Who is passed over here keeps his place in the ring. */
static struct admission_ticket *next_ticket(const struct walk *walk,
                                            const struct admission_origin *origin)
{
    const struct admission_queue *queue;
    DL_FOREACH (origin->queues, queue) {
        if (!queue->is_blocked && is_below(walk->admission, queue->user, walk->bound))
            return queue->tickets;
    }
    return NULL;
}

static bool has_room(const struct admission *admission, const struct admission_origin *origin)
{
    return admission->running < admission->limits.running &&
           origin->running < admission->limits.running_per_origin;
}

static void note_start(struct walk *walk, const struct admission_user *user)
{
    const struct admission *admission = walk->admission;
    if (admission->running >= admission->limits.running)
        walk->is_over = true;
    else if (user->queued == 0 || !is_below(admission, user, walk->bound))
        walk->is_over = !anybody_waits_below(admission, walk->bound);
}

/*
 * An origin of which something was started goes to the end, where it is visited again, most often
 * in vain. Others keep their place, or those behind a user who is passed over in the first walk
 * would never come first in the second.
 */
static void go_on(struct admission *admission, struct admission_origin *origin, bool has_started)
{
    if (!origin->is_ready)
        return; /* its last one has started */
    admission->cursor = origin->next;
    if (!has_started)
        return;
    DL_DELETE(admission->ready, origin);
    DL_APPEND(admission->ready, origin);
}

/*
 * Starts what may start at the origin. After ADMISSION_ENDED it may be gone, and then the cursor is
 * at the next one; if it is not, the cursor is where it was, and the origin is visited again.
 */
static void visit(struct walk *walk, struct admission_origin *origin)
{
    struct admission *admission = walk->admission;
    struct admission_ticket *ticket;
    bool has_started = false;
    while (has_room(admission, origin) && (ticket = next_ticket(walk, origin))) {
        switch (admission->on_turn(admission->ctx, ticket)) {
        case ADMISSION_STARTED:
            admission_start(admission, ticket);
            note_start(walk, ticket->user);
            has_started = true;
            break;
        case ADMISSION_BLOCKED:
            admission_block(admission, ticket);
            if (origin->is_blocked)
                return;
            break;
        case ADMISSION_ENDED:
            return;
        }
    }
    go_on(admission, origin, has_started);
}

/* What has become ready meanwhile is at the end, and so still visited. */
static void give_turns(struct admission *admission, size_t bound)
{
    struct walk walk = {
        .admission = admission,
        .bound = bound,
        .is_over = admission->running >= admission->limits.running ||
                   !anybody_waits_below(admission, bound),
    };
    admission->cursor = admission->ready;
    while (!walk.is_over && admission->cursor)
        visit(&walk, admission->cursor);
    admission->cursor = NULL;
}

/* What each user may run before the others are asked. If all who wait could run at once, it does
 * not matter who is first, and one walk is enough. */
static bool is_scarce(const struct admission *admission)
{
    return admission->running + admission->queued > admission->limits.running;
}

static size_t share_of_user(const struct admission *admission)
{
    size_t users = HASH_COUNT(admission->users);
    size_t share = users > 0 ? admission->limits.running / users : 0;
    return share > 0 ? share : 1;
}

static void give_round(struct admission *admission)
{
    admission->has_changed = false;
    if (is_scarce(admission))
        give_turns(admission, share_of_user(admission));
    if (!admission->has_changed) /* or somebody may be below his share again */
        give_turns(admission, SIZE_MAX);
}

void admission_run(struct admission *admission)
{
    if (admission->is_giving_turns) {
        admission->has_changed = true;
        return;
    }
    admission->is_giving_turns = true;
    do
        give_round(admission);
    while (admission->has_changed);
    admission->is_giving_turns = false;
}
