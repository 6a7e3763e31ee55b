/* Values that are written: byte for byte what msgpack-c's own packer writes, at every edge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <msgpack.h>

#include "buffer.h"
#include "fetchpool_wire.h"
#include "internal.h"

#define MOST_BYTES   ((size_t)1 << 20)
#define COUNT(array) (sizeof(array) / sizeof *(array))

struct pair {
    struct buffer ours;
    msgpack_sbuffer sbuffer;
    msgpack_packer theirs;
};

static struct pair *create_pair(void)
{
    struct pair *pair = calloc(1, sizeof *pair);
    assert_non_null(pair);
    buffer_init(&pair->ours, MOST_BYTES);
    msgpack_sbuffer_init(&pair->sbuffer);
    msgpack_packer_init(&pair->theirs, &pair->sbuffer, msgpack_sbuffer_write);
    return pair;
}

static void compare(struct pair *pair)
{
    assert_int_equal(pair->ours.error, 0);
    assert_int_equal(pair->ours.length, pair->sbuffer.size);
    assert_memory_equal(pair->ours.data, pair->sbuffer.data, pair->sbuffer.size);
    buffer_finish(&pair->ours);
    msgpack_sbuffer_destroy(&pair->sbuffer);
    free(pair);
}

/* Where the form changes, and its neighbours. */
static const size_t lengths[] = {0, 1, 15, 16, 31, 32, 33, 255, 256, 257, 65535, 65536, 65537};

static void counts_have_the_shortest_form(void **state)
{
    (void)state;
    struct pair *pair = create_pair();
    for (size_t i = 0; i < COUNT(lengths); i++) {
        wire_put_array(&pair->ours, lengths[i]);
        wire_put_map(&pair->ours, lengths[i]);
        msgpack_pack_array(&pair->theirs, lengths[i]);
        msgpack_pack_map(&pair->theirs, lengths[i]);
    }
    compare(pair);
}

static void strings_and_bytes_have_the_shortest_form(void **state)
{
    (void)state;
    char *text = test_calloc(1, 65537);
    struct pair *pair = create_pair();
    memset(text, 'x', 65537);
    for (size_t i = 0; i < COUNT(lengths); i++) {
        struct wire_str str = {text, lengths[i]};
        wire_put_str(&pair->ours, str);
        wire_put_bin(&pair->ours, str);
        wire_put_bin_head(&pair->ours, str.length);
        msgpack_pack_str(&pair->theirs, str.length);
        msgpack_pack_str_body(&pair->theirs, str.data, str.length);
        msgpack_pack_bin(&pair->theirs, str.length);
        msgpack_pack_bin_body(&pair->theirs, str.data, str.length);
        msgpack_pack_bin(&pair->theirs, str.length);
    }
    compare(pair);
    test_free(text);
}

static void numbers_have_the_shortest_form(void **state)
{
    (void)state;
    struct pair *pair = create_pair();
    for (unsigned bit = 0; bit < 64; bit++) {
        for (uint64_t more = 0; more < 3; more++) {
            uint64_t number = ((uint64_t)1 << bit) - 1 + more;
            wire_put_unsigned(&pair->ours, number);
            msgpack_pack_uint64(&pair->theirs, number);
        }
    }
    wire_put_unsigned(&pair->ours, UINT64_MAX);
    msgpack_pack_uint64(&pair->theirs, UINT64_MAX);
    wire_put_real(&pair->ours, -0.1);
    msgpack_pack_double(&pair->theirs, -0.1);
    compare(pair);
}

static void the_rest_is_one_byte_each(void **state)
{
    (void)state;
    struct pair *pair = create_pair();
    wire_put_nil(&pair->ours);
    wire_put_boolean(&pair->ours, true);
    wire_put_boolean(&pair->ours, false);
    msgpack_pack_nil(&pair->theirs);
    msgpack_pack_true(&pair->theirs);
    msgpack_pack_false(&pair->theirs);
    compare(pair);
}

static void bytes_are_utf8_wherever_the_eight_begin(void **state)
{
    (void)state;
    char text[40];
    for (size_t i = 0; i < sizeof text; i++) {
        memset(text, 'x', sizeof text);
        assert_true(wire_is_utf8((struct wire_str){text, i}));
        text[i] = '\xe9';
        assert_false(wire_is_utf8((struct wire_str){text, sizeof text}));
        if (i + 1 < sizeof text) {
            memcpy(text + i, "\xc3\xa9", 2);
            assert_true(wire_is_utf8((struct wire_str){text, sizeof text}));
        }
    }
}

static void what_does_not_fit_changes_nothing(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 4);
    wire_put_text(&buffer, "abc");
    assert_int_equal(buffer.length, 4);
    wire_put_text(&buffer, "");
    assert_int_equal(buffer.length, 4);
    assert_int_not_equal(buffer.error, 0);
    buffer_finish(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_have_the_shortest_form),
        cmocka_unit_test(strings_and_bytes_have_the_shortest_form),
        cmocka_unit_test(numbers_have_the_shortest_form),
        cmocka_unit_test(the_rest_is_one_byte_each),
        cmocka_unit_test(bytes_are_utf8_wherever_the_eight_begin),
        cmocka_unit_test(what_does_not_fit_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
