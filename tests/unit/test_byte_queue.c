/* Bytes that wait in order: none lost, none twice, whatever the sizes they come and go in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "byte_queue.h"

/* The byte that belongs at a place, so that a gap or a repeat shows. */
static uint8_t byte_at(size_t place)
{
    return (uint8_t)((place * 31 + place / 251) & 0xff);
}

static void append(struct byte_queue *queue, size_t *place, size_t length)
{
    uint8_t *bytes = malloc(length + 1);
    for (size_t i = 0; i < length; i++)
        bytes[i] = byte_at(*place + i);
    assert_int_equal(byte_queue_append(queue, bytes, length), 0);
    *place += length;
    memset(bytes, 0, length); /* the queue has a copy */
    free(bytes);
}

static void assert_bytes(const uint8_t *bytes, size_t length, size_t place)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] != byte_at(place + i))
            fail_msg("byte %zu is another", place + i);
    }
}

static size_t read_some(struct byte_queue *queue, size_t *place, size_t size)
{
    uint8_t *buffer = malloc(size + 1);
    buffer[size] = 0xa5;
    size_t length = byte_queue_read(queue, buffer, size);
    assert_bytes(buffer, length, *place);
    assert_int_equal(buffer[size], 0xa5);
    *place += length;
    free(buffer);
    return length;
}

static void an_empty_queue_gives_nothing(void **state)
{
    (void)state;
    struct byte_queue queue = {0};
    const uint8_t *bytes = NULL;
    uint8_t byte;
    assert_int_equal(byte_queue_peek(&queue, &bytes), 0);
    assert_null(bytes);
    assert_int_equal(byte_queue_read(&queue, &byte, 1), 0);
    byte_queue_skip(&queue, 0);
    assert_int_equal(byte_queue_append(&queue, &byte, 0), 0);
    assert_int_equal(byte_queue_peek(&queue, &bytes), 0);
    assert_int_equal(queue.length, 0);
    byte_queue_finish(&queue);
}

static void what_is_appended_is_read_in_order(void **state)
{
    (void)state;
    static const size_t lengths[] = {1, 4095, 4096, 4097, 65536, 3, 0, 100000, 1};
    struct byte_queue queue = {0};
    size_t in = 0, out = 0;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
        append(&queue, &in, lengths[i]);
    assert_int_equal(queue.length, in);
    while (read_some(&queue, &out, 1000) == 1000)
        assert_int_equal(queue.length, in - out);
    assert_int_equal(out, in);
    assert_int_equal(queue.length, 0);
    byte_queue_finish(&queue);
}

static void a_read_takes_no_more_than_there_is_and_no_more_than_fits(void **state)
{
    (void)state;
    struct byte_queue queue = {0};
    size_t in = 0, out = 0;
    append(&queue, &in, 10);
    assert_int_equal(read_some(&queue, &out, 0), 0);
    assert_int_equal(read_some(&queue, &out, 4), 4);
    assert_int_equal(read_some(&queue, &out, 100), 6);
    assert_int_equal(read_some(&queue, &out, 100), 0);
    byte_queue_finish(&queue);
}

static void a_look_takes_nothing_and_a_skip_takes_what_it_says(void **state)
{
    (void)state;
    struct byte_queue queue = {0};
    const uint8_t *bytes;
    size_t in = 0, out = 0;
    append(&queue, &in, 20000);
    append(&queue, &in, 20000);
    while (queue.length > 0) {
        size_t length = byte_queue_peek(&queue, &bytes);
        assert_int_equal(byte_queue_peek(&queue, &bytes), length);
        assert_true(length > 0 && length <= queue.length);
        assert_bytes(bytes, length, out);
        size_t step = length < 700 ? length : 700;
        byte_queue_skip(&queue, step);
        out += step;
        assert_int_equal(queue.length, in - out);
    }
    assert_int_equal(out, in);
    byte_queue_finish(&queue);
}

static void many_small_pieces_share_their_blocks(void **state)
{
    (void)state;
    struct byte_queue queue = {0};
    const uint8_t *bytes;
    size_t in = 0, out = 0;
    for (size_t i = 0; i < 1000; i++)
        append(&queue, &in, 1);
    assert_int_equal(byte_queue_peek(&queue, &bytes), 1000);
    while (read_some(&queue, &out, 1) > 0)
        ;
    assert_int_equal(out, 1000);
    byte_queue_finish(&queue);
}

static void a_queue_that_ran_empty_is_used_again(void **state)
{
    (void)state;
    struct byte_queue queue = {0};
    size_t in = 0, out = 0;
    for (size_t round = 0; round < 5; round++) {
        append(&queue, &in, 5000);
        assert_int_equal(read_some(&queue, &out, 5000), 5000);
        assert_null(queue.first);
        assert_null(queue.last);
    }
    byte_queue_finish(&queue);
    append(&queue, &in, 10);
    assert_int_equal(read_some(&queue, &out, 10), 10);
    byte_queue_finish(&queue);
}

static void finishing_drops_what_waits(void **state)
{
    (void)state;
    struct byte_queue queue = {0};
    size_t in = 0;
    append(&queue, &in, 100000);
    append(&queue, &in, 5000);
    byte_queue_finish(&queue);
    assert_int_equal(queue.length, 0);
    assert_null(queue.first);
    byte_queue_finish(&queue);
}

/* Sizes from a fixed sequence: some thousand steps around the bounds of a block. */
static void any_mixture_of_sizes_keeps_every_byte(void **state)
{
    (void)state;
    struct byte_queue queue = {0};
    size_t in = 0, out = 0;
    uint32_t random = 1;
    for (size_t step = 0; step < 5000; step++) {
        random = random * 1664525 + 1013904223;
        size_t size = (random >> 8) % ((random >> 28) ? 300 : 9000);
        if (random & 0x80)
            append(&queue, &in, size);
        else
            read_some(&queue, &out, size);
        assert_int_equal(queue.length, in - out);
    }
    assert_true(out > 100000);
    while (read_some(&queue, &out, 4096) > 0)
        ;
    assert_int_equal(out, in);
    byte_queue_finish(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_queue_gives_nothing),
        cmocka_unit_test(what_is_appended_is_read_in_order),
        cmocka_unit_test(a_read_takes_no_more_than_there_is_and_no_more_than_fits),
        cmocka_unit_test(a_look_takes_nothing_and_a_skip_takes_what_it_says),
        cmocka_unit_test(many_small_pieces_share_their_blocks),
        cmocka_unit_test(a_queue_that_ran_empty_is_used_again),
        cmocka_unit_test(finishing_drops_what_waits),
        cmocka_unit_test(any_mixture_of_sizes_keeps_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
