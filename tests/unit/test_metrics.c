/* Prometheus' text: its lines, and the counts of origins that outlive what is known of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "metrics_text.h"
#include "origin.h"

static const struct metrics_family family = {"x_", "seconds", "gauge", NULL, "What it is."};

static void assert_sample(const char *suffix, const struct metrics_label *labels, uint64_t value,
                          uint64_t divisor, const char *expected)
{
    struct buffer out;
    buffer_init(&out, 1000);
    metrics_put_sample(&out, &family, suffix, labels, value, divisor);
    buffer_append(&out, "", 1);
    assert_string_equal((char *)out.data, expected);
    buffer_finish(&out);
}

static void values_are_divided_to_the_last_digit(void **state)
{
    (void)state;
    assert_sample("", NULL, 0, 1, "x_seconds 0\n");
    assert_sample("", NULL, UINT64_MAX, 1, "x_seconds 18446744073709551615\n");
    assert_sample("", NULL, 1, 1000000, "x_seconds 0.000001\n");
    assert_sample("_sum", NULL, 61000500, 1000000, "x_seconds_sum 61.000500\n");
    assert_sample("", NULL, 1500, 1000, "x_seconds 1.500\n");
}

static void odd_bytes_in_a_label_are_escaped(void **state)
{
    (void)state;
    const struct metrics_label labels[] = {
        {"a", "q\"b\\s\nn"}, {"b", ""}, {"c", "\"\""}, {"d", "\xc3\xa4"}, {NULL, NULL}};
    assert_sample("", labels, 1, 1,
                  "x_seconds{a=\"q\\\"b\\\\s\\nn\",b=\"\",c=\"\\\"\\\"\",d=\"\xc3\xa4\"} 1\n");
}

static void a_family_begins_with_its_help_and_type(void **state)
{
    (void)state;
    struct buffer out;
    buffer_init(&out, 1000);
    metrics_put_family(&out, &family);
    buffer_append(&out, "", 1);
    assert_string_equal((char *)out.data, "# HELP x_seconds What it is.\n# TYPE x_seconds gauge\n");
    buffer_finish(&out);
}

static void no_family_is_there_twice(void **state)
{
    (void)state;
    for (size_t i = 0; i < metrics_family_count(); i++) {
        for (size_t j = 0; j < i; j++) {
            struct metrics_family one = metrics_family_at(i), other = metrics_family_at(j);
            assert_true(strcmp(one.prefix, other.prefix) != 0 || strcmp(one.name, other.name) != 0);
        }
    }
}

/* ---- Tallies -------------------------------------------------------------------------------- */

/* A request to it, in a daemon of so many labels, that ends with this code. */
static struct origin_tally *ask(struct origin_table *table, const char *name, size_t most, int code)
{
    struct origin *origin = origin_hold(table, name, "h");
    assert_non_null(origin);
    origin_join_tally(table, origin, most);
    origin_note_end(origin, code);
    struct origin_tally *tally = origin->tally;
    origin_release(table, origin);
    return tally;
}

static void the_first_origins_have_tallies_and_the_rest_share_one(void **state)
{
    (void)state;
    struct origin_table table = {0};
    struct origin_tally *a = ask(&table, "http://a", 2, 0);
    struct origin_tally *b = ask(&table, "http://b", 2, 103);
    struct origin_tally *c = ask(&table, "http://c", 2, 0);
    assert_string_equal(a->name, "http://a");
    assert_ptr_equal(c, &table.tallies.others);
    assert_ptr_equal(ask(&table, "http://d", 2, 201), c);
    assert_ptr_equal(ask(&table, "http://a", 2, 0), a);
    assert_int_equal(a->requests, 2);
    assert_int_equal(a->errors, 0);
    assert_int_equal(b->requests, 1);
    assert_int_equal(b->errors, 1);
    assert_int_equal(c->requests, 2);
    assert_int_equal(c->errors, 1);
    origin_table_finish(&table);
}

static void with_none_allowed_all_are_the_others(void **state)
{
    (void)state;
    struct origin_table table = {0};
    assert_ptr_equal(ask(&table, "http://a", 0, 0), &table.tallies.others);
    assert_null(table.tallies.by_name);
    origin_table_finish(&table);
}

static void no_counter_goes_back_when_an_origin_is_forgotten_and_comes_again(void **state)
{
    (void)state;
    struct origin_table table = {0};
    char name[40];
    struct origin_tally *a = ask(&table, "http://a", 1, 0);
    for (int i = 0; i < ORIGIN_MOST_UNUSED + 10; i++) {
        snprintf(name, sizeof name, "http://h%d", i);
        ask(&table, name, 1, 0);
    }
    struct origin *origin;
    HASH_FIND_STR(table.by_name, "http://a", origin);
    assert_null(origin);
    assert_ptr_equal(ask(&table, "http://a", 1, 0), a);
    assert_int_equal(a->requests, 2);
    assert_int_equal(table.tallies.others.requests, ORIGIN_MOST_UNUSED + 10);
    origin_table_finish(&table);
}

static void more_or_fewer_labels_from_now_on_take_none_away(void **state)
{
    (void)state;
    struct origin_table table = {0};
    struct origin_tally *a = ask(&table, "http://a", 1, 0);
    ask(&table, "http://b", 1, 0);
    struct origin_tally *b = ask(&table, "http://b", 2, 0);
    assert_string_equal(b->name, "http://b");
    assert_int_equal(b->requests, 1);
    assert_int_equal(table.tallies.others.requests, 1);
    assert_ptr_equal(ask(&table, "http://a", 0, 0), a);
    assert_ptr_equal(ask(&table, "http://b", 0, 0), b);
    assert_ptr_equal(ask(&table, "http://c", 0, 0), &table.tallies.others);
    origin_table_finish(&table);
}

static void a_name_that_no_host_has_is_no_label(void **state)
{
    (void)state;
    struct origin_table table = {0};
    char name[ORIGIN_TALLY_NAME_BYTES + 2];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_ptr_equal(ask(&table, name, 10, 102), &table.tallies.others);
    assert_string_equal(ask(&table, name + 1, 10, 102)->name, name + 1);
    origin_table_finish(&table);
}

static void gauges_are_what_the_origins_of_a_tally_have_now(void **state)
{
    (void)state;
    struct origin_table table = {0};
    static const char *const names[] = {"http://a", "http://b", "http://c"};
    struct origin *origins[3];
    for (int i = 0; i < 3; i++) {
        origins[i] = origin_hold(&table, names[i], "h");
        origin_join_tally(&table, origins[i], 1);
        origins[i]->connection_count = 5;
        origins[i]->opening = 2;
        origins[i]->admission.queued = 7;
        origins[i]->admission.running = 4;
    }
    for (int look = 0; look < 2; look++) { /* nothing adds up from one look to the next */
        origin_table_measure(&table);
        assert_int_equal(origins[0]->tally->connections, 3);
        assert_int_equal(origins[0]->tally->queued, 7);
        assert_int_equal(table.tallies.others.connections, 6);
        assert_int_equal(table.tallies.others.queued, 14);
        assert_int_equal(table.tallies.others.running, 8);
    }
    for (int i = 0; i < 3; i++)
        origin_release(&table, origins[i]);
    origin_table_finish(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_divided_to_the_last_digit),
        cmocka_unit_test(odd_bytes_in_a_label_are_escaped),
        cmocka_unit_test(a_family_begins_with_its_help_and_type),
        cmocka_unit_test(no_family_is_there_twice),
        cmocka_unit_test(the_first_origins_have_tallies_and_the_rest_share_one),
        cmocka_unit_test(with_none_allowed_all_are_the_others),
        cmocka_unit_test(no_counter_goes_back_when_an_origin_is_forgotten_and_comes_again),
        cmocka_unit_test(more_or_fewer_labels_from_now_on_take_none_away),
        cmocka_unit_test(a_name_that_no_host_has_is_no_label),
        cmocka_unit_test(gauges_are_what_the_origins_of_a_tally_have_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
