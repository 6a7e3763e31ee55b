/*
 * admission: who may start next. Requests that cannot start at once wait here, in a queue for each
 * user and origin: the users of an origin are served by turns, each user's requests in order, so
 * that one who queues ten thousand delays another by one turn.
 *
 * Pure: no I/O, no clock, no memory for what waits (tickets are embedded in what waits). It counts
 * what runs and what waits, in all, per user and per origin; whether an origin has a connection to
 * spare is for its caller to say, at each turn.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <uthash.h>

struct admission_user;
struct admission_queue;

/* At each, nobody more; a limit of 0 lets nobody through. They may be changed between two calls. */
struct admission_limits {
    size_t running;            /* requests in flight, in all */
    size_t running_per_user;   /* of one user */
    size_t running_per_origin; /* at one origin */
    size_t queued_per_user;    /* that wait */
};

/* What the queues of one origin share. Embedded in whoever knows it; zeros to begin with. */
struct admission_origin {
    struct admission_queue *queues; /* one for each user who waits; the first is served next */
    size_t queued, running;
    bool is_blocked; /* all its queues are: no turn before admission_wake() */
    bool is_ready;   /* in the list of those that have something waiting and are not blocked */
    struct admission_origin *prev, *next;
};

enum admission_state { ADMISSION_OUT, ADMISSION_QUEUED, ADMISSION_RUNNING };

/* What one user may have, where that is not what everybody may; 0: it is. */
struct admission_share {
    size_t running; /* instead of limits.running_per_user */
    size_t queued;  /* instead of limits.queued_per_user */
};

/* One request. Embedded in whoever asks; zeros to begin with. */
struct admission_ticket {
    struct admission_share share; /* of its user, from now on */
    enum admission_state state;
    struct admission_user *user;
    struct admission_origin *origin;
    struct admission_queue *queue; /* while it waits */
    struct admission_ticket *prev, *next;
};

enum admission_turn {
    ADMISSION_STARTED, /* it runs from now on */
    ADMISSION_BLOCKED, /* its origin can take nobody now: nobody of it is asked before the next
                          admission_wake(), or until all who wait there have left and another
                          comes; a wake inside the call was too early */
    ADMISSION_ENDED /* it has left, by admission_leave(), inside the call; its origin may be gone */
};

struct admission {
    struct admission_limits limits;
    struct admission_user *users;   /* those who have something queued or running; a hash by uid */
    struct admission_user *waiting; /* those of them who have something queued */
    struct admission_origin *ready;
    size_t queued, running;
    bool is_giving_turns;            /* admission_run() is at work */
    bool has_changed;                /* meanwhile: somebody may start whom the walk has passed */
    struct admission_origin *cursor; /* where the walk is */
    /*
     * It is the ticket's turn. Called from admission_run() only; the ticket still counts as
     * waiting. It may call anything here, for this ticket (admission_leave() only) and for others.
     */
    enum admission_turn (*on_turn)(void *ctx, struct admission_ticket *ticket);
    void *ctx;
};

void admission_init(struct admission *admission, const struct admission_limits *limits,
                    enum admission_turn (*on_turn)(void *ctx, struct admission_ticket *ticket),
                    void *ctx);

/* Nobody may wait or run any more. */
void admission_finish(struct admission *admission);

/*
 * The ticket, which is out, joins its queue, and the origin stays where it is until it has left;
 * its turn comes in admission_run(). 0, -EBUSY if so many of this user wait already
 * (limits.queued_per_user), or -ENOMEM: it is out then.
 */
int admission_enter(struct admission *admission, struct admission_ticket *ticket, uint32_t uid,
                    struct admission_origin *origin);

/*
 * A ticket that runs had its turn and could not use it: it waits again, before the others of its
 * queue, and its queue comes next at its origin. Without a bound. 0, or -ENOMEM: it is out then.
 */
int admission_return(struct admission *admission, struct admission_ticket *ticket);

/* The ticket is out, wherever it was. Nothing if it is out already. */
void admission_leave(struct admission *admission, struct admission_ticket *ticket);

/* Something has changed for this origin: its requests may be asked again, by admission_run(). */
void admission_wake(struct admission *admission, struct admission_origin *origin);

/* The same for those queues of it only of which this is noted: see admission_set_note(). */
void admission_wake_noted(struct admission *admission, struct admission_origin *origin, int what);

/* Does somebody wait there of whom nothing runs? */
bool admission_is_needy(const struct admission_origin *origin);

/*
 * Gives turns until nobody can start. Users who run less than their share of `limits.running` (it
 * divided by the users known, at least 1) come before those who run more. Inside on_turn it only
 * asks for another round, and returns.
 */
void admission_run(struct admission *admission);

/*
 * What its caller remembers of the queue that a ticket waits in: zeros when the queue is new, and
 * when the ticket does not wait.
 */
struct admission_note {
    int what;
    uint64_t since_ns;
};
struct admission_note admission_get_note(const struct admission_ticket *ticket);
void admission_set_note(struct admission_ticket *ticket, struct admission_note note);

/* What keeps a ticket that waits, the first of these that does: for the sentence of its timeout. */
enum admission_cause {
    ADMISSION_CAUSE_ORIGIN,         /* whatever on_turn said ADMISSION_BLOCKED for */
    ADMISSION_CAUSE_RUNNING,        /* limits.running */
    ADMISSION_CAUSE_USER,           /* limits.running_per_user */
    ADMISSION_CAUSE_RUNNING_ORIGIN, /* limits.running_per_origin */
    ADMISSION_CAUSE_TURN            /* others come first, or nothing: its turn has just not come */
};
enum admission_cause admission_cause(const struct admission *admission,
                                     const struct admission_ticket *ticket);

/* Its place among the waiting ones of its user at its origin, from 1; 0 if it does not wait. */
size_t admission_place(const struct admission_ticket *ticket);

/* How many of this user wait and run; 0 for one who is not known. */
size_t admission_queued_of(const struct admission *admission, uint32_t uid);
size_t admission_running_of(const struct admission *admission, uint32_t uid);
