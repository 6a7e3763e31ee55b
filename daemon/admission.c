/*
 * admission: who waits and who runs, and how many; admission_run.c says who is next.
 *
 *     admission -> ready origins -> ring of queues, one a user -> tickets in order
 *
 * Users and queues live while they have something queued (or running), so that with nothing queued
 * a request costs the same however many there were before. What is looked through where a request
 * comes or goes is the users who wait, never the requests and, but for a run, never the origins.
 */
#include "admission_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include <utlist.h>

void admission_init(struct admission *admission, const struct admission_limits *limits,
                    enum admission_turn (*on_turn)(void *ctx, struct admission_ticket *ticket),
                    void *ctx)
{
    *admission = (struct admission){.limits = *limits, .on_turn = on_turn, .ctx = ctx};
}

void admission_finish(struct admission *admission)
{
    assert(!admission->users && !admission->ready);
    assert(admission->queued == 0 && admission->running == 0);
    *admission = (struct admission){0};
}

/* ---- Users ---------------------------------------------------------------------------------- */

static struct admission_user *find_user(const struct admission *admission, uint32_t uid)
{
    struct admission_user *user;
    HASH_FIND(hh, admission->users, &uid, sizeof uid, user);
    return user;
}

/* Finds or creates. NULL without memory. */
static struct admission_user *get_user(struct admission *admission, uint32_t uid)
{
    struct admission_user *user = find_user(admission, uid);
    if (user)
        return user;
    user = calloc(1, sizeof *user);
    if (!user)
        return NULL;
    user->uid = uid;
    HASH_ADD(hh, admission->users, uid, sizeof user->uid, user);
    if (user->hh.tbl)
        return user;
    free(user);
    return NULL;
}

static void forget_idle_user(struct admission *admission, struct admission_user *user)
{
    if (user->queued > 0 || user->running > 0)
        return;
    HASH_DEL(admission->users, user);
    free(user);
}

/* ---- Queues --------------------------------------------------------------------------------- */

/* Finds or creates, at the end of the ring. NULL without memory. */
static struct admission_queue *get_queue(struct admission_origin *origin,
                                         struct admission_user *user)
{
    struct admission_queue *queue;
    DL_SEARCH_SCALAR(origin->queues, queue, user, user);
    if (queue)
        return queue;
    queue = calloc(1, sizeof *queue);
    if (!queue)
        return NULL;
    queue->user = user;
    DL_APPEND(origin->queues, queue);
    origin->is_blocked = false; /* nobody has asked this one yet */
    return queue;
}

/* The list has those who could be asked; a walk through it steps over one that leaves it. */
static void update_ready(struct admission *admission, struct admission_origin *origin)
{
    bool is_ready = origin->queued > 0 && !origin->is_blocked;
    if (is_ready == origin->is_ready)
        return;
    origin->is_ready = is_ready;
    if (is_ready) {
        DL_APPEND(admission->ready, origin);
        return;
    }
    if (admission->cursor == origin)
        admission->cursor = origin->next;
    DL_DELETE(admission->ready, origin);
}

/* The ticket is in the queue's list already. */
static void count_queued(struct admission *admission, struct admission_ticket *ticket,
                         struct admission_queue *queue)
{
    ticket->state = ADMISSION_QUEUED;
    ticket->queue = queue;
    if (ticket->user->queued++ == 0)
        DL_APPEND(admission->waiting, ticket->user);
    ticket->origin->queued++;
    admission->queued++;
    admission->has_changed = true;
    update_ready(admission, ticket->origin);
}

static void unblock(struct admission *admission, struct admission_origin *origin,
                    struct admission_queue *queue)
{
    queue->is_blocked = false;
    origin->is_blocked = false;
    admission->has_changed = true;
}

static void leave_queue(struct admission *admission, struct admission_ticket *ticket)
{
    struct admission_queue *queue = ticket->queue;
    bool was_first = queue->tickets == ticket;
    DL_DELETE(queue->tickets, ticket);
    ticket->queue = NULL;
    if (was_first && queue->is_blocked)
        unblock(admission, ticket->origin, queue); /* the next may want something else */
    if (!queue->tickets) {
        DL_DELETE(ticket->origin->queues, queue); // NOLINT: it is in it
        free(queue);
    }
    if (--ticket->user->queued == 0)
        DL_DELETE(admission->waiting, ticket->user);
    if (--ticket->origin->queued == 0)
        ticket->origin->is_blocked = false; /* its caller need not remember whom to wake */
    admission->queued--;
    update_ready(admission, ticket->origin);
}

/* ---- What runs ------------------------------------------------------------------------------ */

void admission_start(struct admission *admission, struct admission_ticket *ticket)
{
    struct admission_origin *origin = ticket->origin;
    DL_DELETE(origin->queues, ticket->queue); /* the ring turns */
    DL_APPEND(origin->queues, ticket->queue);
    leave_queue(admission, ticket);
    ticket->state = ADMISSION_RUNNING;
    ticket->user->running++;
    origin->running++;
    admission->running++;
}

static void stop(struct admission *admission, struct admission_ticket *ticket)
{
    ticket->user->running--;
    ticket->origin->running--;
    admission->running--;
    admission->has_changed = true;
}

/* ---- In and out ----------------------------------------------------------------------------- */

/* A queue that is full of requests for one origin is no reason to refuse one for another that may
 * have its turn at once; twice the number is. */
static bool is_full(const struct admission *admission, uint32_t uid,
                    const struct admission_origin *origin, const struct admission_share *share)
{
    size_t most = share->queued > 0 ? share->queued : admission->limits.queued_per_user;
    size_t queued = admission_queued_of(admission, uid);
    return queued >= most && (origin->queued > 0 || queued / 2 >= most);
}

int admission_enter(struct admission *admission, struct admission_ticket *ticket, uint32_t uid,
                    struct admission_origin *origin)
{
    assert(ticket->state == ADMISSION_OUT);
    if (is_full(admission, uid, origin, &ticket->share))
        return -EBUSY;
    struct admission_user *user = get_user(admission, uid);
    if (!user)
        return -ENOMEM;
    struct admission_queue *queue = get_queue(origin, user);
    if (!queue) {
        forget_idle_user(admission, user);
        return -ENOMEM;
    }
    user->share = ticket->share;
    ticket->user = user;
    ticket->origin = origin;
    DL_APPEND(queue->tickets, ticket);
    count_queued(admission, ticket, queue);
    return 0;
}

/* The queue gets the turn back too: it comes first in the ring. */
int admission_return(struct admission *admission, struct admission_ticket *ticket)
{
    assert(ticket->state == ADMISSION_RUNNING);
    struct admission_origin *origin = ticket->origin;
    struct admission_queue *queue = get_queue(origin, ticket->user);
    if (!queue) {
        admission_leave(admission, ticket);
        return -ENOMEM;
    }
    DL_DELETE(origin->queues, queue);
    DL_PREPEND(origin->queues, queue);
    unblock(admission, origin, queue);
    stop(admission, ticket);
    DL_PREPEND(queue->tickets, ticket);
    count_queued(admission, ticket, queue);
    return 0;
}

void admission_leave(struct admission *admission, struct admission_ticket *ticket)
{
    struct admission_user *user = ticket->user;
    switch (ticket->state) {
    case ADMISSION_OUT:
        return;
    case ADMISSION_QUEUED:
        leave_queue(admission, ticket);
        break;
    case ADMISSION_RUNNING:
        stop(admission, ticket);
        break;
    }
    *ticket = (struct admission_ticket){0};
    forget_idle_user(admission, user);
}

static bool is_all_blocked(const struct admission_origin *origin)
{
    const struct admission_queue *queue;
    DL_FOREACH (origin->queues, queue) {
        if (!queue->is_blocked)
            return false;
    }
    return true;
}

void admission_block(struct admission *admission, struct admission_ticket *ticket)
{
    struct admission_origin *origin = ticket->origin;
    ticket->queue->is_blocked = true;
    origin->is_blocked = is_all_blocked(origin);
    update_ready(admission, origin);
}

void admission_wake(struct admission *admission, struct admission_origin *origin)
{
    struct admission_queue *queue;
    DL_FOREACH (origin->queues, queue)
        queue->is_blocked = false;
    origin->is_blocked = false;
    update_ready(admission, origin);
}

void admission_wake_noted(struct admission *admission, struct admission_origin *origin, int what)
{
    struct admission_queue *queue;
    DL_FOREACH (origin->queues, queue) {
        if (queue->is_blocked && queue->note.what == what)
            unblock(admission, origin, queue);
    }
    update_ready(admission, origin);
}

bool admission_is_needy(const struct admission_origin *origin)
{
    const struct admission_queue *queue;
    DL_FOREACH (origin->queues, queue) {
        if (queue->user->running == 0)
            return true;
    }
    return false;
}

/* ---- Notes ---------------------------------------------------------------------------------- */

struct admission_note admission_get_note(const struct admission_ticket *ticket)
{
    return ticket->state == ADMISSION_QUEUED ? ticket->queue->note : (struct admission_note){0};
}

void admission_set_note(struct admission_ticket *ticket, struct admission_note note)
{
    if (ticket->state == ADMISSION_QUEUED)
        ticket->queue->note = note;
}

/* ---- To be told ----------------------------------------------------------------------------- */

enum admission_cause admission_cause(const struct admission *admission,
                                     const struct admission_ticket *ticket)
{
    const struct admission_limits *limits = &admission->limits;
    if (ticket->state != ADMISSION_QUEUED)
        return ADMISSION_CAUSE_TURN;
    if (ticket->queue->is_blocked)
        return ADMISSION_CAUSE_ORIGIN;
    if (admission->running >= limits->running)
        return ADMISSION_CAUSE_RUNNING;
    if (ticket->user->running >= admission_most_of(admission, ticket->user))
        return ADMISSION_CAUSE_USER;
    if (ticket->origin->running >= limits->running_per_origin)
        return ADMISSION_CAUSE_RUNNING_ORIGIN;
    return ADMISSION_CAUSE_TURN;
}

size_t admission_place(const struct admission_ticket *ticket)
{
    if (ticket->state != ADMISSION_QUEUED)
        return 0;
    size_t place = 1;
    const struct admission_ticket *other = ticket->queue->tickets;
    for (; other != ticket; other = other->next)
        place++;
    return place;
}

size_t admission_queued_of(const struct admission *admission, uint32_t uid)
{
    const struct admission_user *user = find_user(admission, uid);
    return user ? user->queued : 0;
}

size_t admission_running_of(const struct admission *admission, uint32_t uid)
{
    const struct admission_user *user = find_user(admission, uid);
    return user ? user->running : 0;
}
