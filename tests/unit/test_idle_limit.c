/* What origins say and do about idle connections, and the limit that follows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "idle_limit.h"

/* Any time but 0: what was never set must not look as if it were just now. */
#define START_MS 1000000

static struct idle_limit limit;

static int set_up(void **state)
{
    (void)state;
    memset(&limit, 0, sizeof limit);
    return 0;
}

/* As if nothing had been said before. */
static uint64_t said(const char *field)
{
    limit.said_ms = 0;
    idle_limit_note_field(&limit, field);
    return limit.said_ms;
}

/* Two that agree; the later one at START_MS. */
static void learn(uint64_t idle_ms)
{
    idle_limit_note_close(&limit, idle_ms, START_MS - 1000);
    idle_limit_note_close(&limit, idle_ms, START_MS);
    assert_int_equal(limit.learned_ms, idle_ms);
}

static uint64_t learned_at(uint64_t after_ms)
{
    return idle_limit_learned(&limit, START_MS + after_ms);
}

static void assert_nothing_learned(void)
{
    assert_int_equal(limit.learned_ms, 0);
    assert_true(learned_at(0) == IDLE_LIMIT_NONE);
}

/* ---- The field ------------------------------------------------------------------------------ */

static void a_timeout_is_read_wherever_it_stands(void **state)
{
    (void)state;
    assert_int_equal(said("timeout=5"), 5000);
    assert_int_equal(said("timeout=5, max=100"), 5000);
    assert_int_equal(said("max=100,timeout=75"), 75000);
    assert_int_equal(said("max, timeout=7"), 7000);
    assert_int_equal(said(",, ,timeout=8,"), 8000);
}

static void its_case_blanks_and_quotes_do_not_matter(void **state)
{
    (void)state;
    assert_int_equal(said("TimeOut=6"), 6000);
    assert_int_equal(said(" \ttimeout \t= 6\t , max=1"), 6000);
    assert_int_equal(said("timeout=\"6\""), 6000);
    assert_int_equal(said("timeout = \"6\" ,max=\"1\""), 6000);
    assert_int_equal(said("timeout=0006"), 6000);
}

static void what_stands_in_quotes_is_no_parameter(void **state)
{
    (void)state;
    assert_int_equal(said("note=\"a, timeout=1\", timeout=9"), 9000);
    assert_int_equal(said("note=\"a\\\", timeout=1\", timeout=9"), 9000);
    assert_int_equal(said("note=\", timeout=1"), 0);
    assert_int_equal(said("note=\"\\"), 0);
}

static void nonsense_is_no_word(void **state)
{
    (void)state;
    const char *const fields[] = {"",
                                  ",",
                                  "timeout",
                                  "timeout=",
                                  "timeout=\"",
                                  "timeout=\"\"",
                                  "timeout=-1",
                                  "timeout=+5",
                                  "timeout=5s",
                                  "timeout=5.5",
                                  "timeout=5 6",
                                  "timeout=five",
                                  "timeout 5",
                                  "timeout:5",
                                  "timeouts=5",
                                  "time=5",
                                  "=5",
                                  "timeout==5",
                                  "timeout=5;max=2",
                                  "x timeout=5",
                                  "max=5",
                                  "close",
                                  "timeout=\"5",
                                  "timeout=5\""};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (said(fields[i]) != 0)
            fail_msg("\"%s\" was taken for %d ms", fields[i], (int)limit.said_ms);
}

static void more_than_a_year_is_no_word(void **state)
{
    (void)state;
    assert_int_equal(said("timeout=31536000"), IDLE_LIMIT_MOST_SAID_S * 1000);
    assert_int_equal(said("timeout=31536001"), 0);
    assert_int_equal(said("timeout=18446744073709551617"), 0); /* 2^64 + 1 */
    assert_int_equal(said("timeout=99999999999999999999999999999999999999999999"), 0);
}

static void no_word_leaves_what_was_said_and_a_later_word_replaces_it(void **state)
{
    (void)state;
    idle_limit_note_field(&limit, "timeout=5");
    idle_limit_note_field(&limit, NULL);
    idle_limit_note_field(&limit, "timeout=x");
    idle_limit_note_field(&limit, "max=3");
    assert_int_equal(limit.said_ms, 5000);
    idle_limit_note_field(&limit, "timeout=60");
    assert_int_equal(limit.said_ms, 60000);
}

static void of_several_timeouts_the_least_that_is_understood_counts(void **state)
{
    (void)state;
    assert_int_equal(said("timeout=9, timeout=4, timeout=7"), 4000);
    assert_int_equal(said("timeout=-1, timeout=7"), 7000);
}

static void a_timeout_of_zero_leaves_nothing_to_reuse(void **state)
{
    (void)state;
    assert_int_equal(said("timeout=0"), 1);
    assert_int_equal(idle_limit_get(&limit, 55000, START_MS), 1);
}

/* ---- The margin ----------------------------------------------------------------------------- */

static uint64_t with_margin(uint64_t ms)
{
    limit = (struct idle_limit){.said_ms = ms};
    return idle_limit_learned(&limit, START_MS);
}

static void the_margin_is_a_tenth(void **state)
{
    (void)state;
    assert_int_equal(with_margin(5000), 4500);
    assert_int_equal(with_margin(1010), 909);
    assert_int_equal(with_margin(9990), 8991);
}

static void the_margin_is_at_least_a_tenth_of_a_second(void **state)
{
    (void)state;
    assert_int_equal(with_margin(999), 899);
    assert_int_equal(with_margin(1000), 900);
    assert_int_equal(with_margin(201), 101);
}

static void the_margin_is_at_most_a_second(void **state)
{
    (void)state;
    assert_int_equal(with_margin(10000), 9000);
    assert_int_equal(with_margin(10010), 9010);
    assert_int_equal(with_margin(75000), 74000);
}

static void the_margin_is_never_more_than_half(void **state)
{
    (void)state;
    assert_int_equal(with_margin(200), 100);
    assert_int_equal(with_margin(199), 100);
    assert_int_equal(with_margin(100), 50);
    assert_int_equal(with_margin(2), 1);
    assert_int_equal(with_margin(1), 1);
}

/* ---- Learning ------------------------------------------------------------------------------- */

static void one_closing_teaches_nothing(void **state)
{
    (void)state;
    idle_limit_note_close(&limit, 5000, START_MS);
    assert_nothing_learned();
}

static void two_that_agree_teach_the_lesser_less_its_margin(void **state)
{
    (void)state;
    idle_limit_note_close(&limit, 5200, START_MS - 6000);
    idle_limit_note_close(&limit, 5000, START_MS);
    assert_int_equal(limit.learned_ms, 5000);
    assert_int_equal(learned_at(0), 4500);
    set_up(NULL);
    idle_limit_note_close(&limit, 5000, START_MS - 6000);
    idle_limit_note_close(&limit, 5200, START_MS);
    assert_int_equal(limit.learned_ms, 5000);
}

static void they_agree_up_to_a_quarter_of_the_greater(void **state)
{
    (void)state;
    const uint64_t pairs[][3] = {/* first, second, learned */
                                 {4000, 3000, 3000}, {4000, 2999, 0}, {3000, 4000, 3000},
                                 {2999, 4000, 0},    {3000, 4001, 0}, {60000, 60000, 60000}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        set_up(NULL);
        idle_limit_note_close(&limit, pairs[i][0], START_MS - 1000);
        idle_limit_note_close(&limit, pairs[i][1], START_MS);
        assert_int_equal(limit.learned_ms, pairs[i][2]);
    }
}

static void two_must_be_apart_to_teach(void **state)
{
    (void)state;
    const uint64_t apart[][2] = {/* ms, learned */
                                 {0, 0},
                                 {IDLE_LIMIT_APART_MS - 1, 0},
                                 {IDLE_LIMIT_APART_MS, 5000},
                                 {IDLE_LIMIT_BELIEVED_MS, 5000},
                                 {IDLE_LIMIT_BELIEVED_MS + 1, 0}};
    for (size_t i = 0; i < sizeof apart / sizeof *apart; i++) {
        set_up(NULL);
        idle_limit_note_close(&limit, 5000, START_MS);
        idle_limit_note_close(&limit, 5000, START_MS + apart[i][0]);
        assert_int_equal(limit.learned_ms, apart[i][1]);
    }
}

static void the_two_must_follow_each_other(void **state)
{
    (void)state;
    idle_limit_note_close(&limit, 5000, START_MS - 2000);
    idle_limit_note_close(&limit, 20000, START_MS - 1000);
    idle_limit_note_close(&limit, 5000, START_MS);
    assert_nothing_learned();
}

static void a_restart_that_closes_many_at_once_teaches_nothing(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 100; i++)
        idle_limit_note_close(&limit, 3000 + i, START_MS - 100 + i);
    assert_nothing_learned();
    for (uint64_t i = 0; i < 100; i++) /* for longer than two have to be apart */
        idle_limit_note_close(&limit, 30000 + i, START_MS + i * (IDLE_LIMIT_APART_MS - 1));
    assert_nothing_learned();
}

static void a_closing_right_after_an_answer_teaches_nothing_and_is_not_remembered(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 10; i++)
        idle_limit_note_close(&limit, i % 2 ? 0 : IDLE_LIMIT_LEAST_MS - 1,
                              START_MS - 2000 + i * 100);
    assert_nothing_learned();
    assert_int_equal(limit.seen_ms, 0);
    idle_limit_note_close(&limit, IDLE_LIMIT_LEAST_MS, START_MS - 100);
    idle_limit_note_close(&limit, 1, START_MS - 50);
    idle_limit_note_close(&limit, IDLE_LIMIT_LEAST_MS, START_MS);
    assert_int_equal(limit.learned_ms, IDLE_LIMIT_LEAST_MS);
    assert_int_equal(learned_at(0), IDLE_LIMIT_LEAST_MS / 2);
}

static void it_is_forgotten_after_its_time(void **state)
{
    (void)state;
    learn(5000);
    assert_int_equal(learned_at(IDLE_LIMIT_BELIEVED_MS - 1), 4500);
    assert_true(learned_at(IDLE_LIMIT_BELIEVED_MS) == IDLE_LIMIT_NONE);
    assert_true(learned_at(3 * IDLE_LIMIT_BELIEVED_MS) == IDLE_LIMIT_NONE);
}

static void a_further_one_that_agrees_prolongs_it(void **state)
{
    (void)state;
    learn(5000);
    idle_limit_note_close(&limit, 5500, START_MS + 400000);
    assert_int_equal(limit.learned_ms, 5000);
    assert_int_equal(learned_at(400000 + IDLE_LIMIT_BELIEVED_MS - 1), 4500);
    assert_true(learned_at(400000 + IDLE_LIMIT_BELIEVED_MS) == IDLE_LIMIT_NONE);
}

static void a_further_one_that_agrees_and_is_less_lowers_it(void **state)
{
    (void)state;
    learn(5000);
    idle_limit_note_close(&limit, 4000, START_MS + 1000);
    assert_int_equal(limit.learned_ms, 4000);
    assert_int_equal(limit.learned_at_ms, START_MS + 1000);
}

static void one_that_agrees_but_closes_together_with_others_prolongs_nothing(void **state)
{
    (void)state;
    learn(5000);
    idle_limit_note_close(&limit, 30000, START_MS + 2000);
    idle_limit_note_close(&limit, 4900, START_MS + 2000 + IDLE_LIMIT_APART_MS - 1);
    assert_int_equal(limit.learned_ms, 5000);
    assert_int_equal(limit.learned_at_ms, START_MS);
}

static void one_that_does_not_agree_changes_nothing(void **state)
{
    (void)state;
    learn(5000);
    idle_limit_note_close(&limit, 1000, START_MS + 1000);
    assert_int_equal(limit.learned_ms, 5000);
    assert_int_equal(limit.learned_at_ms, START_MS);
}

static void
two_of_a_lesser_age_replace_it_and_two_of_a_greater_only_once_it_is_forgotten(void **state)
{
    (void)state;
    learn(5000);
    idle_limit_note_close(&limit, 60000, START_MS + 100);
    idle_limit_note_close(&limit, 60000, START_MS + 200);
    assert_int_equal(limit.learned_ms, 5000);
    assert_int_equal(limit.learned_at_ms, START_MS);
    idle_limit_note_close(&limit, 1000, START_MS + 300);
    idle_limit_note_close(&limit, 1000, START_MS + 400);
    assert_int_equal(limit.learned_ms, 1000);
    idle_limit_note_close(&limit, 60000, START_MS + 300 + IDLE_LIMIT_BELIEVED_MS);
    idle_limit_note_close(&limit, 60000, START_MS + 400 + IDLE_LIMIT_BELIEVED_MS);
    assert_int_equal(limit.learned_ms, 60000);
}

static void after_it_is_forgotten_one_closing_does_not_bring_it_back(void **state)
{
    (void)state;
    learn(5000);
    idle_limit_note_close(&limit, 5000, START_MS + IDLE_LIMIT_BELIEVED_MS + 1);
    assert_true(learned_at(IDLE_LIMIT_BELIEVED_MS + 1) == IDLE_LIMIT_NONE);
    idle_limit_note_close(&limit, 5000, START_MS + IDLE_LIMIT_BELIEVED_MS + 5001);
    assert_int_equal(learned_at(IDLE_LIMIT_BELIEVED_MS + 5001), 4500);
}

static void huge_ages_are_borne(void **state)
{
    (void)state;
    idle_limit_note_close(&limit, UINT64_MAX, START_MS - 1000);
    idle_limit_note_close(&limit, UINT64_MAX - 5, START_MS);
    assert_true(learned_at(0) == UINT64_MAX - 5 - 1000);
    idle_limit_note_close(&limit, IDLE_LIMIT_LEAST_MS, START_MS + 1000);
    assert_true(limit.learned_ms == UINT64_MAX - 5);
}

/* ---- The least of the three ----------------------------------------------------------------- */

static void with_nothing_known_the_configuration_holds_without_a_margin(void **state)
{
    (void)state;
    assert_true(idle_limit_learned(&limit, START_MS) == IDLE_LIMIT_NONE);
    assert_int_equal(idle_limit_get(&limit, 55000, START_MS), 55000);
    assert_int_equal(idle_limit_get(&limit, 0, START_MS), 0);
}

static void the_least_of_configured_said_and_learned_holds(void **state)
{
    (void)state;
    idle_limit_note_field(&limit, "timeout=20");
    assert_int_equal(idle_limit_get(&limit, 55000, START_MS), 19000);
    assert_int_equal(idle_limit_get(&limit, 19001, START_MS), 19000);
    assert_int_equal(idle_limit_get(&limit, 18999, START_MS), 18999);
    learn(5000);
    assert_int_equal(idle_limit_get(&limit, 55000, START_MS), 4500);
    idle_limit_note_field(&limit, "timeout=2");
    assert_int_equal(idle_limit_get(&limit, 55000, START_MS), 1800);
    idle_limit_note_field(&limit, "timeout=20");
    assert_int_equal(idle_limit_get(&limit, 55000, START_MS + IDLE_LIMIT_BELIEVED_MS), 19000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(a_timeout_is_read_wherever_it_stands),
        TEST(its_case_blanks_and_quotes_do_not_matter),
        TEST(what_stands_in_quotes_is_no_parameter),
        TEST(nonsense_is_no_word),
        TEST(more_than_a_year_is_no_word),
        TEST(no_word_leaves_what_was_said_and_a_later_word_replaces_it),
        TEST(of_several_timeouts_the_least_that_is_understood_counts),
        TEST(a_timeout_of_zero_leaves_nothing_to_reuse),
        TEST(the_margin_is_a_tenth),
        TEST(the_margin_is_at_least_a_tenth_of_a_second),
        TEST(the_margin_is_at_most_a_second),
        TEST(the_margin_is_never_more_than_half),
        TEST(one_closing_teaches_nothing),
        TEST(two_that_agree_teach_the_lesser_less_its_margin),
        TEST(they_agree_up_to_a_quarter_of_the_greater),
        TEST(two_must_be_apart_to_teach),
        TEST(the_two_must_follow_each_other),
        TEST(a_restart_that_closes_many_at_once_teaches_nothing),
        TEST(a_closing_right_after_an_answer_teaches_nothing_and_is_not_remembered),
        TEST(it_is_forgotten_after_its_time),
        TEST(a_further_one_that_agrees_prolongs_it),
        TEST(a_further_one_that_agrees_and_is_less_lowers_it),
        TEST(one_that_agrees_but_closes_together_with_others_prolongs_nothing),
        TEST(one_that_does_not_agree_changes_nothing),
        TEST(two_of_a_lesser_age_replace_it_and_two_of_a_greater_only_once_it_is_forgotten),
        TEST(after_it_is_forgotten_one_closing_does_not_bring_it_back),
        TEST(huge_ages_are_borne),
        TEST(with_nothing_known_the_configuration_holds_without_a_margin),
        TEST(the_least_of_configured_said_and_learned_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
