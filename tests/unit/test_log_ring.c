/* Records in a ring: in order, whole, and what found no room is counted where it is missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "log_ring.h"

#define RING_BYTES 256

struct fixture {
    struct log_ring ring;
    uint64_t put, taken; /* the numbers of records: each says its own */
};

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    *state = fixture;
    return log_ring_init(&fixture->ring, RING_BYTES);
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    log_ring_finish(&fixture->ring);
    free(fixture);
    return 0;
}

/* Its number, and as many letters. */
static size_t make_record(char *out_record, uint64_t number, size_t letters)
{
    size_t length = (size_t)sprintf(out_record, "%llu:", (unsigned long long)number);
    memset(out_record + length, (int)('a' + number % 26), letters);
    return length + letters;
}

static bool put(struct fixture *fixture, size_t letters)
{
    char record[RING_BYTES * 2];
    size_t length = make_record(record, fixture->put++, letters);
    bool is_taken = log_ring_put(&fixture->ring, record, length);
    memset(record, 0, length); /* the ring has a copy */
    return is_taken;
}

/* The next one, which must be `lost` behind the one before. */
static void assert_next(struct fixture *fixture, uint64_t lost, size_t letters)
{
    char record[RING_BYTES], expected[RING_BYTES * 2];
    uint64_t said;
    size_t length = log_ring_take(&fixture->ring, record, &said);
    assert_int_equal(said, lost);
    fixture->taken += lost;
    assert_int_equal(length, make_record(expected, fixture->taken++, letters));
    assert_memory_equal(record, expected, length);
}

static void assert_empty(struct fixture *fixture, uint64_t lost)
{
    char record[RING_BYTES];
    uint64_t said;
    assert_int_equal(log_ring_take(&fixture->ring, record, &said), 0);
    assert_int_equal(said, lost);
    fixture->taken += lost;
}

static void an_empty_ring_gives_nothing(void **state)
{
    assert_empty(*state, 0);
}

static void records_come_out_as_they_went_in_wherever_the_ring_ends(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < 5000; i++) {
        size_t letters = i % 61;
        assert_true(put(fixture, letters));
        assert_true(put(fixture, letters / 2));
        assert_next(fixture, 0, letters);
        assert_next(fixture, 0, letters / 2);
    }
    assert_empty(fixture, 0);
}

static void what_finds_no_room_is_counted_before_the_next_that_does(void **state)
{
    struct fixture *fixture = *state;
    size_t held = 0;
    while (put(fixture, 20))
        held++;
    assert_false(put(fixture, 20));
    assert_next(fixture, 0, 20);
    assert_true(put(fixture, 20));
    while (held-- > 1)
        assert_next(fixture, 0, 20);
    assert_next(fixture, 2, 20);
    assert_empty(fixture, 0);
}

static void what_was_lost_last_is_said_when_nothing_is_left(void **state)
{
    struct fixture *fixture = *state;
    assert_false(put(fixture, RING_BYTES));
    assert_true(put(fixture, 1));
    assert_false(put(fixture, RING_BYTES));
    assert_false(put(fixture, RING_BYTES + 1));
    assert_next(fixture, 1, 1);
    assert_empty(fixture, 2);
    assert_empty(fixture, 0);
}

static void a_ring_can_be_filled_to_its_last_byte(void **state)
{
    struct fixture *fixture = *state;
    char record[RING_BYTES];
    uint64_t lost;
    size_t most = 0;
    memset(record, 'x', sizeof record);
    while (log_ring_put(&fixture->ring, record, most + 1)) {
        most++;
        assert_int_equal(log_ring_take(&fixture->ring, record, &lost), most);
    }
    assert_true(log_ring_put(&fixture->ring, record, most));
    assert_int_equal(fixture->ring.length, RING_BYTES);
    assert_int_equal(log_ring_take(&fixture->ring, record, &lost), most);
    assert_int_equal(lost, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_ring_gives_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(records_come_out_as_they_went_in_wherever_the_ring_ends,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_finds_no_room_is_counted_before_the_next_that_does,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_lost_last_is_said_when_nothing_is_left, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_ring_can_be_filled_to_its_last_byte, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
