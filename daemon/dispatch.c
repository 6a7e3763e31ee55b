/* dispatch: see dispatch.h. */
#include "dispatch.h"

#include <errno.h>
#include <stddef.h>

#include "policy.h"

#define NS_PER_MS 1000000

static struct dispatch_ticket *ticket_of(struct admission_ticket *admission)
{
    return (struct dispatch_ticket *)((char *)admission -
                                      offsetof(struct dispatch_ticket, admission));
}

/* ---- Turns ---------------------------------------------------------------------------------- */

static void on_soon(uv_idle_t *idle);
static void on_later(uv_timer_t *timer);

static void run_soon(struct dispatch *dispatch)
{
    if (!uv_is_active((uv_handle_t *)&dispatch->soon))
        uv_idle_start(&dispatch->soon, on_soon);
}

static void run_later(struct dispatch *dispatch, uint64_t at_ns)
{
    uint64_t now = uv_hrtime();
    if (at_ns >= dispatch->later_ns)
        return;
    dispatch->later_ns = at_ns;
    uv_update_time(dispatch->later.loop);
    uv_timer_start(&dispatch->later, on_later,
                   at_ns > now ? (at_ns - now + NS_PER_MS - 1) / NS_PER_MS : 0, 0);
}

/* What its queue waits for. */
static enum pool_verdict verdict_of(const struct dispatch_ticket *ticket)
{
    return (enum pool_verdict)admission_get_note(&ticket->admission).what;
}

/* Does it wait for something that is not its origin's alone? */
static bool is_wide(enum pool_verdict verdict)
{
    return verdict == POOL_FULL || verdict == POOL_FULL_LOOKUPS || verdict == POOL_OPENING ||
           verdict == POOL_PACED;
}

static void refuse(struct dispatch_ticket *ticket, enum pool_verdict verdict)
{
    const struct origin *origin = ticket->want.origin;
    struct wire_why why;
    int code = FETCHPOOL_CONNECT;
    if (verdict == POOL_FAILED) {
        code = origin->failed_code;
        wire_why_set(&why, "%s", origin->failed_text);
    } else {
        uint64_t now_ms = uv_hrtime() / NS_PER_MS;
        uint64_t until_ms = origin->breaker.until_ms;
        wire_why_set(&why,
                     "%u attempts in a row have failed, the last: %s; not tried again for %llu ms",
                     origin->breaker.failures, origin->failed_text,
                     (unsigned long long)(until_ms > now_ms ? until_ms - now_ms : 0));
    }
    ticket->events->on_refusal(ticket, code, why.text);
}

static enum admission_turn block(struct dispatch *dispatch, struct dispatch_ticket *ticket,
                                 enum pool_verdict before, uint64_t again_ns)
{
    enum pool_verdict verdict = verdict_of(ticket);
    dispatch->is_blocked_wide = dispatch->is_blocked_wide || is_wide(verdict);
    run_later(dispatch, again_ns);
    if (verdict == POOL_PACED) {
        dispatch->wakes_paced = true;
        run_soon(dispatch);
    }
    if (before != verdict)
        ticket->events->on_wait(ticket);
    return ADMISSION_BLOCKED;
}

static void set_verdict(struct dispatch_ticket *ticket, enum pool_verdict before,
                        enum pool_verdict verdict)
{
    if (before != verdict)
        admission_set_note(&ticket->admission, (struct admission_note){(int)verdict, uv_hrtime()});
}

/* Who has waited for somebody else's attempt shares its failure. */
static enum admission_turn on_turn(void *ctx, struct admission_ticket *admission)
{
    struct dispatch *dispatch = ctx;
    struct dispatch_ticket *ticket = ticket_of(admission);
    struct pool_connection *connection = NULL;
    enum pool_verdict before = verdict_of(ticket);
    uint64_t again_ns;
    ticket->want.waited_ns = before == POOL_OPENING ? ticket->entered_ns : UINT64_MAX;
    enum pool_verdict verdict = pool_place(dispatch->pool, &ticket->want, &connection, &again_ns);
    if (verdict == POOL_FAILED || verdict == POOL_RESTING) {
        refuse(ticket, verdict);
        return ADMISSION_ENDED;
    }
    set_verdict(ticket, before, verdict);
    if (verdict != POOL_GO)
        return block(dispatch, ticket, before, again_ns);
    ticket->events->on_place(ticket, connection);
    return ADMISSION_STARTED;
}

static void wake_one(struct dispatch *dispatch, struct admission_origin *origin)
{
    if (dispatch->wakes_all)
        admission_wake(&dispatch->admission, origin);
    else
        admission_wake_noted(&dispatch->admission, origin, POOL_PACED);
}

static void wake_some(struct dispatch *dispatch, bool needy)
{
    struct origin *origin, *next;
    HASH_ITER (hh, dispatch->origins->by_name, origin, next) {
        struct admission_origin *admission = &origin->admission;
        if (admission->queued > 0 && admission_is_needy(admission) == needy)
            wake_one(dispatch, admission);
    }
}

/*
 * What is asked first gets what has become free: who has nothing yet need not wait for a round.
 * When it is only another turn's time that there is to give, those who wait for more are left
 * alone: of more than one turn can ask, there would always be some for the next.
 */
static void wake(struct dispatch *dispatch)
{
    if (dispatch->wakes_all)
        dispatch->is_blocked_wide = false;
    wake_some(dispatch, true);
    wake_some(dispatch, false);
    dispatch->wakes_all = dispatch->wakes_paced = false;
}

static void run(struct dispatch *dispatch)
{
    uv_idle_stop(&dispatch->soon);
    pool_begin_turn(dispatch->pool);
    if (dispatch->wakes_all || dispatch->wakes_paced)
        wake(dispatch);
    admission_run(&dispatch->admission);
}

/* It is there so that the loop does not sleep: dispatch_on_turn() does the work. */
static void on_soon(uv_idle_t *idle)
{
    (void)idle;
}

void dispatch_on_turn(void *ctx)
{
    struct dispatch *dispatch = ctx;
    if (uv_is_active((uv_handle_t *)&dispatch->soon))
        run(dispatch);
}

static void on_later(uv_timer_t *timer)
{
    struct dispatch *dispatch = timer->data;
    dispatch->later_ns = UINT64_MAX;
    dispatch->wakes_all = true;
    run(dispatch);
}

void dispatch_note_change(void *ctx, struct origin *origin)
{
    struct dispatch *dispatch = ctx;
    if (dispatch->admission.queued == 0)
        return;
    if (origin)
        admission_wake(&dispatch->admission, &origin->admission);
    if (!origin || dispatch->is_blocked_wide)
        dispatch->wakes_all = true;
    run_soon(dispatch);
}

/* ---- Tickets -------------------------------------------------------------------------------- */

static uint64_t most_queued(const struct dispatch *dispatch, const struct dispatch_ticket *ticket)
{
    return ticket->policy ? ticket->policy->queue : dispatch->config->queue;
}

static uint64_t most_running(const struct dispatch *dispatch, const struct dispatch_ticket *ticket)
{
    return ticket->policy ? ticket->policy->running_per_user : dispatch->config->running_per_user;
}

static int explain(const struct dispatch *dispatch, const struct dispatch_ticket *ticket,
                   int result, struct wire_why *why)
{
    uint64_t most = most_queued(dispatch, ticket);
    char section[POLICY_SECTION_BYTES];
    policy_name_section(ticket->policy, most != dispatch->config->queue, section);
    if (result == -EBUSY)
        wire_why_set(why, "%llu requests of this user wait already (%s queue)",
                     (unsigned long long)most, section);
    else
        wire_why_set(why, "the daemon is out of memory");
    return FETCHPOOL_BUSY;
}

int dispatch_enter(struct dispatch *dispatch, struct dispatch_ticket *ticket, uint32_t uid,
                   struct wire_why *why)
{
    struct origin *origin = ticket->want.origin;
    ticket->entered_ns = uv_hrtime();
    ticket->want.owner = uid;
    ticket->admission.share = (struct admission_share){
        .running = most_running(dispatch, ticket),
        .queued = most_queued(dispatch, ticket),
    };
    int result = admission_enter(&dispatch->admission, &ticket->admission, uid, &origin->admission);
    if (result < 0)
        return explain(dispatch, ticket, result, why);
    run_soon(dispatch);
    return 0;
}

int dispatch_return(struct dispatch *dispatch, struct dispatch_ticket *ticket, struct wire_why *why)
{
    ticket->entered_ns = uv_hrtime();
    int result = admission_return(&dispatch->admission, &ticket->admission);
    if (result < 0)
        return explain(dispatch, ticket, result, why);
    run_soon(dispatch);
    return 0;
}

void dispatch_leave(struct dispatch *dispatch, struct dispatch_ticket *ticket)
{
    admission_leave(&dispatch->admission, &ticket->admission);
    if (dispatch->admission.queued > 0)
        run_soon(dispatch);
}

bool dispatch_waits_for_opening(const struct dispatch_ticket *ticket)
{
    return dispatch_opening_since_ns(ticket) != 0;
}

uint64_t dispatch_opening_since_ns(const struct dispatch_ticket *ticket)
{
    struct admission_note note = admission_get_note(&ticket->admission);
    if (note.what != POOL_OPENING)
        return 0;
    return note.since_ns > ticket->entered_ns ? note.since_ns : ticket->entered_ns;
}

/* ---- What it waits for ---------------------------------------------------------------------- */

static void describe_pool(const struct dispatch *dispatch, enum pool_verdict verdict,
                          struct wire_why *out_why)
{
    const struct config *config = dispatch->config;
    size_t most = pool_most_connections(dispatch->pool);
    switch (verdict) {
    case POOL_FULL_ORIGIN:
        wire_why_set(out_why, "%llu connections to it are in use ([pool] connections_per_origin)",
                     (unsigned long long)config->connections_per_origin);
        break;
    case POOL_FULL:
        wire_why_set(out_why, "%zu connections are in use ([pool] max_connections%s)", most,
                     most < config->max_connections ? ", lowered by the limit on descriptors" : "");
        break;
    case POOL_FULL_LOOKUPS:
        wire_why_set(out_why, "%llu names are being looked up ([pool] lookups)",
                     (unsigned long long)config->lookups);
        break;
    case POOL_OPENING:
        wire_why_set(out_why, "a connection to it is being opened");
        break;
    case POOL_GO:
    case POOL_PACED:
    case POOL_FAILED:
    case POOL_RESTING:
        wire_why_set(out_why, "others come first");
        break;
    }
}

static void describe_cause(const struct dispatch *dispatch, const struct dispatch_ticket *ticket,
                           struct wire_why *out_why)
{
    const struct config *config = dispatch->config;
    uint64_t most = most_running(dispatch, ticket);
    char section[POLICY_SECTION_BYTES];
    policy_name_section(ticket->policy, most != config->running_per_user, section);
    switch (admission_cause(&dispatch->admission, &ticket->admission)) {
    case ADMISSION_CAUSE_RUNNING:
        wire_why_set(out_why, "%llu requests run ([limits] running)",
                     (unsigned long long)config->running);
        break;
    case ADMISSION_CAUSE_USER:
        wire_why_set(out_why, "%llu requests of this user run (%s running_per_user)",
                     (unsigned long long)most, section);
        break;
    case ADMISSION_CAUSE_RUNNING_ORIGIN:
        wire_why_set(out_why, "%llu requests run there ([limits] running_per_origin)",
                     (unsigned long long)config->running_per_origin);
        break;
    case ADMISSION_CAUSE_ORIGIN:
    case ADMISSION_CAUSE_TURN:
        describe_pool(dispatch, verdict_of(ticket), out_why);
        break;
    }
}

void dispatch_describe(const struct dispatch *dispatch, const struct dispatch_ticket *ticket,
                       struct wire_why *out_why)
{
    struct wire_why cause;
    describe_cause(dispatch, ticket, &cause);
    wire_why_set(out_why, "place %zu in its user's queue for %s: %s",
                 admission_place(&ticket->admission), ticket->want.origin->name, cause.text);
}

/* ---- Life ----------------------------------------------------------------------------------- */

static struct admission_limits limits_of(const struct config *config)
{
    return (struct admission_limits){
        .running = config->running,
        .running_per_user = config->running_per_user,
        .running_per_origin = config->running_per_origin,
        .queued_per_user = config->queue,
    };
}

void dispatch_update_limits(struct dispatch *dispatch)
{
    dispatch->admission.limits = limits_of(dispatch->config);
    dispatch->wakes_all = true; /* who was blocked may start now */
    run_soon(dispatch);
}

void dispatch_open(struct dispatch *dispatch, uv_loop_t *loop, const struct config *config,
                   struct origin_table *origins, struct pool *pool)
{
    struct admission_limits limits = limits_of(config);
    *dispatch = (struct dispatch){
        .config = config,
        .pool = pool,
        .origins = origins,
        .later_ns = UINT64_MAX,
    };
    admission_init(&dispatch->admission, &limits, on_turn, dispatch);
    uv_idle_init(loop, &dispatch->soon);
    uv_timer_init(loop, &dispatch->later);
    dispatch->soon.data = dispatch->later.data = dispatch;
}

void dispatch_close(struct dispatch *dispatch)
{
    admission_finish(&dispatch->admission);
    uv_close((uv_handle_t *)&dispatch->soon, NULL);
    uv_close((uv_handle_t *)&dispatch->later, NULL);
}
