/* Who may start next: every limit at its bound, turns among users, order within a user, and no
 * ticket left behind that could start. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "admission.h"

enum { ALICE = 1000, BOB = 1001, CAROL = 1002 };

static const struct admission_limits wide = {100000, 100000, 100000, 100000};

/* What on_turn does, and whom it was asked for. */
struct bench {
    struct admission admission;
    enum admission_turn (*verdict)(struct bench *bench, struct admission_ticket *ticket);
    struct admission_ticket *asked[32]; /* the first of them */
    size_t asks;
    struct admission_ticket *other; /* for a verdict that does something to another */
    struct admission_origin *origin;
};

static enum admission_turn on_turn(void *ctx, struct admission_ticket *ticket)
{
    struct bench *bench = ctx;
    assert_int_equal(ticket->state, ADMISSION_QUEUED);
    if (bench->asks < sizeof bench->asked / sizeof bench->asked[0])
        bench->asked[bench->asks] = ticket;
    bench->asks++;
    return bench->verdict ? bench->verdict(bench, ticket) : ADMISSION_STARTED;
}

static enum admission_turn say_blocked(struct bench *bench, struct admission_ticket *ticket)
{
    (void)bench, (void)ticket;
    return ADMISSION_BLOCKED;
}

static void open_bench(struct bench *bench, struct admission_limits limits)
{
    memset(bench, 0, sizeof *bench);
    admission_init(&bench->admission, &limits, on_turn, bench);
}

static void enter(struct bench *bench, struct admission_ticket *ticket, uint32_t uid,
                  struct admission_origin *origin)
{
    assert_int_equal(admission_enter(&bench->admission, ticket, uid, origin), 0);
    assert_int_equal(ticket->state, ADMISSION_QUEUED);
}

static void enter_all(struct bench *bench, struct admission_ticket *tickets, size_t count,
                      uint32_t uid, struct admission_origin *origin)
{
    for (size_t i = 0; i < count; i++)
        enter(bench, &tickets[i], uid, origin);
}

static void run(struct bench *bench)
{
    bench->asks = 0;
    admission_run(&bench->admission);
    assert_false(bench->admission.is_giving_turns);
    assert_null(bench->admission.cursor);
}

/* One ends, and whoever may start does. */
static void end(struct bench *bench, struct admission_ticket *ticket)
{
    assert_int_equal(ticket->state, ADMISSION_RUNNING);
    admission_leave(&bench->admission, ticket);
    run(bench);
}

static void leave_all(struct bench *bench, struct admission_ticket *tickets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        admission_leave(&bench->admission, &tickets[i]);
        assert_int_equal(tickets[i].state, ADMISSION_OUT);
    }
}

static size_t count_running(const struct admission_ticket *tickets, size_t count)
{
    size_t running = 0;
    for (size_t i = 0; i < count; i++)
        running += tickets[i].state == ADMISSION_RUNNING;
    return running;
}

/* All have left. */
static void close_bench(struct bench *bench)
{
    assert_null(bench->admission.users);
    assert_null(bench->admission.waiting);
    assert_null(bench->admission.ready);
    assert_int_equal(bench->admission.queued, 0);
    assert_int_equal(bench->admission.running, 0);
    admission_finish(&bench->admission);
}

static void assert_origin_is_idle(const struct admission_origin *origin)
{
    assert_null(origin->queues);
    assert_int_equal(origin->queued, 0);
    assert_int_equal(origin->running, 0);
    assert_false(origin->is_ready);
}

/* ---- Order and turns ------------------------------------------------------------------------ */

static void nobody_starts_before_the_run(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin origin = {0};
    struct admission_ticket ticket = {0};
    open_bench(&bench, wide);
    run(&bench);
    enter(&bench, &ticket, ALICE, &origin);
    assert_int_equal(bench.asks, 0);
    assert_int_equal(admission_queued_of(&bench.admission, ALICE), 1);
    run(&bench);
    assert_int_equal(bench.asks, 1);
    assert_int_equal(ticket.state, ADMISSION_RUNNING);
    assert_int_equal(admission_queued_of(&bench.admission, ALICE), 0);
    assert_int_equal(admission_running_of(&bench.admission, ALICE), 1);
    assert_int_equal(admission_running_of(&bench.admission, BOB), 0);
    leave_all(&bench, &ticket, 1);
    assert_int_equal(admission_running_of(&bench.admission, ALICE), 0);
    assert_origin_is_idle(&origin);
    close_bench(&bench);
}

static void requests_of_one_user_start_in_order(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin origin = {0};
    struct admission_ticket tickets[20] = {0};
    open_bench(&bench, wide);
    bench.admission.limits.running_per_origin = 3;
    enter_all(&bench, tickets, 20, ALICE, &origin);
    run(&bench);
    assert_int_equal(bench.asks, 3);
    for (size_t i = 0; i < 3; i++)
        assert_ptr_equal(bench.asked[i], &tickets[i]);
    for (size_t i = 0; i < 17; i++) {
        end(&bench, &tickets[i]);
        assert_int_equal(bench.asks, 1);
        assert_ptr_equal(bench.asked[0], &tickets[i + 3]);
    }
    leave_all(&bench, tickets, 20);
    close_bench(&bench);
}

static void ten_thousand_of_one_user_delay_another_by_one_turn(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin origin = {0};
    struct admission_ticket *crowd = calloc(10000, sizeof *crowd), late[2] = {0};
    open_bench(&bench, wide);
    bench.admission.limits.running_per_origin = 1;
    enter_all(&bench, crowd, 10000, ALICE, &origin);
    run(&bench);
    enter_all(&bench, late, 2, BOB, &origin);
    end(&bench, &crowd[0]);
    assert_ptr_equal(bench.asked[0], &crowd[1]);
    end(&bench, &crowd[1]);
    assert_ptr_equal(bench.asked[0], &late[0]);
    end(&bench, &late[0]);
    assert_ptr_equal(bench.asked[0], &crowd[2]);
    end(&bench, &crowd[2]);
    assert_ptr_equal(bench.asked[0], &late[1]);
    leave_all(&bench, crowd, 10000);
    leave_all(&bench, late, 2);
    assert_origin_is_idle(&origin);
    close_bench(&bench);
    free(crowd);
}

static void users_at_one_origin_are_served_by_turns(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin origin = {0};
    struct admission_ticket tickets[3][4] = {0};
    open_bench(&bench, wide);
    for (size_t i = 0; i < 3; i++)
        enter_all(&bench, tickets[i], 4, ALICE + (uint32_t)i, &origin);
    run(&bench);
    assert_int_equal(bench.asks, 12);
    for (size_t i = 0; i < 12; i++)
        assert_ptr_equal(bench.asked[i], &tickets[i % 3][i / 3]);
    leave_all(&bench, tickets[0], 12);
    close_bench(&bench);
}

static void a_queue_at_one_origin_does_not_delay_another_origin(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin x = {0}, y = {0};
    struct admission_ticket *crowd = calloc(10000, sizeof *crowd), ticket = {0};
    open_bench(&bench, wide);
    bench.admission.limits.running_per_origin = 4;
    enter_all(&bench, crowd, 10000, ALICE, &x);
    run(&bench);
    enter(&bench, &ticket, BOB, &y);
    run(&bench);
    assert_int_equal(bench.asks, 1);
    assert_ptr_equal(bench.asked[0], &ticket);
    leave_all(&bench, crowd, 10000);
    leave_all(&bench, &ticket, 1);
    close_bench(&bench);
    free(crowd);
}

/* The limit in all is what holds them, so that each end lets one of them start. */
static void origins_are_visited_in_rotation(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin origins[4] = {0};
    struct admission_ticket tickets[4][3] = {0}, *last;
    open_bench(&bench, wide);
    bench.admission.limits.running = 1;
    for (size_t i = 0; i < 4; i++)
        enter_all(&bench, tickets[i], 3, ALICE, &origins[i]);
    run(&bench);
    last = bench.asked[0];
    for (size_t i = 1; i < 12; i++) {
        end(&bench, last);
        assert_int_equal(bench.asks, 1);
        last = bench.asked[0];
        assert_ptr_equal(last, &tickets[i % 4][i / 4]);
    }
    leave_all(&bench, tickets[0], 12);
    close_bench(&bench);
}

/* ---- Limits --------------------------------------------------------------------------------- */

/* Eight tickets, two of each of two users at each of two origins. */
static void assert_starts(struct admission_limits limits, size_t starts)
{
    struct bench bench;
    struct admission_origin origins[2] = {0};
    struct admission_ticket tickets[8] = {0};
    open_bench(&bench, limits);
    for (size_t i = 0; i < 8; i++)
        enter(&bench, &tickets[i], ALICE + i % 2, &origins[i / 2 % 2]);
    run(&bench);
    assert_int_equal(bench.asks, starts);
    assert_int_equal(count_running(tickets, 8), starts);
    assert_int_equal(bench.admission.running, starts);
    assert_int_equal(bench.admission.queued, 8 - starts);
    run(&bench);
    assert_int_equal(bench.asks, 0);
    leave_all(&bench, tickets, 8);
    close_bench(&bench);
}

static void so_many_run_as_the_limits_say_and_not_one_more(void **state)
{
    (void)state;
    for (size_t limit = 0; limit <= 9; limit++) {
        size_t of_all = limit < 8 ? limit : 8, of_half = limit < 4 ? 2 * limit : 8;
        assert_starts((struct admission_limits){limit, 9, 9, 9}, of_all);
        assert_starts((struct admission_limits){9, limit, 9, 9}, of_half);
        assert_starts((struct admission_limits){9, 9, limit, 9}, of_half);
    }
}

/* One that ends makes room for exactly one, whichever limit it was. */
static void assert_one_follows(struct admission_limits limits)
{
    struct bench bench;
    struct admission_origin origin = {0};
    struct admission_ticket tickets[5] = {0};
    open_bench(&bench, limits);
    enter_all(&bench, tickets, 5, ALICE, &origin);
    run(&bench);
    assert_int_equal(bench.asks, 2);
    end(&bench, &tickets[1]);
    assert_int_equal(bench.asks, 1);
    assert_ptr_equal(bench.asked[0], &tickets[2]);
    leave_all(&bench, tickets, 5);
    close_bench(&bench);
}

static void an_end_lets_one_start_who_waited_for_it(void **state)
{
    (void)state;
    assert_one_follows((struct admission_limits){2, 9, 9, 9});
    assert_one_follows((struct admission_limits){9, 2, 9, 9});
    assert_one_follows((struct admission_limits){9, 9, 2, 9});
}

static void a_user_at_his_limit_loses_no_turn_and_delays_nobody(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin x = {0}, y = {0};
    struct admission_ticket busy = {0}, hers[2] = {0}, his[3] = {0};
    open_bench(&bench, (struct admission_limits){9, 1, 1, 9});
    enter(&bench, &busy, ALICE, &y);
    run(&bench);
    enter_all(&bench, hers, 2, ALICE, &x);
    enter_all(&bench, his, 3, BOB, &x);
    run(&bench);
    assert_int_equal(bench.asks, 1);
    assert_ptr_equal(bench.asked[0], &his[0]);
    admission_leave(&bench.admission, &busy);
    end(&bench, &his[0]);
    assert_ptr_equal(bench.asked[0], &hers[0]); /* and not his[1] */
    leave_all(&bench, hers, 2);
    leave_all(&bench, his, 3);
    close_bench(&bench);
}

static void limits_may_change_meanwhile(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin origin = {0};
    struct admission_ticket tickets[9] = {0};
    open_bench(&bench, (struct admission_limits){4, 4, 4, 9});
    enter_all(&bench, tickets, 9, ALICE, &origin);
    run(&bench);
    assert_int_equal(bench.admission.running, 4);
    bench.admission.limits = (struct admission_limits){2, 2, 2, 1};
    end(&bench, &tickets[0]);
    end(&bench, &tickets[1]);
    assert_int_equal(bench.admission.running, 2);
    end(&bench, &tickets[2]);
    assert_int_equal(bench.admission.running, 2);
    bench.admission.limits = (struct admission_limits){6, 6, 6, 9};
    run(&bench);
    assert_int_equal(bench.admission.running, 6);
    leave_all(&bench, tickets, 9);
    close_bench(&bench);
}

static void a_full_queue_refuses_and_the_ticket_is_out(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin x = {0}, y = {0};
    struct admission_ticket tickets[3] = {0}, one_more = {0}, his = {0};
    open_bench(&bench, (struct admission_limits){9, 0, 9, 3});
    enter_all(&bench, tickets, 3, ALICE, &x);
    assert_int_equal(admission_enter(&bench.admission, &one_more, ALICE, &x), -EBUSY);
    assert_int_equal(one_more.state, ADMISSION_OUT);
    assert_null(one_more.user);
    assert_int_equal(admission_queued_of(&bench.admission, ALICE), 3);
    enter(&bench, &his, BOB, &x);
    admission_leave(&bench.admission, &tickets[1]);
    enter(&bench, &one_more, ALICE, &x);
    leave_all(&bench, tickets, 3);
    leave_all(&bench, &one_more, 1);
    leave_all(&bench, &his, 1);
    bench.admission.limits.queued_per_user = 0;
    assert_int_equal(admission_enter(&bench.admission, &his, BOB, &y), -EBUSY);
    close_bench(&bench);
}

static void
a_queue_that_is_full_for_one_origin_lets_requests_for_others_in_up_to_twice(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin x = {0}, others[4] = {0};
    struct admission_ticket tickets[3] = {0}, more[4] = {0}, second = {0};
    open_bench(&bench, (struct admission_limits){9, 0, 9, 3});
    enter_all(&bench, tickets, 3, ALICE, &x);
    for (size_t i = 0; i < 3; i++)
        enter(&bench, &more[i], ALICE, &others[i]);
    assert_int_equal(admission_enter(&bench.admission, &second, ALICE, &others[0]), -EBUSY);
    assert_int_equal(admission_enter(&bench.admission, &more[3], ALICE, &others[3]), -EBUSY);
    leave_all(&bench, tickets, 3);
    leave_all(&bench, more, 3);
    close_bench(&bench);
}

/* ---- Blocked origins ------------------------------------------------------------------------ */

static void a_blocked_origin_is_not_asked_before_it_is_woken(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin x = {0}, y = {0};
    struct admission_ticket tickets[3] = {0}, other = {0};
    open_bench(&bench, wide);
    enter_all(&bench, tickets, 2, ALICE, &x);
    bench.verdict = say_blocked;
    run(&bench);
    assert_int_equal(bench.asks, 1);
    bench.verdict = NULL;
    enter(&bench, &tickets[2], BOB, &x);
    enter(&bench, &other, BOB, &y);
    admission_wake(&bench.admission, &y); /* was not blocked */
    run(&bench);
    assert_int_equal(bench.asks, 2); /* she is not asked; he has not said anything of the kind */
    assert_int_equal(tickets[0].state, ADMISSION_QUEUED);
    assert_int_equal(tickets[2].state, ADMISSION_RUNNING);
    admission_wake(&bench.admission, &x);
    admission_wake(&bench.admission, &x);
    assert_int_equal(bench.asks, 2);
    run(&bench);
    assert_int_equal(bench.asks, 2);
    assert_ptr_equal(bench.asked[0], &tickets[0]);
    assert_int_equal(count_running(tickets, 3), 3);
    leave_all(&bench, tickets, 3);
    leave_all(&bench, &other, 1);
    close_bench(&bench);
}

/* Or one who comes later would wait for a change that came while nobody waited. */
static void an_origin_where_nobody_waits_is_not_blocked(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin origin = {0};
    struct admission_ticket tickets[2] = {0};
    open_bench(&bench, wide);
    enter_all(&bench, tickets, 2, ALICE, &origin);
    bench.verdict = say_blocked;
    run(&bench);
    admission_leave(&bench.admission, &tickets[0]);
    assert_false(origin.is_blocked); /* the next may want something else */
    run(&bench);
    assert_int_equal(bench.asks, 1);
    assert_true(origin.is_blocked);
    admission_leave(&bench.admission, &tickets[1]);
    assert_false(origin.is_blocked);
    enter(&bench, &tickets[0], ALICE, &origin);
    run(&bench);
    assert_int_equal(bench.asks, 1);
    leave_all(&bench, tickets, 2);
    close_bench(&bench);
}

/* ---- Return and leave ----------------------------------------------------------------------- */

static void a_returned_ticket_is_first_and_has_its_turn_back(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin origin = {0};
    struct admission_ticket hers[3] = {0}, his[2] = {0};
    open_bench(&bench, (struct admission_limits){9, 9, 1, 2});
    enter_all(&bench, hers, 2, ALICE, &origin);
    run(&bench);
    enter(&bench, &hers[2], ALICE, &origin);
    enter_all(&bench, his, 2, BOB, &origin);
    assert_int_equal(admission_return(&bench.admission, &hers[0]), 0); /* over the bound */
    assert_int_equal(hers[0].state, ADMISSION_QUEUED);
    assert_int_equal(admission_place(&hers[0]), 1);
    assert_int_equal(admission_place(&hers[1]), 2);
    assert_int_equal(admission_queued_of(&bench.admission, ALICE), 3);
    assert_int_equal(admission_running_of(&bench.admission, ALICE), 0);
    run(&bench);
    assert_ptr_equal(bench.asked[0], &hers[0]);
    end(&bench, &hers[0]);
    assert_ptr_equal(bench.asked[0], &his[0]);
    assert_int_equal(admission_return(&bench.admission, &his[0]), 0);
    run(&bench);
    assert_ptr_equal(bench.asked[0], &his[0]); /* before hers */
    leave_all(&bench, hers, 3);
    leave_all(&bench, his, 2);
    close_bench(&bench);
}

static void a_ticket_may_return_to_a_queue_that_has_gone(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin origin = {0};
    struct admission_ticket ticket = {0};
    open_bench(&bench, wide);
    enter(&bench, &ticket, ALICE, &origin);
    run(&bench);
    assert_null(origin.queues);
    assert_int_equal(admission_return(&bench.admission, &ticket), 0);
    assert_int_equal(origin.queued, 1);
    assert_int_equal(origin.running, 0);
    run(&bench);
    assert_int_equal(ticket.state, ADMISSION_RUNNING);
    leave_all(&bench, &ticket, 1);
    close_bench(&bench);
}

static void a_ticket_may_leave_in_every_state(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin origin = {0};
    struct admission_ticket tickets[4] = {0};
    open_bench(&bench, (struct admission_limits){9, 9, 1, 9});
    admission_leave(&bench.admission, &tickets[0]); /* out */
    enter_all(&bench, tickets, 4, ALICE, &origin);
    run(&bench);
    admission_leave(&bench.admission, &tickets[2]); /* in the middle */
    assert_int_equal(admission_place(&tickets[3]), 2);
    admission_leave(&bench.admission, &tickets[1]); /* the first */
    assert_int_equal(admission_place(&tickets[3]), 1);
    end(&bench, &tickets[0]);
    assert_ptr_equal(bench.asked[0], &tickets[3]);
    end(&bench, &tickets[3]);
    admission_leave(&bench.admission, &tickets[3]); /* again */
    assert_origin_is_idle(&origin);
    close_bench(&bench);
}

/* ---- From inside on_turn -------------------------------------------------------------------- */

/* The origin is the ticket's own and goes with it. */
static enum admission_turn end_with_origin(struct bench *bench, struct admission_ticket *ticket)
{
    struct admission_origin *origin = ticket->origin;
    admission_leave(&bench->admission, ticket);
    memset(ticket, 0xa5, sizeof *ticket);
    if (origin->queued == 0) {
        memset(origin, 0xa5, sizeof *origin);
        free(origin);
    }
    return ADMISSION_ENDED;
}

static void a_ticket_may_end_in_its_turn_and_its_origin_with_it(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_ticket tickets[9] = {0};
    open_bench(&bench, wide);
    for (size_t i = 0; i < 3; i++)
        enter_all(&bench, &tickets[3 * i], 3, ALICE + (uint32_t)i, calloc(1, sizeof *bench.origin));
    bench.verdict = end_with_origin;
    run(&bench);
    assert_int_equal(bench.asks, 9);
    close_bench(&bench);
}

static enum admission_turn take_other_out(struct bench *bench, struct admission_ticket *ticket)
{
    (void)ticket;
    admission_leave(&bench->admission, bench->other);
    return ADMISSION_STARTED;
}

static void another_may_leave_in_a_turn_and_is_not_asked(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin x = {0}, y = {0}, z = {0};
    struct admission_ticket tickets[3] = {0};
    open_bench(&bench, wide);
    enter(&bench, &tickets[0], ALICE, &x);
    enter(&bench, &tickets[1], BOB, &y);
    enter(&bench, &tickets[2], CAROL, &z);
    bench.other = &tickets[1]; /* the next in the walk */
    bench.verdict = take_other_out;
    run(&bench);
    assert_int_equal(bench.asks, 2);
    assert_int_equal(tickets[1].state, ADMISSION_OUT);
    assert_int_equal(tickets[2].state, ADMISSION_RUNNING);
    leave_all(&bench, tickets, 3);
    close_bench(&bench);
}

/* Once, from the first turn: wakes, lets in and runs. */
static enum admission_turn stir(struct bench *bench, struct admission_ticket *ticket)
{
    (void)ticket;
    bench->verdict = NULL;
    admission_wake(&bench->admission, bench->origin);
    enter(bench, bench->other, CAROL, bench->origin);
    size_t asks = bench->asks;
    admission_run(&bench->admission);
    assert_int_equal(bench->asks, asks); /* nobody inside this turn */
    assert_true(bench->admission.is_giving_turns);
    return ADMISSION_STARTED;
}

static void a_nested_run_gives_the_turns_afterwards(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin x = {0}, y = {0};
    struct admission_ticket tickets[3] = {0};
    open_bench(&bench, wide);
    enter(&bench, &tickets[0], ALICE, &x);
    bench.verdict = say_blocked;
    run(&bench);
    enter(&bench, &tickets[1], BOB, &y);
    bench.verdict = stir;
    bench.origin = &x;
    bench.other = &tickets[2];
    run(&bench);
    assert_int_equal(bench.asks, 3);
    assert_int_equal(count_running(tickets, 3), 3);
    leave_all(&bench, tickets, 3);
    close_bench(&bench);
}

static enum admission_turn raise_limit(struct bench *bench, struct admission_ticket *ticket)
{
    (void)ticket;
    if (bench->admission.limits.running_per_user < 5) {
        bench->admission.limits.running_per_user++;
        admission_run(&bench->admission);
    }
    return ADMISSION_STARTED;
}

static void a_nested_run_asks_for_another_round(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin origins[8] = {0};
    struct admission_ticket tickets[8] = {0};
    open_bench(&bench, (struct admission_limits){9, 1, 1, 9});
    for (size_t i = 0; i < 8; i++)
        enter(&bench, &tickets[i], ALICE, &origins[i]);
    bench.verdict = raise_limit;
    run(&bench);
    assert_int_equal(count_running(tickets, 8), 5);
    leave_all(&bench, tickets, 8);
    close_bench(&bench);
}

static void an_end_in_a_turn_makes_room_where_the_walk_has_passed(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin x = {0}, y = {0};
    struct admission_ticket hers[2] = {0}, his = {0};
    open_bench(&bench, (struct admission_limits){9, 9, 1, 9});
    enter_all(&bench, hers, 2, ALICE, &x);
    run(&bench);
    enter(&bench, &his, BOB, &y);
    bench.verdict = take_other_out;
    bench.other = &hers[0];
    run(&bench);
    assert_int_equal(bench.asks, 2);
    assert_int_equal(hers[1].state, ADMISSION_RUNNING);
    leave_all(&bench, hers, 2);
    leave_all(&bench, &his, 1);
    close_bench(&bench);
}

static enum admission_turn let_other_in(struct bench *bench, struct admission_ticket *ticket)
{
    (void)ticket;
    bench->verdict = NULL;
    enter(bench, bench->other, BOB, bench->origin);
    return ADMISSION_STARTED;
}

static void who_enters_in_a_turn_starts_where_the_walk_has_passed(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin busy = {0}, x = {0}, y = {0};
    struct admission_ticket hers[2] = {0}, carols = {0}, his = {0};
    open_bench(&bench, (struct admission_limits){9, 1, 9, 9});
    enter(&bench, &hers[0], ALICE, &busy);
    run(&bench);
    enter(&bench, &hers[1], ALICE, &x);
    enter(&bench, &carols, CAROL, &y);
    bench.verdict = let_other_in;
    bench.other = &his;
    bench.origin = &x;
    run(&bench);
    assert_int_equal(bench.asks, 2);
    assert_int_equal(his.state, ADMISSION_RUNNING);
    assert_int_equal(hers[1].state, ADMISSION_QUEUED);
    leave_all(&bench, hers, 2);
    leave_all(&bench, &carols, 1);
    leave_all(&bench, &his, 1);
    close_bench(&bench);
}

static enum admission_turn wake_and_block(struct bench *bench, struct admission_ticket *ticket)
{
    admission_wake(&bench->admission, ticket->origin);
    admission_run(&bench->admission);
    return ADMISSION_BLOCKED;
}

static void a_wake_inside_the_turn_does_not_undo_its_verdict(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin origin = {0};
    struct admission_ticket ticket = {0};
    open_bench(&bench, wide);
    enter(&bench, &ticket, ALICE, &origin);
    bench.verdict = wake_and_block;
    run(&bench);
    assert_int_equal(bench.asks, 1);
    assert_true(origin.is_blocked);
    leave_all(&bench, &ticket, 1);
    close_bench(&bench);
}

/* ---- Shares --------------------------------------------------------------------------------- */

static void who_runs_less_than_his_share_comes_first(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin origins[100] = {0}, other = {0};
    struct admission_ticket holding[10] = {0}, waiting[100] = {0}, his[7] = {0};
    open_bench(&bench, wide);
    bench.admission.limits.running = 10;
    enter_all(&bench, holding, 10, ALICE, &other);
    run(&bench);
    for (size_t i = 0; i < 100; i++)
        enter(&bench, &waiting[i], ALICE, &origins[i]);
    enter_all(&bench, his, 7, BOB, &other);
    for (size_t i = 0; i < 5; i++) {
        end(&bench, &holding[i]);
        assert_int_equal(bench.asks, 1);
        assert_ptr_equal(bench.asked[0], &his[i]);
    }
    for (size_t i = 5; i < 10; i++) { /* each has his share: hers goes down and up again */
        end(&bench, &holding[i]);
        assert_ptr_equal(bench.asked[0], &waiting[i - 5]); /* none was passed over for good */
    }
    leave_all(&bench, waiting, 100);
    leave_all(&bench, his, 7);
    close_bench(&bench);
}

static void who_runs_his_share_may_have_what_nobody_else_wants(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin x = {0}, y = {0};
    struct admission_ticket hers[20] = {0}, his[3] = {0};
    open_bench(&bench, wide);
    bench.admission.limits.running = 10;
    enter_all(&bench, hers, 20, ALICE, &x);
    enter_all(&bench, his, 3, BOB, &y);
    run(&bench);
    assert_int_equal(admission_running_of(&bench.admission, ALICE), 7);
    assert_int_equal(admission_running_of(&bench.admission, BOB), 3);
    leave_all(&bench, hers, 20);
    leave_all(&bench, his, 3);
    close_bench(&bench);
}

static void a_share_is_at_least_one(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin origins[5] = {0};
    struct admission_ticket tickets[5][2] = {0};
    open_bench(&bench, wide);
    bench.admission.limits.running = 3;
    for (size_t i = 0; i < 5; i++)
        enter_all(&bench, tickets[i], 2, ALICE + (uint32_t)i, &origins[i]);
    run(&bench);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(admission_running_of(&bench.admission, ALICE + (uint32_t)i), 1);
    end(&bench, &tickets[0][0]);
    assert_ptr_equal(bench.asked[0], &tickets[3][0]);
    end(&bench, &tickets[1][0]);
    assert_ptr_equal(bench.asked[0], &tickets[4][0]);
    leave_all(&bench, tickets[0], 10);
    close_bench(&bench);
}

/* The walk for those below their share passes a2 over on its way to Bob. */
static void an_origin_that_is_passed_over_keeps_its_place(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin a1 = {0}, a2 = {0}, b = {0};
    struct admission_ticket hers[4] = {0}, his[2] = {0};
    open_bench(&bench, wide);
    bench.admission.limits.running = 2;
    enter_all(&bench, hers, 2, ALICE, &a1);
    enter_all(&bench, &hers[2], 2, ALICE, &a2);
    enter_all(&bench, his, 2, BOB, &b);
    run(&bench);
    assert_ptr_equal(bench.asked[0], &hers[0]);
    assert_ptr_equal(bench.asked[1], &his[0]);
    end(&bench, &hers[0]);
    assert_ptr_equal(bench.asked[0], &hers[2]);
    leave_all(&bench, hers, 4);
    leave_all(&bench, his, 2);
    close_bench(&bench);
}

/* Bob's second could not start when the walk for those below their share came by; now it is before
 * hers all the same, though her origin is first in the list. */
static void who_may_start_by_a_turn_still_comes_before_those_above_their_share(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin busy[3] = {0}, x = {0}, y = {0}, z = {0};
    struct admission_ticket hers[5] = {0}, his[3] = {0};
    open_bench(&bench, (struct admission_limits){6, 9, 1, 9});
    for (size_t i = 0; i < 3; i++)
        enter(&bench, &hers[i], ALICE, &busy[i]);
    enter(&bench, &his[0], BOB, &x);
    run(&bench);
    enter_all(&bench, &hers[3], 2, ALICE, &y);
    enter(&bench, &his[1], BOB, &x);
    enter(&bench, &his[2], BOB, &z);
    bench.verdict = take_other_out;
    bench.other = &his[0];
    run(&bench);
    assert_int_equal(bench.asks, 3);
    assert_ptr_equal(bench.asked[0], &his[2]);
    assert_ptr_equal(bench.asked[1], &his[1]);
    assert_ptr_equal(bench.asked[2], &hers[3]);
    leave_all(&bench, hers, 5);
    leave_all(&bench, his, 3);
    close_bench(&bench);
}

/* ---- To be told ----------------------------------------------------------------------------- */

static void the_place_is_counted_from_one_in_the_own_queue(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin x = {0}, y = {0};
    struct admission_ticket hers[3] = {0}, his = {0}, elsewhere = {0};
    open_bench(&bench, (struct admission_limits){1, 9, 9, 9});
    assert_int_equal(admission_place(&his), 0);
    enter_all(&bench, hers, 3, ALICE, &x);
    enter(&bench, &his, BOB, &x);
    enter(&bench, &elsewhere, ALICE, &y);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(admission_place(&hers[i]), i + 1);
    assert_int_equal(admission_place(&his), 1);
    assert_int_equal(admission_place(&elsewhere), 1);
    run(&bench);
    assert_int_equal(admission_place(&hers[0]), 0);
    assert_int_equal(admission_place(&hers[2]), 2);
    leave_all(&bench, hers, 3);
    leave_all(&bench, &his, 1);
    leave_all(&bench, &elsewhere, 1);
    close_bench(&bench);
}

/* Of two of one user at one origin, one runs or is refused, the other waits. */
static void assert_cause(struct admission_limits limits, bool is_blocked,
                         enum admission_cause cause)
{
    struct bench bench;
    struct admission_origin origin = {0};
    struct admission_ticket tickets[2] = {0};
    open_bench(&bench, limits);
    enter(&bench, &tickets[0], ALICE, &origin);
    bench.verdict = is_blocked ? say_blocked : NULL;
    run(&bench);
    enter(&bench, &tickets[1], ALICE, &origin);
    run(&bench);
    assert_int_equal(admission_cause(&bench.admission, &tickets[1]), cause);
    leave_all(&bench, tickets, 2);
    assert_int_equal(admission_cause(&bench.admission, &tickets[1]), ADMISSION_CAUSE_TURN);
    close_bench(&bench);
}

static void the_cause_names_what_keeps_it(void **state)
{
    (void)state;
    assert_cause((struct admission_limits){9, 9, 9, 9}, true, ADMISSION_CAUSE_ORIGIN);
    assert_cause((struct admission_limits){1, 9, 9, 9}, false, ADMISSION_CAUSE_RUNNING);
    assert_cause((struct admission_limits){9, 1, 9, 9}, false, ADMISSION_CAUSE_USER);
    assert_cause((struct admission_limits){9, 9, 1, 9}, false, ADMISSION_CAUSE_RUNNING_ORIGIN);
    assert_cause((struct admission_limits){9, 9, 9, 9}, false, ADMISSION_CAUSE_TURN);
    assert_cause((struct admission_limits){1, 1, 1, 9}, false, ADMISSION_CAUSE_RUNNING);
    assert_cause((struct admission_limits){9, 1, 1, 9}, false, ADMISSION_CAUSE_USER);
}

static void one_that_could_start_waits_for_its_turn(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin origin = {0};
    struct admission_ticket ticket = {0};
    open_bench(&bench, wide);
    enter(&bench, &ticket, ALICE, &origin);
    assert_int_equal(admission_cause(&bench.admission, &ticket), ADMISSION_CAUSE_TURN);
    leave_all(&bench, &ticket, 1);
    close_bench(&bench);
}

/* ---- Many ----------------------------------------------------------------------------------- */

/* Were a run or an end quadratic in the origins, the deadline of the test program would say so. */
static void ten_thousand_origins_are_served_one_by_one(void **state)
{
    (void)state;
    enum { ORIGINS = 10000 };
    struct bench bench;
    struct admission_origin *origins = calloc(ORIGINS, sizeof *origins);
    struct admission_ticket *tickets = calloc(ORIGINS, sizeof *tickets);
    open_bench(&bench, wide);
    bench.admission.limits.running_per_user = 2;
    for (size_t i = 0; i < ORIGINS; i++)
        enter(&bench, &tickets[i], ALICE, &origins[i]);
    run(&bench);
    assert_int_equal(bench.asks, 2);
    for (size_t i = 0; i < ORIGINS - 2; i++) {
        end(&bench, &tickets[i]);
        assert_int_equal(bench.asks, 1);
        assert_ptr_equal(bench.asked[0], &tickets[i + 2]);
    }
    leave_all(&bench, tickets, ORIGINS);
    close_bench(&bench);
    free(origins);
    free(tickets);
}

/* ---- Random steps against a naive model ----------------------------------------------------- */

enum { TICKETS = 60, ORIGINS = 6, USERS = 4, STEPS = 10000 };

static const struct admission_limits narrow = {12, 5, 4, 10};

struct naive_ticket {
    struct admission_ticket ticket; /* first: it is found by this */
    enum admission_state state;
    size_t user, origin;
    long order; /* in its queue */
};

struct model {
    struct bench bench; /* first */
    struct admission_origin origins[ORIGINS];
    struct naive_ticket tickets[TICKETS];
    bool is_blocked[USERS][ORIGINS], is_full[ORIGINS];
    long last, first; /* orders given, at the end and at the start */
    uint32_t random;
    bool is_lively; /* on_turn ends some and does things to others */
    size_t asks, starts, blocks, ends, refusals, returns;
};

static uint32_t pick(struct model *model, uint32_t count)
{
    model->random = model->random * 1664525 + 1013904223;
    return (model->random >> 8) % count;
}

/* SIZE_MAX: any. */
static size_t count_of(const struct model *model, enum admission_state state, size_t user,
                       size_t origin)
{
    size_t count = 0;
    for (size_t i = 0; i < TICKETS; i++) {
        const struct naive_ticket *each = &model->tickets[i];
        count += each->state == state && (user == SIZE_MAX || each->user == user) &&
                 (origin == SIZE_MAX || each->origin == origin);
    }
    return count;
}

static bool could_start(const struct model *model, const struct naive_ticket *ticket)
{
    return ticket->state == ADMISSION_QUEUED && !model->is_blocked[ticket->user][ticket->origin] &&
           count_of(model, ADMISSION_RUNNING, SIZE_MAX, SIZE_MAX) < narrow.running &&
           count_of(model, ADMISSION_RUNNING, ticket->user, SIZE_MAX) < narrow.running_per_user &&
           count_of(model, ADMISSION_RUNNING, SIZE_MAX, ticket->origin) < narrow.running_per_origin;
}

static size_t place_of(const struct model *model, const struct naive_ticket *ticket)
{
    size_t place = 1;
    for (size_t i = 0; i < TICKETS; i++) {
        const struct naive_ticket *each = &model->tickets[i];
        place += each->state == ADMISSION_QUEUED && each->user == ticket->user &&
                 each->origin == ticket->origin && each->order < ticket->order;
    }
    return place;
}

static bool is_below_share(const struct model *model, size_t user)
{
    size_t users = 0;
    for (size_t i = 0; i < USERS; i++)
        users += count_of(model, ADMISSION_QUEUED, i, SIZE_MAX) +
                     count_of(model, ADMISSION_RUNNING, i, SIZE_MAX) >
                 0;
    return count_of(model, ADMISSION_RUNNING, user, SIZE_MAX) < narrow.running / users;
}

/* If there is not room for all, none who could start is below his share, or the asked one is. */
static void assert_shares(const struct model *model, const struct naive_ticket *asked)
{
    if (count_of(model, ADMISSION_OUT, SIZE_MAX, SIZE_MAX) >= TICKETS - narrow.running ||
        is_below_share(model, asked->user))
        return;
    for (size_t i = 0; i < TICKETS; i++) {
        const struct naive_ticket *each = &model->tickets[i];
        assert_false(could_start(model, each) && is_below_share(model, each->user));
    }
}

static void step_enter(struct model *model, struct naive_ticket *ticket)
{
    if (ticket->state != ADMISSION_OUT)
        return;
    size_t user = pick(model, USERS), origin = pick(model, ORIGINS);
    size_t queued = count_of(model, ADMISSION_QUEUED, user, SIZE_MAX);
    bool is_full = queued >= narrow.queued_per_user &&
                   (count_of(model, ADMISSION_QUEUED, SIZE_MAX, origin) > 0 ||
                    queued >= 2 * narrow.queued_per_user);
    int result = admission_enter(&model->bench.admission, &ticket->ticket, ALICE + (uint32_t)user,
                                 &model->origins[origin]);
    assert_int_equal(result, is_full ? -EBUSY : 0);
    model->refusals += is_full;
    if (is_full)
        return;
    ticket->state = ADMISSION_QUEUED;
    ticket->user = user;
    ticket->origin = origin;
    ticket->order = ++model->last;
}

static void step_leave(struct model *model, struct naive_ticket *ticket)
{
    bool was_first = ticket->state == ADMISSION_QUEUED && place_of(model, ticket) == 1;
    admission_leave(&model->bench.admission, &ticket->ticket);
    ticket->state = ADMISSION_OUT;
    if (was_first)
        model->is_blocked[ticket->user][ticket->origin] = false;
}

static void step_return(struct model *model, struct naive_ticket *ticket)
{
    if (ticket->state != ADMISSION_RUNNING)
        return;
    assert_int_equal(admission_return(&model->bench.admission, &ticket->ticket), 0);
    ticket->state = ADMISSION_QUEUED;
    ticket->order = --model->first;
    model->is_blocked[ticket->user][ticket->origin] = false;
    model->returns++;
}

static void step_wake(struct model *model, size_t origin)
{
    admission_wake(&model->bench.admission, &model->origins[origin]);
    for (size_t user = 0; user < USERS; user++)
        model->is_blocked[user][origin] = false;
}

/* Is there nobody at the origin who could be asked? */
static bool is_all_blocked(const struct model *model, size_t origin)
{
    for (size_t user = 0; user < USERS; user++) {
        if (count_of(model, ADMISSION_QUEUED, user, origin) > 0 && !model->is_blocked[user][origin])
            return false;
    }
    return true;
}

/* What on_turn does on the side, never to the one whose turn it is. */
static void stir_others(struct model *model, const struct naive_ticket *asked)
{
    struct naive_ticket *other = &model->tickets[pick(model, TICKETS)];
    if (other == asked)
        return;
    switch (pick(model, 6)) {
    case 0:
        step_enter(model, other);
        break;
    case 1:
        step_leave(model, other);
        break;
    case 2:
        step_return(model, other);
        break;
    case 3:
        admission_run(&model->bench.admission);
        break;
    case 4:
        step_wake(model, pick(model, ORIGINS));
        break;
    }
}

static enum admission_turn choose(struct bench *bench, struct admission_ticket *embedded)
{
    struct model *model = (struct model *)bench;
    struct naive_ticket *ticket = (struct naive_ticket *)embedded;
    model->asks++;
    assert_true(could_start(model, ticket));
    assert_int_equal(place_of(model, ticket), 1);
    if (model->is_lively)
        stir_others(model, ticket);
    else
        assert_shares(model, ticket);
    if (model->is_lively && pick(model, 8) == 0) {
        step_leave(model, ticket);
        model->ends++;
        return ADMISSION_ENDED;
    }
    model->is_blocked[ticket->user][ticket->origin] = model->is_full[ticket->origin];
    if (model->is_full[ticket->origin]) {
        model->blocks++;
        return ADMISSION_BLOCKED;
    }
    ticket->state = ADMISSION_RUNNING;
    model->starts++;
    return ADMISSION_STARTED;
}

static void assert_agrees(const struct model *model)
{
    const struct admission *admission = &model->bench.admission;
    assert_int_equal(admission->queued, count_of(model, ADMISSION_QUEUED, SIZE_MAX, SIZE_MAX));
    assert_int_equal(admission->running, count_of(model, ADMISSION_RUNNING, SIZE_MAX, SIZE_MAX));
    for (size_t i = 0; i < USERS; i++) {
        uint32_t uid = ALICE + (uint32_t)i;
        assert_int_equal(admission_queued_of(admission, uid),
                         count_of(model, ADMISSION_QUEUED, i, SIZE_MAX));
        assert_int_equal(admission_running_of(admission, uid),
                         count_of(model, ADMISSION_RUNNING, i, SIZE_MAX));
    }
    for (size_t i = 0; i < ORIGINS; i++) {
        const struct admission_origin *origin = &model->origins[i];
        assert_int_equal(origin->queued, count_of(model, ADMISSION_QUEUED, SIZE_MAX, i));
        assert_int_equal(origin->running, count_of(model, ADMISSION_RUNNING, SIZE_MAX, i));
        assert_true(!origin->is_blocked || is_all_blocked(model, i));
    }
    for (size_t i = 0; i < TICKETS; i++) {
        const struct naive_ticket *each = &model->tickets[i];
        assert_int_equal(each->ticket.state, each->state);
        assert_int_equal(admission_place(&each->ticket),
                         each->state == ADMISSION_QUEUED ? place_of(model, each) : 0);
    }
}

static void step_run(struct model *model)
{
    admission_run(&model->bench.admission);
    for (size_t i = 0; i < TICKETS; i++)
        assert_false(could_start(model, &model->tickets[i]));
}

static void step(struct model *model)
{
    struct naive_ticket *ticket = &model->tickets[pick(model, TICKETS)];
    size_t origin = pick(model, ORIGINS);
    switch (pick(model, 10)) {
    case 0:
        step_run(model);
        break;
    case 1:
    case 2:
        step_leave(model, ticket);
        break;
    case 3:
        step_return(model, ticket);
        break;
    case 4:
        model->is_full[origin] = pick(model, 2) == 0;
        step_wake(model, origin);
        break;
    default:
        step_enter(model, ticket);
        break;
    }
}

static void take_random_steps(bool is_lively)
{
    struct model *model = calloc(1, sizeof *model);
    open_bench(&model->bench, narrow);
    model->bench.verdict = choose;
    model->random = 20240607;
    model->is_lively = is_lively;
    for (size_t i = 0; i < STEPS; i++) {
        step(model);
        assert_agrees(model);
    }
    assert_true(model->starts > 300 && model->blocks > 100);
    assert_true(model->refusals > 50 && model->returns > 100);
    assert_true(!is_lively || model->ends > 50);
    for (size_t i = 0; i < TICKETS; i++)
        step_leave(model, &model->tickets[i]);
    close_bench(&model->bench);
    free(model);
}

static void random_steps_agree_with_a_naive_model(void **state)
{
    (void)state;
    take_random_steps(false);
}

static void random_steps_agree_also_when_each_turn_does_more(void **state)
{
    (void)state;
    take_random_steps(true);
}

/* ---- Limits of a user's own -------------------------------------------------------------------
 */

static void a_user_with_a_share_of_their_own_has_that_and_others_what_all_have(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin x = {0};
    struct admission_ticket hers[4] = {0}, his[4] = {0};
    open_bench(&bench, (struct admission_limits){100, 3, 100, 100});
    for (size_t i = 0; i < 4; i++)
        hers[i].share = (struct admission_share){.running = 1};
    enter_all(&bench, hers, 4, ALICE, &x);
    enter_all(&bench, his, 4, BOB, &x);
    run(&bench);
    assert_int_equal(count_running(hers, 4), 1);
    assert_int_equal(count_running(his, 4), 3);
    assert_int_equal(admission_cause(&bench.admission, &hers[1]), ADMISSION_CAUSE_USER);
    end(&bench, &hers[0]);
    assert_int_equal(count_running(hers, 4), 1);
    leave_all(&bench, hers, 4);
    leave_all(&bench, his, 4);
    admission_finish(&bench.admission);
}

static void a_share_may_be_more_than_others_have(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin x = {0};
    struct admission_ticket hers[4] = {0};
    open_bench(&bench, (struct admission_limits){100, 1, 100, 2});
    for (size_t i = 0; i < 4; i++)
        hers[i].share = (struct admission_share){.running = 3, .queued = 4};
    enter_all(&bench, hers, 4, ALICE, &x);
    run(&bench);
    assert_int_equal(count_running(hers, 4), 3);
    leave_all(&bench, hers, 4);
    admission_finish(&bench.admission);
}

static void a_queue_of_ones_own_is_full_at_its_own_number(void **state)
{
    (void)state;
    struct bench bench;
    struct admission_origin x = {0};
    struct admission_ticket hers[2] = {0}, his = {0};
    open_bench(&bench, wide);
    hers[0].share = hers[1].share = (struct admission_share){.queued = 1};
    enter(&bench, &hers[0], ALICE, &x);
    assert_int_equal(admission_enter(&bench.admission, &hers[1], ALICE, &x), -EBUSY);
    enter(&bench, &his, BOB, &x);
    leave_all(&bench, hers, 2);
    leave_all(&bench, &his, 1);
    admission_finish(&bench.admission);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_starts_before_the_run),
        cmocka_unit_test(a_user_with_a_share_of_their_own_has_that_and_others_what_all_have),
        cmocka_unit_test(a_share_may_be_more_than_others_have),
        cmocka_unit_test(a_queue_of_ones_own_is_full_at_its_own_number),
        cmocka_unit_test(requests_of_one_user_start_in_order),
        cmocka_unit_test(ten_thousand_of_one_user_delay_another_by_one_turn),
        cmocka_unit_test(users_at_one_origin_are_served_by_turns),
        cmocka_unit_test(a_queue_at_one_origin_does_not_delay_another_origin),
        cmocka_unit_test(origins_are_visited_in_rotation),
        cmocka_unit_test(so_many_run_as_the_limits_say_and_not_one_more),
        cmocka_unit_test(an_end_lets_one_start_who_waited_for_it),
        cmocka_unit_test(a_user_at_his_limit_loses_no_turn_and_delays_nobody),
        cmocka_unit_test(limits_may_change_meanwhile),
        cmocka_unit_test(a_full_queue_refuses_and_the_ticket_is_out),
        cmocka_unit_test(
            a_queue_that_is_full_for_one_origin_lets_requests_for_others_in_up_to_twice),
        cmocka_unit_test(a_blocked_origin_is_not_asked_before_it_is_woken),
        cmocka_unit_test(an_origin_where_nobody_waits_is_not_blocked),
        cmocka_unit_test(a_returned_ticket_is_first_and_has_its_turn_back),
        cmocka_unit_test(a_ticket_may_return_to_a_queue_that_has_gone),
        cmocka_unit_test(a_ticket_may_leave_in_every_state),
        cmocka_unit_test(a_ticket_may_end_in_its_turn_and_its_origin_with_it),
        cmocka_unit_test(another_may_leave_in_a_turn_and_is_not_asked),
        cmocka_unit_test(a_nested_run_gives_the_turns_afterwards),
        cmocka_unit_test(a_nested_run_asks_for_another_round),
        cmocka_unit_test(an_end_in_a_turn_makes_room_where_the_walk_has_passed),
        cmocka_unit_test(who_enters_in_a_turn_starts_where_the_walk_has_passed),
        cmocka_unit_test(a_wake_inside_the_turn_does_not_undo_its_verdict),
        cmocka_unit_test(who_runs_less_than_his_share_comes_first),
        cmocka_unit_test(who_runs_his_share_may_have_what_nobody_else_wants),
        cmocka_unit_test(a_share_is_at_least_one),
        cmocka_unit_test(an_origin_that_is_passed_over_keeps_its_place),
        cmocka_unit_test(who_may_start_by_a_turn_still_comes_before_those_above_their_share),
        cmocka_unit_test(the_place_is_counted_from_one_in_the_own_queue),
        cmocka_unit_test(the_cause_names_what_keeps_it),
        cmocka_unit_test(one_that_could_start_waits_for_its_turn),
        cmocka_unit_test(ten_thousand_origins_are_served_one_by_one),
        cmocka_unit_test(random_steps_agree_with_a_naive_model),
        cmocka_unit_test(random_steps_agree_also_when_each_turn_does_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
