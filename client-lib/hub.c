/* hub: see hub.h. */
#include "hub.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <utlist.h>

#include "deadline.h"
#include "failure.h"
#include "response.h"

/* How soon to try again where the daemon's backlog is full. */
#define CONNECT_AGAIN_MS 20

/* ---- Life ------------------------------------------------------------------------------------ */

struct hub *hub_create(struct fetchpool *client)
{
    struct hub *hub = malloc(sizeof *hub);
    if (!hub)
        return NULL;
    *hub = (struct hub){
        .client = client,
        .owner = getpid(),
        .epoll_fd = epoll_create1(EPOLL_CLOEXEC),
        .timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK),
        .look_at = ASYNC_CALL_NEVER,
        .armed_at = ASYNC_CALL_NEVER,
    };
    struct epoll_event event = {.events = EPOLLIN};
    if (hub->epoll_fd >= 0 && hub->timer_fd >= 0 &&
        epoll_ctl(hub->epoll_fd, EPOLL_CTL_ADD, hub->timer_fd, &event) == 0)
        return hub;
    hub_forget(hub);
    return NULL;
}

static void drop_calls(struct fetchpool_call **list)
{
    struct fetchpool_call *call;
    struct fetchpool_call *following;
    DL_FOREACH_SAFE (*list, call, following)
        async_call_destroy(call);
    *list = NULL;
}

static void drop_link(struct link *link)
{
    struct fetchpool_call *call;
    struct fetchpool_call *following;
    HASH_ITER (hh, link->running, call, following) {
        HASH_DEL(link->running, call);
        async_call_destroy(call);
    }
    drop_calls(&link->ended);
    link_forget(link);
}

void hub_forget(struct hub *hub)
{
    struct link *link;
    struct link *following;
    DL_FOREACH_SAFE (hub->links, link, following)
        drop_link(link);
    drop_calls(&hub->pending);
    drop_calls(&hub->done);
    if (hub->timer_fd >= 0)
        close(hub->timer_fd);
    if (hub->epoll_fd >= 0)
        close(hub->epoll_fd);
    free(hub);
}

/* ---- Readiness ------------------------------------------------------------------------------- */

static struct timespec at(int64_t ms)
{
    if (ms <= 0)
        return (struct timespec){.tv_nsec = 1}; /* long ago; zero would disarm it */
    return (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
}

static void arm(struct hub *hub)
{
    int64_t when = hub->look_at;
    if (hub->pending && hub->connect_at > 0 && hub->connect_at < when)
        when = hub->connect_at;
    if (hub->is_urgent || hub->done)
        when = 0;
    if (when == hub->armed_at)
        return;
    struct itimerspec timer = {0};
    if (when != ASYNC_CALL_NEVER)
        timer.it_value = at(when);
    timerfd_settime(hub->timer_fd, TFD_TIMER_ABSTIME, &timer, NULL);
    hub->armed_at = when;
}

static void clear_timer(struct hub *hub)
{
    uint64_t count;
    hub->is_urgent = false;
    if (hub->armed_at != ASYNC_CALL_NEVER && hub->armed_at <= deadline_now() &&
        read(hub->timer_fd, &count, sizeof count) > 0)
        hub->armed_at = ASYNC_CALL_NEVER;
}

void hub_poke(struct hub *hub)
{
    hub->is_urgent = true;
    hub->look_at = 0;
    if (!hub->is_processing)
        arm(hub);
}

/* ---- Places ---------------------------------------------------------------------------------- */

static void move_to_done(struct hub *hub, struct fetchpool_call *call)
{
    DL_APPEND(hub->done, call);
}

static void leave_pending(struct hub *hub, struct fetchpool_call *call)
{
    assert(hub->pending);
    DL_DELETE(hub->pending, call);
    call->is_pending = false;
}

static void fail_pending(struct hub *hub, struct fetchpool_call *call,
                         struct fetchpool_response *failure)
{
    /* "I am shutting down" is the better news where nobody has come after it. */
    if (call->refusal && failure->code == FETCHPOOL_NO_DAEMON) {
        fetchpool_response_free(failure);
        failure = call->refusal;
        call->refusal = NULL;
    }
    leave_pending(hub, call);
    exchange_fail(&call->exchange, failure);
    move_to_done(hub, call);
}

void hub_cancel_pending(struct hub *hub, struct fetchpool_call *call)
{
    fail_pending(hub, call, response_failed(FETCHPOOL_CANCELLED, "the request was cancelled"));
}

/* Back to the head of the line, or to its end. */
static void take_back(struct hub *hub, struct fetchpool_call *call)
{
    if (!async_call_may_repeat(call)) {
        move_to_done(hub, call);
        return;
    }
    struct fetchpool_response *response = exchange_take_response(&call->exchange);
    fetchpool_response_free(call->refusal);
    call->refusal = NULL;
    if (response->code == FETCHPOOL_SHUTTING_DOWN)
        call->refusal = response;
    else
        fetchpool_response_free(response);
    exchange_rewind(&call->exchange);
    call->is_pending = true;
    DL_PREPEND(hub->pending, call);
}

/* Takes back the calls that have ended, and ends the links that are of no more use. */
static void reap(struct hub *hub)
{
    struct link *link;
    struct link *following;
    DL_FOREACH_SAFE (hub->links, link, following) {
        struct fetchpool_call *call;
        if (link->error < 0)
            link_fail_calls(link);
        while ((call = link_take_ended(link)))
            take_back(hub, call);
        if (link->error < 0 || (!link_is_open(link) && link_is_idle(link))) {
            assert(hub->links);
            DL_DELETE(hub->links, link);
            link_destroy(link);
        }
    }
}

/* ---- Sending --------------------------------------------------------------------------------- */

/* The link for new requests; NULL if there is none now. */
static struct link *open_link(struct hub *hub)
{
    struct link *link;
    DL_FOREACH (hub->links, link) {
        if (link_is_open(link))
            return link;
    }
    hub->connect_at = 0;
    struct wire_why why;
    const struct door *door = &hub->client->door;
    int result = link_create(&link, door, client_name(hub->client), hub->epoll_fd, &why);
    if (result == 0) {
        DL_APPEND(hub->links, link);
        return link;
    }
    if (result == -EAGAIN) {
        hub->connect_at = deadline_now() + CONNECT_AGAIN_MS;
        return NULL;
    }
    while (hub->pending)
        fail_pending(hub, hub->pending, failure_to_connect(door->path, result, &why));
    return NULL;
}

static void expect(struct hub *hub, int64_t deadline)
{
    if (deadline < hub->look_at)
        hub->look_at = deadline;
}

static void fail_late(struct hub *hub, struct fetchpool_call *call, bool is_crowded)
{
    const struct patience *patience = &call->exchange.patience;
    uint64_t waited_ms = patience_span_ms(patience, 0) - patience->grace_ms;
    fail_pending(hub, call,
                 is_crowded ? failure_to_find_room(waited_ms)
                            : failure_to_connect(hub->client->door.path, -ETIMEDOUT, NULL));
}

/* Whether any was started. */
static bool start_pending(struct hub *hub, struct link *link)
{
    const struct fetchpool_call *first = hub->pending;
    while (hub->pending && link_has_room(link)) {
        struct fetchpool_call *call = hub->pending;
        if (async_call_last_start(call, link->running) <= deadline_now()) {
            fail_late(hub, call, link->running);
        } else if (link_start(link, call) < 0) {
            fail_pending(hub, call, response_no_memory());
        } else {
            leave_pending(hub, call);
            expect(hub, patience_end(&call->exchange.patience, link->channel->daemon_timeout_ms));
        }
    }
    return hub->pending != first;
}

/* Sends what can be sent, over a new link if there has to be one. A link that dies of it gives its
 * calls back, each of which has a bounded number of attempts. `send` is what the links do. */
static void advance(struct hub *hub, void (*send)(struct link *link))
{
    bool is_started;
    reap(hub);
    do {
        struct link *link = hub->pending ? open_link(hub) : NULL;
        is_started = link && start_pending(hub, link);
        DL_FOREACH (hub->links, link)
            send(link);
        reap(hub);
    } while (hub->pending && (is_started || (!hub->links && hub->connect_at == 0)));
}

/* ---- Deadlines ------------------------------------------------------------------------------- */

/* While it is the caller who keeps it waiting, it has none. */
static int64_t deadline_of(const struct link *link, const struct fetchpool_call *call)
{
    const struct exchange *exchange = &call->exchange;
    if (exchange->state == EXCHANGE_STOPPING)
        return call->stop_deadline;
    if (exchange->is_paused || exchange->is_starved)
        return ASYNC_CALL_NEVER;
    return patience_end(&exchange->patience, link->channel->daemon_timeout_ms);
}

static void check_running(struct hub *hub, struct link *link, int64_t now)
{
    struct fetchpool_call *call;
    struct fetchpool_call *following;
    int64_t behind_ms = link->is_behind ? FETCHPOOL_GRACE_MS : 0; /* it may lie there unread */
    HASH_ITER (hh, link->running, call, following) {
        int64_t deadline = deadline_of(link, call);
        if (deadline != ASYNC_CALL_NEVER)
            deadline += behind_ms;
        if (deadline <= now)
            link_expire(link, call);
        else
            expect(hub, deadline);
    }
}

static void check_pending(struct hub *hub, int64_t now)
{
    struct fetchpool_call *call;
    struct fetchpool_call *following;
    bool is_connected = hub->links != NULL;
    DL_FOREACH_SAFE (hub->pending, call, following) {
        int64_t deadline = async_call_last_start(call, is_connected);
        if (deadline > now)
            expect(hub, deadline);
        else
            fail_late(hub, call, is_connected);
    }
}

static void check_deadlines(struct hub *hub)
{
    int64_t now = deadline_now();
    struct link *link;
    if (now < hub->look_at)
        return;
    hub->look_at = ASYNC_CALL_NEVER;
    DL_FOREACH (hub->links, link)
        check_running(hub, link, now);
    check_pending(hub, now);
}

/* ---- The turn -------------------------------------------------------------------------------- */

/* Those that are done now: what these functions do to others is for the next turn. */
static void finish_calls(struct hub *hub)
{
    struct fetchpool_call *done = hub->done;
    hub->done = NULL;
    while (done) {
        struct fetchpool_call *call = done;
        DL_DELETE(done, call);
        hub->in_flight--;
        async_call_conclude(call);
    }
}

static void receive(struct hub *hub)
{
    struct link *link;
    DL_FOREACH (hub->links, link) {
        uint64_t timeout_ms = link->channel->daemon_timeout_ms;
        link_receive(link);
        if (link->channel->daemon_timeout_ms != timeout_ms)
            hub->look_at = 0; /* deadlines may be nearer than was thought */
    }
}

void hub_process(struct hub *hub)
{
    hub->is_processing = true;
    clear_timer(hub);
    receive(hub);
    advance(hub, link_tend);
    check_deadlines(hub);
    advance(hub, link_tend);
    finish_calls(hub);
    advance(hub, link_tend);
    hub->is_processing = false;
    arm(hub);
}

void hub_submit(struct hub *hub, struct fetchpool_call *call)
{
    hub->in_flight++;
    call->is_pending = true;
    DL_APPEND(hub->pending, call);
    expect(hub, patience_last_start(&call->exchange.patience));
    if (hub->is_processing)
        return;
    advance(hub, link_send); /* their functions are for hub_process() to call */
    arm(hub);
}

static void end_running(struct hub *hub, struct link *link)
{
    struct fetchpool_call *call;
    struct fetchpool_call *following;
    HASH_ITER (hh, link->running, call, following) {
        HASH_DEL(link->running, call);
        move_to_done(hub, call);
    }
}

void hub_destroy(struct hub *hub)
{
    struct link *link;
    struct fetchpool_call *call;
    hub->is_processing = hub->is_closing = true;
    DL_FOREACH (hub->links, link)
        end_running(hub, link);
    DL_CONCAT(hub->done, hub->pending);
    hub->pending = NULL;
    DL_FOREACH (hub->done, call) {
        call->is_pending = false;
        if (call->exchange.state != EXCHANGE_ENDED)
            exchange_fail(&call->exchange,
                          response_failed(FETCHPOOL_STOPPED, "the client was closed"));
    }
    finish_calls(hub);
    hub_forget(hub);
}
