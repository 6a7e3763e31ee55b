/* What is known of each origin: who is remembered, for how long, and what is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "origin.h"

static struct origin *hold(struct origin_table *table, const char *host)
{
    char name[300];
    snprintf(name, sizeof name, "https://%s:443", host);
    struct origin *origin = origin_hold(table, name, host);
    assert_non_null(origin);
    return origin;
}

static struct origin *hold_number(struct origin_table *table, unsigned number)
{
    char host[40];
    snprintf(host, sizeof host, "host-%u.example", number);
    return hold(table, host);
}

/* Holds it and lets go of it, with one request counted. */
static void use_number(struct origin_table *table, unsigned number)
{
    struct origin *origin = hold_number(table, number);
    origin_note_end(origin, 0);
    origin_release(table, origin);
}

/* How many requests of it are remembered; 0 if it had been forgotten. */
static uint64_t requests_of_number(struct origin_table *table, unsigned number)
{
    struct origin *origin = hold_number(table, number);
    uint64_t requests = origin->requests;
    origin_release(table, origin);
    return requests;
}

/* ---- Who is remembered ---------------------------------------------------------------------- */

static void a_name_has_one_origin_however_many_hold_it(void **state)
{
    (void)state;
    struct origin_table table = {0};
    struct origin *first = hold(&table, "a.example");
    struct origin *again = hold(&table, "a.example");
    struct origin *other = hold(&table, "b.example");
    assert_ptr_equal(first, again);
    assert_ptr_not_equal(first, other);
    assert_int_equal(HASH_COUNT(table.by_name), 2);
    assert_string_equal(first->name, "https://a.example:443");
    assert_string_equal(first->host, "a.example");
    assert_string_equal(first->http, "");
    assert_int_equal(first->uses, 2);
    origin_release(&table, first);
    assert_int_equal(table.unused_count, 0);
    origin_release(&table, first);
    assert_int_equal(table.unused_count, 1);
    origin_release(&table, other);
    origin_table_finish(&table);
    assert_null(table.by_name);
}

static void what_was_learned_is_there_when_it_is_used_again(void **state)
{
    (void)state;
    struct origin_table table = {0};
    struct origin *origin = hold(&table, "a.example");
    origin_note_end(origin, 0);
    origin_note_opening(origin, 700);
    origin_release(&table, origin);
    struct origin *again = hold(&table, "a.example");
    assert_int_equal(again->requests, 1);
    assert_int_equal(again->opening_cost_us, 700);
    assert_int_equal(table.unused_count, 0);
    origin_release(&table, again);
    origin_table_finish(&table);
}

static void only_an_address_needs_no_look_up(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        bool is_literal;
    } cases[] = {
        {"127.0.0.1", true},        {"[::1]", true}, {"localhost", false}, {"1.2.3", false},
        {"1.2.3.4.example", false},
    };
    struct origin_table table = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct origin *origin = hold(&table, cases[i].host);
        assert_int_equal(origin->is_literal, cases[i].is_literal);
        origin_release(&table, origin);
    }
    origin_table_finish(&table);
}

static void of_the_unused_the_one_unused_for_longest_is_forgotten_first(void **state)
{
    (void)state;
    struct origin_table table = {0};
    for (unsigned i = 0; i < ORIGIN_MOST_UNUSED; i++)
        use_number(&table, i);
    assert_int_equal(table.unused_count, ORIGIN_MOST_UNUSED);
    use_number(&table, 0); /* now number 1 is the one */
    use_number(&table, ORIGIN_MOST_UNUSED);
    assert_int_equal(table.unused_count, ORIGIN_MOST_UNUSED);
    assert_int_equal(HASH_COUNT(table.by_name), ORIGIN_MOST_UNUSED);
    assert_int_equal(requests_of_number(&table, 0), 2);
    assert_int_equal(requests_of_number(&table, 2), 1);
    assert_int_equal(requests_of_number(&table, ORIGIN_MOST_UNUSED), 1);
    assert_int_equal(requests_of_number(&table, 1), 0);
    origin_table_finish(&table);
}

static void what_is_held_is_never_forgotten(void **state)
{
    (void)state;
    struct origin_table table = {0};
    struct origin *held = hold(&table, "held.example");
    origin_note_end(held, 0);
    for (unsigned i = 0; i < 2 * ORIGIN_MOST_UNUSED; i++)
        use_number(&table, i);
    assert_int_equal(table.unused_count, ORIGIN_MOST_UNUSED);
    assert_int_equal(HASH_COUNT(table.by_name), ORIGIN_MOST_UNUSED + 1);
    struct origin *again = hold(&table, "held.example");
    assert_ptr_equal(again, held);
    assert_int_equal(again->requests, 1);
    origin_release(&table, again);
    origin_release(&table, held);
    assert_int_equal(requests_of_number(&table, 2 * ORIGIN_MOST_UNUSED - 1), 1);
    origin_table_finish(&table);
}

/* ---- What is counted ------------------------------------------------------------------------ */

static void errors_are_counted_by_code(void **state)
{
    (void)state;
    struct origin origin = {0};
    static const int codes[] = {0, 103, 201, 103, 0, 103};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        origin_note_end(&origin, codes[i]);
    assert_int_equal(origin.requests, 6);
    assert_int_equal(origin.failed, 4);
    assert_int_equal(origin.errors[0].code, 103);
    assert_int_equal(origin.errors[0].count, 3);
    assert_int_equal(origin.errors[1].code, 201);
    assert_int_equal(origin.errors[1].count, 1);
    assert_int_equal(origin.errors[2].code, 0);
}

static void more_codes_than_there_is_room_for_are_failures_all_the_same(void **state)
{
    (void)state;
    struct origin origin = {0};
    for (int code = 1; code <= ORIGIN_CODES + 5; code++)
        origin_note_end(&origin, code);
    origin_note_end(&origin, ORIGIN_CODES);
    assert_int_equal(origin.failed, ORIGIN_CODES + 6);
    for (int i = 0; i < ORIGIN_CODES; i++) {
        assert_int_equal(origin.errors[i].code, i + 1);
        assert_int_equal(origin.errors[i].count, i + 1 == ORIGIN_CODES ? 2 : 1);
    }
    assert_null(origin.phases); /* what lies behind the table */
}

static void a_reuse_saves_what_opening_one_costs_on_the_mean(void **state)
{
    (void)state;
    struct origin origin = {0};
    assert_int_equal(origin_note_reuse(&origin), 0); /* not known yet */
    origin_note_opening(&origin, 8000);
    assert_int_equal(origin_note_reuse(&origin), 8000);
    origin_note_opening(&origin, 16000); /* an eighth of the way there */
    assert_int_equal(origin_note_reuse(&origin), 9000);
    origin_note_opening(&origin, 0);
    assert_int_equal(origin_note_reuse(&origin), 7875);
    assert_int_equal(origin.handshakes_saved, 4);
    assert_int_equal(origin.saved_us, 8000 + 9000 + 7875);
}

static void the_mean_comes_to_what_it_costs_now(void **state)
{
    (void)state;
    struct origin origin = {0};
    origin_note_opening(&origin, 1000000);
    for (int i = 0; i < 100; i++)
        origin_note_opening(&origin, 2000);
    assert_in_range(origin.opening_cost_us, 2000, 2010);
    for (int i = 0; i < 200; i++)
        origin_note_opening(&origin, 1000000);
    assert_in_range(origin.opening_cost_us, 999000, 1000000);
}

static void a_failure_is_kept_until_something_is_reached(void **state)
{
    (void)state;
    struct origin origin = {0};
    char sentence[600];
    memset(sentence, 'x', sizeof sentence - 1);
    sentence[sizeof sentence - 1] = '\0';
    origin_note_failure(&origin, 102, "look up a.example failed", 70);
    assert_int_equal(origin.failed_ns, 70);
    assert_int_equal(origin.failed_code, 102);
    assert_string_equal(origin.failed_text, "look up a.example failed");
    origin_note_failure(&origin, 103, sentence, 80);
    assert_int_equal(origin.failed_ns, 80);
    assert_int_equal(origin.failed_code, 103);
    assert_int_equal(strlen(origin.failed_text), sizeof origin.failed_text - 1);
    origin_note_reached(&origin);
    assert_int_equal(origin.failed_ns, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_has_one_origin_however_many_hold_it),
        cmocka_unit_test(what_was_learned_is_there_when_it_is_used_again),
        cmocka_unit_test(only_an_address_needs_no_look_up),
        cmocka_unit_test(of_the_unused_the_one_unused_for_longest_is_forgotten_first),
        cmocka_unit_test(what_is_held_is_never_forgotten),
        cmocka_unit_test(errors_are_counted_by_code),
        cmocka_unit_test(more_codes_than_there_is_room_for_are_failures_all_the_same),
        cmocka_unit_test(a_reuse_saves_what_opening_one_costs_on_the_mean),
        cmocka_unit_test(the_mean_comes_to_what_it_costs_now),
        cmocka_unit_test(a_failure_is_kept_until_something_is_reached),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
