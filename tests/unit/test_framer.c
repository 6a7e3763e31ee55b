/* The framer: the dialect by the first byte, and where messages and lines end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "framer.h"

static struct framer framer;
static struct framer_fault fault;
static size_t whole;

static int set_up(void **state)
{
    (void)state;
    framer_init(&framer, 100, 10);
    return 0;
}

static enum framer_result next(const char *bytes, size_t length, bool is_last)
{
    whole = 0;
    return framer_next(&framer, (const uint8_t *)bytes, length, is_last, &whole, &fault);
}

static void only_arrays_and_letters_begin_a_dialect(void **state)
{
    for (int first = 0; first < 256; first++) {
        char bytes[] = {(char)first};
        bool is_array = first == 0x93 || first == 0x94 || first == 0xdc || first == 0xdd;
        bool is_letter = (first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z');
        set_up(state);
        assert_int_equal(next(bytes, 1, false),
                         is_array || is_letter ? FRAMER_MORE : FRAMER_BROKEN);
        assert_int_equal(framer.dialect, is_array    ? FRAMER_MESSAGEPACK
                                         : is_letter ? FRAMER_TEXT
                                                     : FRAMER_UNDECIDED);
    }
}

static void a_line_that_comes_byte_by_byte_is_found_once(void **state)
{
    (void)state;
    const char line[] = "ping\nquit";
    for (size_t length = 1; length < 5; length++)
        assert_int_equal(next(line, length, false), FRAMER_MORE);
    assert_int_equal(next(line, 9, false), FRAMER_WHOLE);
    assert_int_equal(whole, 5);
    assert_int_equal(next(line + 5, 4, false), FRAMER_MORE);
    assert_int_equal(next(line + 5, 4, true), FRAMER_WHOLE); /* the last one needs no end */
    assert_int_equal(whole, 4);
}

static void a_line_is_bounded_whether_it_ends_or_not(void **state)
{
    assert_int_equal(next("123456789\n", 10, false), FRAMER_BROKEN); /* no dialect */
    set_up(state);
    assert_int_equal(next("a23456789\n", 10, false), FRAMER_WHOLE);
    assert_int_equal(next("a234567890\n", 11, false), FRAMER_BROKEN);
    assert_true(fault.is_too_large);
    set_up(state);
    assert_int_equal(next("a2345678901", 11, false), FRAMER_BROKEN);
}

static void a_message_split_anywhere_is_found_once(void **state)
{
    const char bytes[] = "\x94\x00\x05\xa4ping\x90\x93";
    for (size_t cut = 1; cut < 9; cut++) {
        set_up(state);
        assert_int_equal(next(bytes, cut, false), FRAMER_MORE);
        assert_int_equal(next(bytes, 10, false), FRAMER_WHOLE);
        assert_int_equal(whole, 9);
    }
}

static void a_broken_request_is_known_by_its_id(void **state)
{
    (void)state;
    assert_int_equal(next("\x94\x00\x05\xdb\xff\xff\xff\xff", 8, false), FRAMER_BROKEN);
    assert_true(fault.has_id && fault.is_too_large);
    assert_int_equal(fault.id, 5);
    set_up(state);
    assert_int_equal(next("\x94\x01\x05\xc1", 4, false), FRAMER_BROKEN); /* no request */
    assert_false(fault.has_id || fault.is_too_large);
}

/* ---- The head of an HTTP request ------------------------------------------------------------ */

static int set_up_long(void **state)
{
    (void)state;
    framer_init(&framer, 100, 1000);
    return 0;
}

static enum framer_result next_text(const char *text, bool is_last)
{
    return next(text, strlen(text), is_last);
}

static void a_head_is_one_message_up_to_its_empty_line(void **state)
{
    static const char *const heads[] = {
        "GET / HTTP/1.1\r\nping\r\nGET http://a/\r\n\r\n",
        "x HTTP/9\nping\n\n",
        "a b c d HTTP/1.1\n\r\n",
        "POST\t/ http/1.0 \t\r\n\n",
    };
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        size_t length = strlen(heads[i]);
        for (size_t cut = 1; cut < length; cut++) {
            char bytes[100];
            set_up_long(state);
            assert_int_equal(next(heads[i], cut, false), FRAMER_MORE);
            snprintf(bytes, sizeof bytes, "%sping\n", heads[i]);
            assert_int_equal(next_text(bytes, false), FRAMER_HEAD);
            assert_int_equal(whole, length);
            assert_false(framer_is_in_head(&framer));
            assert_int_equal(next_text("ping\n", false), FRAMER_WHOLE);
            assert_int_equal(whole, 5);
        }
    }
}

static void only_a_last_word_behind_others_makes_a_line_one_of_http(void **state)
{
    static const char *const lines[] = {"HTTP/1.1\n",   "a HTTP/x\n",     "a HTTP/\n",
                                        "aHTTP/1\n",    "a HTTP/1.1 b\n", "HTTP/1.1 200\n",
                                        "a XHTTP/1.1\n"};
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        set_up_long(state);
        framer.dialect = FRAMER_TEXT;
        assert_int_equal(next_text(lines[i], false), FRAMER_WHOLE);
        assert_int_equal(whole, strlen(lines[i]));
    }
}

static void a_head_ends_where_its_client_sends_no_more(void **state)
{
    static const char *const heads[] = {"GET / HTTP/1.1", "GET / HTTP/1.1\r\n",
                                        "GET / HTTP/1.1\r\nping", "GET / HTTP/1.1\r\nping\r\n"};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        set_up_long(state);
        assert_int_equal(next_text(heads[i], false), FRAMER_MORE);
        assert_int_equal(next_text(heads[i], true), FRAMER_HEAD);
        assert_int_equal(whole, strlen(heads[i]));
        set_up_long(state);
        assert_int_equal(next_text(heads[i], true), FRAMER_HEAD);
        assert_int_equal(whole, strlen(heads[i]));
    }
}

static void a_head_is_bounded_in_lines_and_bytes_and_says_what_it_was(void **state)
{
    static char head[FRAMER_MOST_HEAD_BYTES + 100];
    set_up_long(state);
    strcpy(head, "GET / HTTP/1.1\n");
    for (int i = 1; i < FRAMER_MOST_HEAD_LINES; i++)
        strcat(head, "a\n");
    assert_int_equal(next_text(head, false), FRAMER_MORE);
    strcat(head, "a\n");
    assert_int_equal(next_text(head, false), FRAMER_BROKEN);
    assert_true(fault.is_head && fault.is_too_large);

    framer_init(&framer, 100, sizeof head);
    memset(head, 'a', sizeof head);
    memcpy(head, "GET / HTTP/1.1\n", 15);
    assert_int_equal(next(head, FRAMER_MOST_HEAD_BYTES, false), FRAMER_MORE);
    assert_int_equal(next(head, FRAMER_MOST_HEAD_BYTES + 1, false), FRAMER_BROKEN);
    assert_true(fault.is_head && fault.is_too_large);

    framer_init(&framer, 100, 20);
    assert_int_equal(next_text("GET / HTTP/1.1\n1234567890123456789\n", false), FRAMER_MORE);
    framer_init(&framer, 100, 20);
    assert_int_equal(next_text("GET / HTTP/1.1\n12345678901234567890\n", false), FRAMER_BROKEN);
    assert_true(fault.is_head && fault.is_too_large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(only_arrays_and_letters_begin_a_dialect, set_up),
        cmocka_unit_test_setup(a_line_that_comes_byte_by_byte_is_found_once, set_up),
        cmocka_unit_test_setup(a_line_is_bounded_whether_it_ends_or_not, set_up),
        cmocka_unit_test_setup(a_message_split_anywhere_is_found_once, set_up),
        cmocka_unit_test_setup(a_broken_request_is_known_by_its_id, set_up),
        cmocka_unit_test_setup(a_head_is_one_message_up_to_its_empty_line, set_up),
        cmocka_unit_test_setup(only_a_last_word_behind_others_makes_a_line_one_of_http, set_up),
        cmocka_unit_test_setup(a_head_ends_where_its_client_sends_no_more, set_up),
        cmocka_unit_test_setup(a_head_is_bounded_in_lines_and_bytes_and_says_what_it_was, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
