/* The breaker: every transition, and the pauses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "breaker.h"

#define LEAST_MS 100
#define MOST_MS  1000
#define START_MS 50000

static const struct breaker_limits limits = {.least_ms = LEAST_MS, .most_ms = MOST_MS};
static struct breaker breaker;

static int set_up(void **state)
{
    (void)state;
    memset(&breaker, 0, sizeof breaker);
    return 0;
}

static void fail_at(uint64_t now_ms)
{
    breaker_note_failure(&breaker, &limits, now_ms);
}

/* At START_MS, for the least pause. */
static void open_it(void)
{
    set_up(NULL);
    for (int i = 0; i < BREAKER_PATIENCE; i++)
        fail_at(START_MS);
    assert_int_equal(breaker.state, BREAKER_OPEN);
}

/* A trial is being made as soon as it may. */
static void try_it(void)
{
    assert_int_equal(breaker_ask(&breaker, breaker.until_ms), BREAKER_GO);
    breaker_note_attempt(&breaker);
    assert_int_equal(breaker.state, BREAKER_TRYING);
}

static void assert_open(uint64_t pause_ms, uint64_t until_ms)
{
    assert_int_equal(breaker.state, BREAKER_OPEN);
    assert_int_equal(breaker.pause_ms, pause_ms);
    assert_int_equal(breaker.until_ms, until_ms);
    assert_int_equal(breaker_ask(&breaker, until_ms - 1), BREAKER_FAIL);
    assert_int_equal(breaker_ask(&breaker, until_ms), BREAKER_GO);
    assert_int_equal(breaker_ask(&breaker, until_ms + 1), BREAKER_GO);
}

static void assert_as_new(void)
{
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    assert_int_equal(breaker.failures, 0);
    assert_int_equal(breaker.pause_ms, 0);
    assert_int_equal(breaker.until_ms, 0);
    assert_int_equal(breaker_ask(&breaker, 0), BREAKER_GO);
}

static void closed_it_lets_any_number_through(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        assert_int_equal(breaker_ask(&breaker, START_MS), BREAKER_GO);
        breaker_note_attempt(&breaker);
    }
    assert_int_equal(breaker.state, BREAKER_CLOSED);
}

static void it_opens_at_the_last_failure_of_its_patience(void **state)
{
    (void)state;
    for (int i = 1; i < BREAKER_PATIENCE; i++) {
        fail_at(START_MS);
        assert_int_equal(breaker.state, BREAKER_CLOSED);
        assert_int_equal(breaker_ask(&breaker, START_MS), BREAKER_GO);
    }
    fail_at(START_MS + 7);
    assert_int_equal(breaker.failures, BREAKER_PATIENCE);
    assert_open(LEAST_MS, START_MS + 7 + LEAST_MS);
}

static void a_success_in_between_begins_the_row_anew(void **state)
{
    (void)state;
    for (int i = 1; i < BREAKER_PATIENCE; i++)
        fail_at(START_MS);
    breaker_note_success(&breaker);
    assert_as_new();
    for (int i = 1; i < BREAKER_PATIENCE; i++)
        fail_at(START_MS);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
}

static void after_the_pause_one_attempt_is_let_through_and_others_wait(void **state)
{
    (void)state;
    open_it();
    assert_open(LEAST_MS, START_MS + LEAST_MS);
    try_it();
    assert_int_equal(breaker_ask(&breaker, START_MS + LEAST_MS), BREAKER_WAIT);
    assert_int_equal(breaker_ask(&breaker, UINT64_MAX), BREAKER_WAIT);
}

static void to_ask_changes_nothing(void **state)
{
    (void)state;
    open_it();
    struct breaker before = breaker;
    assert_int_equal(breaker_ask(&breaker, START_MS + LEAST_MS), BREAKER_GO);
    assert_int_equal(breaker_ask(&breaker, START_MS + LEAST_MS), BREAKER_GO);
    assert_memory_equal(&breaker, &before, sizeof before);
}

static void a_failed_trial_doubles_the_pause_up_to_the_most(void **state)
{
    (void)state;
    const uint64_t pauses_ms[] = {200, 400, 800, 1000, 1000};
    uint64_t now_ms = START_MS;
    open_it();
    for (size_t i = 0; i < sizeof pauses_ms / sizeof *pauses_ms; i++) {
        try_it();
        now_ms = breaker.until_ms + 30;
        fail_at(now_ms);
        assert_open(pauses_ms[i], now_ms + pauses_ms[i]);
    }
    assert_int_equal(breaker.failures, BREAKER_PATIENCE + 5);
}

static void a_late_failure_while_open_changes_nothing(void **state)
{
    (void)state;
    open_it();
    for (int i = 0; i < 100; i++)
        fail_at(START_MS + 20);
    assert_open(LEAST_MS, START_MS + LEAST_MS);
}

static void a_success_closes_it_from_any_state_and_resets_the_pause(void **state)
{
    (void)state;
    breaker_note_success(&breaker);
    assert_as_new();
    open_it();
    breaker_note_success(&breaker);
    assert_as_new();
    open_it();
    fail_at(START_MS);
    try_it();
    breaker_note_success(&breaker);
    assert_as_new();
    open_it();
    assert_open(LEAST_MS, START_MS + LEAST_MS);
}

static void an_abandoned_trial_lets_the_next_one_through_at_once(void **state)
{
    (void)state;
    open_it();
    try_it();
    breaker_note_abandoned(&breaker, START_MS + 150);
    assert_int_equal(breaker.state, BREAKER_OPEN);
    assert_int_equal(breaker.until_ms, START_MS + 150);
    assert_int_equal(breaker_ask(&breaker, START_MS + 150), BREAKER_GO);
    assert_int_equal(breaker.pause_ms, LEAST_MS);
    try_it();
    fail_at(START_MS + 160);
    assert_open(200, START_MS + 360);
}

static void an_attempt_abandoned_in_another_state_changes_nothing(void **state)
{
    (void)state;
    fail_at(START_MS);
    breaker_note_abandoned(&breaker, START_MS + 10);
    assert_int_equal(breaker.state, BREAKER_CLOSED);
    assert_int_equal(breaker.failures, 1);
    open_it();
    breaker_note_abandoned(&breaker, START_MS + 10);
    assert_open(LEAST_MS, START_MS + LEAST_MS);
}

static void without_a_most_pause_it_never_opens(void **state)
{
    (void)state;
    const struct breaker_limits none = {.least_ms = LEAST_MS, .most_ms = 0};
    for (int i = 0; i < 3 * BREAKER_PATIENCE; i++)
        breaker_note_failure(&breaker, &none, START_MS);
    assert_as_new();
    open_it();
    try_it();
    breaker_note_failure(&breaker, &none, START_MS + LEAST_MS);
    assert_as_new();
}

static void the_most_pause_bounds_the_least(void **state)
{
    (void)state;
    const struct breaker_limits crossed = {.least_ms = 500, .most_ms = 300};
    for (int i = 0; i < BREAKER_PATIENCE; i++)
        breaker_note_failure(&breaker, &crossed, START_MS);
    assert_open(300, START_MS + 300);
}

static void changed_limits_hold_from_the_next_failure_on(void **state)
{
    (void)state;
    const struct breaker_limits longer = {.least_ms = 5000, .most_ms = 60000};
    const struct breaker_limits shorter = {.least_ms = 10, .most_ms = 20};
    open_it();
    try_it();
    breaker_note_failure(&breaker, &longer, START_MS);
    assert_open(5000, START_MS + 5000);
    breaker_note_attempt(&breaker);
    breaker_note_failure(&breaker, &shorter, START_MS);
    assert_open(20, START_MS + 20);
}

static void huge_pauses_do_not_wrap(void **state)
{
    (void)state;
    const struct breaker_limits huge = {.least_ms = UINT64_MAX / 2 + 1, .most_ms = UINT64_MAX};
    for (int i = 0; i < BREAKER_PATIENCE; i++)
        breaker_note_failure(&breaker, &huge, 0);
    assert_true(breaker.pause_ms == huge.least_ms);
    breaker_note_attempt(&breaker);
    breaker_note_failure(&breaker, &huge, 0);
    assert_true(breaker.pause_ms == UINT64_MAX);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(closed_it_lets_any_number_through),
        TEST(it_opens_at_the_last_failure_of_its_patience),
        TEST(a_success_in_between_begins_the_row_anew),
        TEST(after_the_pause_one_attempt_is_let_through_and_others_wait),
        TEST(to_ask_changes_nothing),
        TEST(a_failed_trial_doubles_the_pause_up_to_the_most),
        TEST(a_late_failure_while_open_changes_nothing),
        TEST(a_success_closes_it_from_any_state_and_resets_the_pause),
        TEST(an_abandoned_trial_lets_the_next_one_through_at_once),
        TEST(an_attempt_abandoned_in_another_state_changes_nothing),
        TEST(without_a_most_pause_it_never_opens),
        TEST(the_most_pause_bounds_the_least),
        TEST(changed_limits_hold_from_the_next_failure_on),
        TEST(huge_pauses_do_not_wrap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
