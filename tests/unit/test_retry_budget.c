/* The retry budget: its share, its least, and how its window moves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "retry_budget.h"

#define PERCENT 20
#define HALF_MS (RETRY_BUDGET_WINDOW_MS / 2)

/* Any time but 0, and no multiple of a half: the first call begins one. */
#define START_MS 1234567

static struct retry_budget budget;

static int set_up(void **state)
{
    (void)state;
    memset(&budget, 0, sizeof budget);
    return 0;
}

static void request(unsigned times, uint64_t now_ms)
{
    while (times-- > 0)
        retry_budget_note_request(&budget, now_ms);
}

/* Takes until there is none left. */
static unsigned take_all(uint64_t percent, uint64_t now_ms)
{
    unsigned taken = 0;
    while (retry_budget_take(&budget, percent, now_ms))
        taken++;
    return taken;
}

static void a_quiet_origin_has_the_least(void **state)
{
    (void)state;
    assert_int_equal(take_all(PERCENT, START_MS), RETRY_BUDGET_LEAST);
    assert_int_equal(take_all(PERCENT, START_MS), 0);
}

static void with_no_percent_the_least_is_left(void **state)
{
    (void)state;
    request(1000, START_MS);
    assert_int_equal(take_all(0, START_MS), RETRY_BUDGET_LEAST);
}

static void the_share_counts_from_where_it_is_more_than_the_least(void **state)
{
    (void)state;
    const unsigned cases[][2] = {/* requests, retries */
                                 {15, 3}, {19, 3}, {20, 4}, {24, 4}, {25, 5}, {1000, 200}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        set_up(NULL);
        request(cases[i][0], START_MS);
        assert_int_equal(take_all(PERCENT, START_MS), cases[i][1]);
    }
}

static void all_may_be_sent_again_at_a_hundred_percent(void **state)
{
    (void)state;
    request(50, START_MS);
    assert_int_equal(take_all(100, START_MS), 50);
}

static void further_requests_bring_further_retries(void **state)
{
    (void)state;
    request(20, START_MS);
    assert_int_equal(take_all(PERCENT, START_MS), 4);
    request(4, START_MS + 1);
    assert_int_equal(take_all(PERCENT, START_MS + 1), 0);
    request(1, START_MS + 2);
    assert_int_equal(take_all(PERCENT, START_MS + 2), 1);
}

static void what_is_refused_is_not_charged(void **state)
{
    (void)state;
    assert_int_equal(take_all(PERCENT, START_MS), RETRY_BUDGET_LEAST);
    for (int i = 0; i < 1000; i++)
        assert_false(retry_budget_take(&budget, PERCENT, START_MS));
    request(20, START_MS);
    assert_int_equal(take_all(PERCENT, START_MS), 1);
}

static void both_halves_count(void **state)
{
    (void)state;
    request(50, START_MS);
    assert_int_equal(take_all(PERCENT, START_MS), 10);
    request(50, START_MS + HALF_MS);
    assert_int_equal(budget.before.requests, 50);
    assert_int_equal(budget.before.retries, 10);
    assert_int_equal(budget.current.requests, 50);
    assert_int_equal(take_all(PERCENT, START_MS + HALF_MS), 10);
}

static void what_came_as_a_half_began_counts_for_the_whole_window(void **state)
{
    (void)state;
    request(100, START_MS);
    request(1, START_MS + HALF_MS);
    assert_int_equal(take_all(PERCENT, START_MS + RETRY_BUDGET_WINDOW_MS - 1), 20);
    set_up(NULL);
    request(100, START_MS);
    request(1, START_MS + HALF_MS);
    assert_int_equal(take_all(PERCENT, START_MS + RETRY_BUDGET_WINDOW_MS), RETRY_BUDGET_LEAST);
}

static void what_came_as_a_half_ended_counts_for_a_half(void **state)
{
    (void)state;
    for (uint64_t later_ms = 0; later_ms <= 1; later_ms++) {
        set_up(NULL);
        request(1, START_MS);
        request(99, START_MS + HALF_MS - 1);
        request(1, START_MS + HALF_MS);
        assert_int_equal(take_all(PERCENT, START_MS + RETRY_BUDGET_WINDOW_MS - 1 + later_ms),
                         later_ms ? RETRY_BUDGET_LEAST : 20);
    }
}

static void a_half_begins_exactly_where_the_one_before_ends(void **state)
{
    (void)state;
    request(1, START_MS);
    request(1, START_MS + HALF_MS - 1);
    assert_int_equal(budget.current.requests, 2);
    request(1, START_MS + HALF_MS + 17);
    assert_int_equal(budget.current.requests, 1);
    assert_int_equal(budget.before.requests, 2);
    assert_int_equal(budget.half_began_ms, START_MS + HALF_MS);
}

static void retries_leave_the_window_as_requests_do(void **state)
{
    (void)state;
    assert_int_equal(take_all(PERCENT, START_MS), RETRY_BUDGET_LEAST);
    assert_int_equal(take_all(PERCENT, START_MS + HALF_MS), 0);
    assert_int_equal(take_all(PERCENT, START_MS + RETRY_BUDGET_WINDOW_MS - 1), 0);
    assert_int_equal(take_all(PERCENT, START_MS + RETRY_BUDGET_WINDOW_MS), RETRY_BUDGET_LEAST);
}

static void after_a_window_of_silence_all_is_forgotten(void **state)
{
    (void)state;
    request(1000, START_MS);
    uint64_t later_ms = START_MS + RETRY_BUDGET_WINDOW_MS;
    assert_int_equal(take_all(PERCENT, later_ms), RETRY_BUDGET_LEAST);
    assert_int_equal(budget.half_began_ms, later_ms);
    assert_int_equal(budget.before.requests, 0);
    set_up(NULL);
    request(1000, START_MS);
    assert_int_equal(take_all(PERCENT, later_ms - 1), 200);
}

static void in_an_outage_retries_stay_below_their_share(void **state)
{
    (void)state;
    unsigned retries = 0;
    for (uint64_t ms = 0; ms < 60000; ms += 10) { /* 100 a second, each fails and asks twice */
        request(1, START_MS + ms);
        retries += retry_budget_take(&budget, PERCENT, START_MS + ms);
        retries += retry_budget_take(&budget, PERCENT, START_MS + ms);
    }
    assert_in_range(retries, 6000 * 15 / 100, 6000 * PERCENT / 100);
}

static void a_clock_that_begins_at_zero_will_do(void **state)
{
    (void)state;
    request(20, 0);
    assert_int_equal(take_all(PERCENT, 0), 4);
    assert_int_equal(take_all(PERCENT, RETRY_BUDGET_WINDOW_MS), RETRY_BUDGET_LEAST);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(a_quiet_origin_has_the_least),
        TEST(with_no_percent_the_least_is_left),
        TEST(the_share_counts_from_where_it_is_more_than_the_least),
        TEST(all_may_be_sent_again_at_a_hundred_percent),
        TEST(further_requests_bring_further_retries),
        TEST(what_is_refused_is_not_charged),
        TEST(both_halves_count),
        TEST(what_came_as_a_half_began_counts_for_the_whole_window),
        TEST(what_came_as_a_half_ended_counts_for_a_half),
        TEST(a_half_begins_exactly_where_the_one_before_ends),
        TEST(retries_leave_the_window_as_requests_do),
        TEST(after_a_window_of_silence_all_is_forgotten),
        TEST(in_an_outage_retries_stay_below_their_share),
        TEST(a_clock_that_begins_at_zero_will_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
