/* The name that was probably meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "nearest.h"

static const char *const names[] = {"max_body", "max_message", "queue", "idle", "drain"};

static const char *guess(const char *wrong)
{
    struct nearest nearest = nearest_to(wrong);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        nearest_offer(&nearest, names[i]);
    return nearest.name;
}

static void a_slip_of_any_kind_is_seen_through(void **state)
{
    (void)state;
    assert_string_equal(guess("max_bdy"), "max_body");   /* left out */
    assert_string_equal(guess("max__body"), "max_body"); /* put in */
    assert_string_equal(guess("max-body"), "max_body");  /* another one */
    assert_string_equal(guess("amx_body"), "max_body");  /* swapped */
    assert_string_equal(guess("queu"), "queue");
    assert_string_equal(guess("drian"), "drain");
    assert_string_equal(guess("max_mesage"), "max_message");
}

static void what_is_like_nothing_is_not_guessed_at(void **state)
{
    (void)state;
    assert_null(guess("moonshine"));
    assert_null(guess("x"));
    assert_null(guess(""));
    assert_null(guess("body"));
    assert_null(guess("mesage_max"));
}

static void the_nearest_of_two_wins_whatever_their_order(void **state)
{
    (void)state;
    struct nearest nearest = nearest_to("idel_timeout");
    nearest_offer(&nearest, "file_timeout");
    nearest_offer(&nearest, "idle_timeout");
    nearest_offer(&nearest, "file_timeout");
    assert_string_equal(nearest.name, "idle_timeout");
    assert_int_equal(nearest.distance, 1);
}

static void names_of_any_length_are_taken(void **state)
{
    (void)state;
    char name[1001];
    memset(name, 'a', sizeof name - 1);
    name[1000] = '\0';
    assert_null(guess(name));
    struct nearest nearest = nearest_to("a");
    nearest_offer(&nearest, name);
    assert_null(nearest.name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slip_of_any_kind_is_seen_through),
        cmocka_unit_test(what_is_like_nothing_is_not_guessed_at),
        cmocka_unit_test(the_nearest_of_two_wins_whatever_their_order),
        cmocka_unit_test(names_of_any_length_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
