/* The scanner: it must find every message's end wherever the bytes are cut, and refuse claims. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "buffer.h"
#include "fetchpool_wire.h"
#include "scanner.h"

#define BOUND 1024

static enum scan_result scan(const uint8_t *bytes, size_t length, size_t *out_used,
                             struct scanner *scanner)
{
    enum scan_result result = SCAN_MORE;
    scanner_init(scanner, BOUND, WIRE_MAX_MESSAGE_ELEMENTS);
    *out_used = scanner_feed(scanner, bytes, length, &result);
    return result;
}

#define ASSERT_SCAN(expected, ...)                                                                 \
    do {                                                                                           \
        const uint8_t bytes[] = {__VA_ARGS__};                                                     \
        struct scanner scanner;                                                                    \
        size_t used;                                                                               \
        assert_int_equal(scan(bytes, sizeof bytes, &used, &scanner), expected);                    \
        if (expected == SCAN_WHOLE)                                                                \
            assert_int_equal(used, sizeof bytes);                                                  \
        else if (expected == SCAN_BROKEN)                                                          \
            assert_non_null(scanner.reason);                                                       \
    } while (0)

/* Every tag of the format, in one array; its values count up to 41. */
static const uint8_t every_tag[] = {
    0xdc, 0x00, 41,                           /* array 16 */
    0x00, 0x7f, 0xe0, 0xff, 0xc0, 0xc2, 0xc3, /* 7: fixints, nil, bools */
    0xcc, 1,    0xcd, 1,    2,    0xce, 1,    2,    3,    4,    0xcf, 1,   2, 3, 4,
    5,    6,    7,    8, /* 4: uints */
    0xd0, 1,    0xd1, 1,    2,    0xd2, 1,    2,    3,    4,    0xd3, 1,   2, 3, 4,
    5,    6,    7,    8,                                                         /* 4: ints */
    0xca, 1,    2,    3,    4,    0xcb, 1,    2,    3,    4,    5,    6,   7, 8, /* 2: floats */
    0xa0, 0xa3, 'a',  'b',  'c',  0xd9, 1,    'a',  0xda, 0,    1,    'a',       /* 4: strings */
    0xdb, 0,    0,    0,    1,    'a',  0xd9, 0,                                 /* 2: strings */
    0xc4, 0,    0xc4, 1,    'a',  0xc5, 0,    1,    'a',  0xc6, 0,    0,   0, 1, 'a', /* 4: bin */
    0xd4, 1,    2,    0xd5, 1,    2,    3,    0xd6, 1,    2,    3,    4,   5, /* 3: fixext */
    0xd7, 1,    1,    2,    3,    4,    5,    6,    7,    8,                  /* 1 */
    0xd8, 1,    1,    2,    3,    4,    5,    6,    7,    8,    1,    2,   3, 4, 5,
    6,    7,    8,                                                                  /* 1 */
    0xc7, 0,    1,    0xc8, 0,    1,    9,    9,    0xc9, 0,    0,    0,   1, 9, 9, /* 3: ext */
    0x80, 0x81, 0x01, 0x02, 0xde, 0,    0,    0xdf, 0,    0,    0,    1,   1, 2,    /* 4: maps */
    0x90, 0xdd, 0,    0,    0,    0,                                                /* 2: arrays */
};

static void a_message_with_every_tag_ends_where_it_ends(void **state)
{
    (void)state;
    struct scanner scanner;
    size_t used;
    uint8_t bytes[sizeof every_tag + 8];
    memcpy(bytes, every_tag, sizeof every_tag);
    memset(bytes + sizeof every_tag, 0x90, 8);
    assert_int_equal(scan(bytes, sizeof bytes, &used, &scanner), SCAN_WHOLE);
    assert_int_equal(used, sizeof every_tag);
}

static void a_message_split_at_every_byte_is_found_once(void **state)
{
    (void)state;
    uint8_t bytes[sizeof every_tag];
    memcpy(bytes, every_tag, sizeof every_tag);
    for (size_t cut = 1; cut < sizeof bytes; cut++) {
        struct scanner scanner;
        enum scan_result result;
        size_t used;
        assert_int_equal(scan(bytes, cut, &used, &scanner), SCAN_MORE);
        assert_int_equal(used, cut);
        assert_int_equal(scanner_feed(&scanner, bytes + cut, sizeof bytes - cut, &result),
                         sizeof bytes - cut);
        assert_int_equal(result, SCAN_WHOLE);
    }
}

static void messages_behind_each_other_are_found_one_by_one(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0x93, 2, 0xa1, 'x', 0x90, 0x90, 0x92, 1, 2};
    struct scanner scanner;
    enum scan_result result;
    size_t at = 0, sizes[] = {5, 1, 3};
    scanner_init(&scanner, BOUND, WIRE_MAX_MESSAGE_ELEMENTS);
    for (size_t i = 0; i < 3; i++) {
        size_t used = scanner_feed(&scanner, bytes + at, sizeof bytes - at, &result);
        assert_int_equal(used, sizes[i]);
        assert_int_equal(result, SCAN_WHOLE);
        at += used;
    }
    assert_int_equal(at, sizeof bytes);
}

static void a_message_must_be_an_array(void **state)
{
    (void)state;
    ASSERT_SCAN(SCAN_BROKEN, 0x80);
    ASSERT_SCAN(SCAN_BROKEN, 0x01);
    ASSERT_SCAN(SCAN_BROKEN, 0xa1, 'x');
    ASSERT_SCAN(SCAN_BROKEN, 0xc1);
    ASSERT_SCAN(SCAN_BROKEN, 0x91, 0xc1);
    ASSERT_SCAN(SCAN_WHOLE, 0x90);
}

static void claims_of_size_are_refused_before_their_bytes_come(void **state)
{
    (void)state;
    ASSERT_SCAN(SCAN_BROKEN, 0xdd, 0xff, 0, 0, 0);
    ASSERT_SCAN(SCAN_BROKEN, 0xdd, 0xff, 0xff, 0xff, 0xff);
    ASSERT_SCAN(SCAN_BROKEN, 0x91, 0xdf, 0xff, 0xff, 0xff, 0xff);
    ASSERT_SCAN(SCAN_BROKEN, 0x91, 0xdf, 0x80, 0, 0, 0); /* twice that is 0 in 32 bits */
    ASSERT_SCAN(SCAN_BROKEN, 0x91, 0xdb, 0xff, 0xff, 0xff, 0xff);
    ASSERT_SCAN(SCAN_BROKEN, 0x91, 0xc6, 0xff, 0xff, 0xff, 0xff);
    ASSERT_SCAN(SCAN_BROKEN, 0x91, 0xc9, 0xff, 0xff, 0xff, 0xff);
    ASSERT_SCAN(SCAN_BROKEN, 0x92, 0xdd, 0, 1, 0, 0, 1);
}

static void size_is_bounded_to_the_byte(void **state)
{
    (void)state;
    uint8_t bytes[BOUND + 1] = {0x91, 0xc5, (BOUND - 4) >> 8, (BOUND - 4) & 0xff};
    struct scanner scanner;
    size_t used;
    assert_int_equal(scan(bytes, sizeof bytes, &used, &scanner), SCAN_WHOLE);
    assert_int_equal(used, BOUND);
    bytes[3]++;
    assert_int_equal(scan(bytes, sizeof bytes, &used, &scanner), SCAN_BROKEN);
    assert_true(scanner.is_too_large);
}

static void many_small_values_reach_the_size_bound_too(void **state)
{
    (void)state;
    uint8_t bytes[BOUND + 1] = {0xdc, 0xff, 0xff};
    struct scanner scanner;
    size_t used;
    assert_int_equal(scan(bytes, sizeof bytes, &used, &scanner), SCAN_BROKEN);
    assert_true(scanner.is_too_large);
    assert_int_equal(used, BOUND);
}

static void depth_is_bounded(void **state)
{
    (void)state;
    ASSERT_SCAN(SCAN_WHOLE, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 1);
    ASSERT_SCAN(SCAN_BROKEN, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 1);
    ASSERT_SCAN(SCAN_BROKEN, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x91, 0x90);
}

static void elements_are_bounded_over_the_whole_message(void **state)
{
    (void)state;
    enum { COUNT = 40000 };
    uint8_t *bytes = calloc(1, 4 + 2 * (3 + COUNT));
    struct scanner scanner;
    enum scan_result result;
    assert_non_null(bytes);
    bytes[0] = 0x92;
    for (int i = 0; i < 2; i++) {
        uint8_t *list = bytes + 1 + i * (3 + COUNT);
        list[0] = 0xdc;
        list[1] = COUNT >> 8;
        list[2] = COUNT & 0xff;
    }
    scanner_init(&scanner, 1 << 20, WIRE_MAX_MESSAGE_ELEMENTS);
    size_t used = scanner_feed(&scanner, bytes, 1 + 2 * (3 + COUNT), &result);
    assert_int_equal(result, SCAN_BROKEN);
    assert_false(scanner.is_too_large);
    assert_int_equal(used, 1 + 3 + COUNT + 3); /* at the second list's head */
    free(bytes);
}

static void the_id_of_a_request_too_large_is_known(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0x94, 0,    0xce, 0x12, 0x34, 0x56, 0x78, 0xa1,
                             'f',  0x91, 0xc6, 0xff, 0xff, 0xff, 0xff};
    struct scanner scanner;
    size_t used;
    assert_int_equal(scan(bytes, sizeof bytes, &used, &scanner), SCAN_BROKEN);
    assert_int_equal(scanner.type, 0);
    assert_true(scanner.has_id);
    assert_int_equal(scanner.id, 0x12345678);
}

static void numbers_elsewhere_are_not_taken_for_the_id(void **state)
{
    (void)state;
    const uint8_t bytes[] = {0x94, 0, 0x91, 5, 7, 0xc1};
    struct scanner scanner;
    size_t used;
    assert_int_equal(scan(bytes, sizeof bytes, &used, &scanner), SCAN_BROKEN);
    assert_false(scanner.has_id);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_with_every_tag_ends_where_it_ends),
        cmocka_unit_test(a_message_split_at_every_byte_is_found_once),
        cmocka_unit_test(messages_behind_each_other_are_found_one_by_one),
        cmocka_unit_test(a_message_must_be_an_array),
        cmocka_unit_test(claims_of_size_are_refused_before_their_bytes_come),
        cmocka_unit_test(size_is_bounded_to_the_byte),
        cmocka_unit_test(many_small_values_reach_the_size_bound_too),
        cmocka_unit_test(depth_is_bounded),
        cmocka_unit_test(elements_are_bounded_over_the_whole_message),
        cmocka_unit_test(the_id_of_a_request_too_large_is_known),
        cmocka_unit_test(numbers_elsewhere_are_not_taken_for_the_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
