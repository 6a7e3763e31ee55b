/* The daemon's numbers: what ends are counted as, and durations in buckets that only count up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fetchpool.h>

#include "stats.h"

static uint64_t counter(const struct stats *stats, const char *name)
{
    for (size_t i = 0; i < stats_counter_count(); i++) {
        struct stats_entry entry = stats_counter_at(stats, i);
        if (strcmp(entry.name, name) == 0)
            return entry.value;
    }
    fail_msg("there is no counter %s", name);
    return 0;
}

static void an_end_is_counted_by_its_code_and_as_failed_or_refused(void **state)
{
    (void)state;
    static struct stats stats;
    static const int codes[] = {0, 0, FETCHPOOL_DENIED, FETCHPOOL_CONNECT, FETCHPOOL_CONNECT, 299};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        stats_note_end(&stats, codes[i]);
    assert_int_equal(counter(&stats, "requests"), 6);
    assert_int_equal(counter(&stats, "requests_failed"), 4);
    assert_int_equal(counter(&stats, "requests_refused"), 1);
    assert_int_equal(stats.errors[FETCHPOOL_CONNECT], 2);
    assert_int_equal(stats.errors[FETCHPOOL_DENIED], 1);
    assert_int_equal(stats.errors[FETCHPOOL_INTERNAL], 1);
    assert_int_equal(stats.errors[0], 0);
}

static void a_code_that_is_none_of_ours_is_an_error_all_the_same(void **state)
{
    (void)state;
    static struct stats stats;
    stats_note_end(&stats, STATS_CODES);
    stats_note_end(&stats, -1);
    assert_int_equal(counter(&stats, "requests_failed"), 2);
    assert_int_equal(counter(&stats, "requests_refused"), 0);
}

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text);
    return length >= strlen(end) && strcmp(text + length - strlen(end), end) == 0;
}

static void counters_alone_end_in_total_and_each_has_its_sentence(void **state)
{
    (void)state;
    static const struct stats stats;
    static const struct stats_gauges gauges;
    for (size_t i = 0; i < stats_counter_count(); i++) {
        struct stats_entry entry = stats_counter_at(&stats, i);
        assert_true(ends_with(entry.metric, "_total"));
        assert_true(ends_with(entry.help, "."));
    }
    for (size_t i = 0; i < stats_gauge_count(); i++) {
        struct stats_entry entry = stats_gauge_at(&gauges, i);
        assert_false(ends_with(entry.metric, "_total"));
        assert_true(ends_with(entry.help, "."));
        assert_int_equal(entry.divisor > 1, ends_with(entry.metric, "_seconds"));
    }
}

static void a_duration_belongs_to_the_first_bound_that_is_not_below_it(void **state)
{
    (void)state;
    static const struct {
        uint64_t us;
        unsigned bucket;
    } cases[] = {{0, 0},         {500, 0},        {501, 1},        {1000, 1},           {1001, 2},
                 {60000000, 15}, {300000000, 16}, {300000001, 17}, {UINT64_MAX / 2, 17}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stats_phase phase = {.sum_us = 0};
        stats_phase_add(&phase, cases[i].us);
        assert_int_equal(phase.counts[cases[i].bucket], 1);
        assert_int_equal(phase.sum_us, cases[i].us);
    }
}

static void bounds_grow_and_their_texts_say_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < STATS_PHASE_BOUNDS; i++) {
        double seconds = strtod(stats_phase_bounds[i].seconds, NULL);
        assert_int_equal((uint64_t)(seconds * 1e6 + 0.5), stats_phase_bounds[i].us);
        assert_true(i == 0 || stats_phase_bounds[i].us > stats_phase_bounds[i - 1].us);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_end_is_counted_by_its_code_and_as_failed_or_refused),
        cmocka_unit_test(a_code_that_is_none_of_ours_is_an_error_all_the_same),
        cmocka_unit_test(counters_alone_end_in_total_and_each_has_its_sentence),
        cmocka_unit_test(a_duration_belongs_to_the_first_bound_that_is_not_below_it),
        cmocka_unit_test(bounds_grow_and_their_texts_say_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
