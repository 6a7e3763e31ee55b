/* request_limit: how many requests an origin takes over one connection. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "request_limit.h"

#define NOW_MS 1000000

static void nothing_is_known_at_first(void **state)
{
    struct request_limit limit = {0};
    (void)state;
    assert_true(request_limit_get(&limit, NOW_MS) == REQUEST_LIMIT_NONE);
}

static void see(struct request_limit *limit, uint64_t connection, uint64_t processed)
{
    for (uint64_t so_far = 99; so_far >= processed; so_far--)
        request_limit_note(limit, connection, so_far, NOW_MS);
}

static void one_connection_is_believed_for_a_second(void **state)
{
    struct request_limit limit = {0};
    (void)state;
    see(&limit, 1, 20);
    assert_int_equal(request_limit_get(&limit, NOW_MS), 20);
    assert_int_equal(request_limit_get(&limit, NOW_MS + REQUEST_LIMIT_SUSPECTED_MS - 1), 20);
    assert_true(request_limit_get(&limit, NOW_MS + REQUEST_LIMIT_SUSPECTED_MS) ==
                REQUEST_LIMIT_NONE);
}

static void two_that_end_at_the_same_number_are_believed_for_long(void **state)
{
    struct request_limit limit = {0};
    (void)state;
    see(&limit, 1, 20);
    see(&limit, 2, 20);
    assert_int_equal(request_limit_get(&limit, NOW_MS + REQUEST_LIMIT_SUSPECTED_MS), 20);
}

static void of_two_that_differ_the_lesser_holds_for_a_second(void **state)
{
    struct request_limit limit = {0};
    (void)state;
    see(&limit, 1, 20);
    see(&limit, 2, 21);
    assert_int_equal(request_limit_get(&limit, NOW_MS), 20);
    assert_true(request_limit_get(&limit, NOW_MS + REQUEST_LIMIT_SUSPECTED_MS) ==
                REQUEST_LIMIT_NONE);
    see(&limit, 3, 21);
    assert_int_equal(request_limit_get(&limit, NOW_MS + REQUEST_LIMIT_SUSPECTED_MS), 21);
}

static void an_older_connection_may_go_on_refusing_beside_a_newer_one(void **state)
{
    struct request_limit limit = {0};
    (void)state;
    see(&limit, 1, 40);
    see(&limit, 2, 20);
    see(&limit, 1, 20);
    assert_int_equal(request_limit_get(&limit, NOW_MS + REQUEST_LIMIT_SUSPECTED_MS), 20);
    see(&limit, 3, 20);
    see(&limit, 1, 7); /* long gone */
    assert_int_equal(request_limit_get(&limit, NOW_MS + REQUEST_LIMIT_SUSPECTED_MS), 20);
}

static void an_origin_that_processes_nothing_has_no_number(void **state)
{
    struct request_limit limit = {0};
    (void)state;
    request_limit_note(&limit, 1, 0, NOW_MS);
    request_limit_note(&limit, 2, 0, NOW_MS);
    assert_true(request_limit_get(&limit, NOW_MS) == REQUEST_LIMIT_NONE);
}

static void a_single_refusal_is_seen_for_as_long_as_it_is_believed(void **state)
{
    struct request_limit limit = {0};
    (void)state;
    assert_false(request_limit_is_seen(&limit, NOW_MS));
    request_limit_note(&limit, 1, 3, NOW_MS);
    assert_true(request_limit_is_seen(&limit, NOW_MS + REQUEST_LIMIT_BELIEVED_MS - 1));
    assert_false(request_limit_is_seen(&limit, NOW_MS + REQUEST_LIMIT_BELIEVED_MS));
}

static void it_is_forgotten_when_it_is_believed_no_more(void **state)
{
    struct request_limit limit = {0};
    (void)state;
    request_limit_note(&limit, 1, 20, NOW_MS);
    request_limit_note(&limit, 2, 20, NOW_MS);
    assert_int_equal(request_limit_get(&limit, NOW_MS + REQUEST_LIMIT_BELIEVED_MS - 1), 20);
    assert_true(request_limit_get(&limit, NOW_MS + REQUEST_LIMIT_BELIEVED_MS) ==
                REQUEST_LIMIT_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_known_at_first),
        cmocka_unit_test(one_connection_is_believed_for_a_second),
        cmocka_unit_test(two_that_end_at_the_same_number_are_believed_for_long),
        cmocka_unit_test(of_two_that_differ_the_lesser_holds_for_a_second),
        cmocka_unit_test(an_older_connection_may_go_on_refusing_beside_a_newer_one),
        cmocka_unit_test(an_origin_that_processes_nothing_has_no_number),
        cmocka_unit_test(a_single_refusal_is_seen_for_as_long_as_it_is_believed),
        cmocka_unit_test(it_is_forgotten_when_it_is_believed_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
