/* Percentiles of known distributions, and the edges of the buckets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "histogram.h"

static struct histogram histogram;

static int set_up(void **state)
{
    (void)state;
    memset(&histogram, 0, sizeof histogram);
    return 0;
}

/* Never too low, and at most an eighth too high. */
static void assert_within_promise(uint64_t got, uint64_t exact)
{
    assert_in_range(got, exact, exact + exact / 8);
}

static unsigned buckets_in_use(void)
{
    unsigned used = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        used += histogram.buckets[i] > 0;
    return used;
}

static void an_empty_one_says_zero(void **state)
{
    (void)state;
    assert_int_equal(histogram_percentile(&histogram, 0), 0);
    assert_int_equal(histogram_percentile(&histogram, 500), 0);
    assert_int_equal(histogram_percentile(&histogram, 1000), 0);
    assert_int_equal(histogram_mean(&histogram), 0);
}

static void a_zero_is_a_value(void **state)
{
    (void)state;
    histogram_add(&histogram, 0);
    assert_int_equal(histogram.count, 1);
    assert_int_equal(histogram.buckets[0], 1);
    histogram_add(&histogram, 40);
    assert_int_equal(histogram_percentile(&histogram, 500), 0);
    assert_int_equal(histogram_percentile(&histogram, 501), 40);
    assert_int_equal(histogram_mean(&histogram), 20);
}

static void one_value_is_every_percentile_exactly(void **state)
{
    (void)state;
    const uint64_t values[] = {1, 7, 8, 9, 1000, 1000000, 3600000000, UINT64_MAX};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        set_up(NULL);
        histogram_add(&histogram, values[i]);
        for (unsigned per_mille = 0; per_mille <= 1000; per_mille += 250)
            assert_true(histogram_percentile(&histogram, per_mille) == values[i]);
        assert_true(histogram_mean(&histogram) == values[i]);
    }
}

static void values_up_to_fifteen_are_exact(void **state)
{
    (void)state;
    for (uint64_t us = 0; us < 16; us++)
        histogram_add(&histogram, us);
    assert_int_equal(buckets_in_use(), 16);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(histogram_percentile(&histogram, (i + 1) * 1000 / 16), i);
}

static void each_power_has_eight_buckets_and_they_are_used_in_order(void **state)
{
    (void)state;
    unsigned next = HISTOGRAM_SUB_BUCKETS;
    for (unsigned power = 3; power < HISTOGRAM_POWERS; power++) {
        uint64_t width = (uint64_t)1 << (power - 3);
        for (uint64_t sub = 8; sub < 16; sub++, next++) {
            set_up(NULL);
            histogram_add(&histogram, sub * width);
            histogram_add(&histogram, (sub + 1) * width - 1);
            assert_int_equal(histogram.buckets[next], 2);
        }
    }
    assert_int_equal(next, HISTOGRAM_BUCKETS - 1);
}

static void an_hour_has_its_bucket_and_all_beyond_the_powers_share_the_last(void **state)
{
    (void)state;
    histogram_add(&histogram, 3600000000);
    histogram_add(&histogram, UINT32_MAX);
    assert_int_equal(histogram.buckets[HISTOGRAM_BUCKETS - 1], 0);
    histogram_add(&histogram, (uint64_t)UINT32_MAX + 1);
    histogram_add(&histogram, (uint64_t)UINT32_MAX * 2);
    histogram_add(&histogram, UINT64_MAX - 1);
    assert_int_equal(histogram.buckets[HISTOGRAM_BUCKETS - 1], 3);
    assert_within_promise(histogram_percentile(&histogram, 200), 3600000000);
    assert_int_equal(histogram_percentile(&histogram, 400), UINT32_MAX);
    assert_true(histogram_percentile(&histogram, 600) == UINT64_MAX - 1);
}

static void a_percentile_of_any_value_is_within_the_promise(void **state)
{
    (void)state;
    for (uint64_t us = 1; us <= UINT32_MAX; us += 1 + us / 97) {
        set_up(NULL);
        histogram_add(&histogram, us);
        histogram_add(&histogram, UINT64_MAX); /* so that the greatest does not correct it */
        assert_within_promise(histogram_percentile(&histogram, 500), us);
    }
}

static void percentiles_of_an_even_distribution_are_within_the_promise(void **state)
{
    (void)state;
    for (uint64_t us = 1; us <= 100000; us++)
        histogram_add(&histogram, us);
    for (unsigned per_mille = 1; per_mille <= 1000; per_mille++)
        assert_within_promise(histogram_percentile(&histogram, per_mille),
                              (uint64_t)per_mille * 100);
    assert_int_equal(histogram_percentile(&histogram, 1000), 100000);
    assert_int_equal(histogram_percentile(&histogram, 5000), 100000);
    assert_int_equal(histogram_mean(&histogram), 50000);
    assert_int_equal(histogram.count, 100000);
}

static void a_rare_slow_one_is_seen_in_its_percentile_and_in_none_below(void **state)
{
    (void)state;
    for (int i = 0; i < 990; i++)
        histogram_add(&histogram, 200);
    for (int i = 0; i < 10; i++)
        histogram_add(&histogram, 5000000);
    assert_within_promise(histogram_percentile(&histogram, 500), 200);
    assert_within_promise(histogram_percentile(&histogram, 990), 200);
    assert_within_promise(histogram_percentile(&histogram, 991), 5000000);
    assert_int_equal(histogram_percentile(&histogram, 1000), 5000000);
}

static void the_sum_of_huge_values_does_not_wrap(void **state)
{
    (void)state;
    histogram_add(&histogram, UINT64_MAX - 1);
    histogram_add(&histogram, 1);
    assert_true(histogram.sum_us == UINT64_MAX);
    histogram_add(&histogram, 5);
    assert_true(histogram.sum_us == UINT64_MAX);
    assert_int_equal(histogram.count, 3);
    assert_true(histogram.max_us == UINT64_MAX - 1);
}

static void a_full_bucket_halves_all_and_percentiles_stay(void **state)
{
    (void)state;
    histogram_add(&histogram, 3);
    histogram_add(&histogram, 5);
    histogram_add(&histogram, 7);
    histogram.buckets[3] = UINT32_MAX;
    histogram.buckets[5] = UINT32_MAX - 1;
    histogram_add(&histogram, 3);
    assert_int_equal(histogram.buckets[3], (UINT32_MAX >> 1) + 2);
    assert_int_equal(histogram.buckets[5], UINT32_MAX >> 1);
    assert_int_equal(histogram.buckets[7], 1);
    assert_int_equal(histogram.count, 4);
    assert_int_equal(histogram_percentile(&histogram, 500), 3);
    assert_int_equal(histogram_percentile(&histogram, 501), 5);
    assert_int_equal(histogram_percentile(&histogram, 1000), 7);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, set_up)
    const struct CMUnitTest tests[] = {
        TEST(an_empty_one_says_zero),
        TEST(a_zero_is_a_value),
        TEST(one_value_is_every_percentile_exactly),
        TEST(values_up_to_fifteen_are_exact),
        TEST(each_power_has_eight_buckets_and_they_are_used_in_order),
        TEST(an_hour_has_its_bucket_and_all_beyond_the_powers_share_the_last),
        TEST(a_percentile_of_any_value_is_within_the_promise),
        TEST(percentiles_of_an_even_distribution_are_within_the_promise),
        TEST(a_rare_slow_one_is_seen_in_its_percentile_and_in_none_below),
        TEST(the_sum_of_huge_values_does_not_wrap),
        TEST(a_full_bucket_halves_all_and_percentiles_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
