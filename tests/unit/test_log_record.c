/* A line of the log and its fields: nothing in it ends the line or steers a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "log_record.h"

__attribute__((format(printf, 2, 3))) static void begin(struct log_record *record,
                                                        const char *format, ...)
{
    va_list values;
    va_start(values, format);
    log_record_begin(record, LOG_LEVEL_INFO, format, values);
    va_end(values);
}

static const char *text_of(const struct log_record *record)
{
    return record->bytes + LOG_RECORD_TEXT_AT;
}

static void assert_shown(const char *text, const char *expected)
{
    struct log_record record;
    begin(&record, "%s", text);
    assert_string_equal(text_of(&record), expected);
    assert_int_equal(record.length, LOG_RECORD_TEXT_AT + strlen(expected) + 1);
}

static void characters_are_kept_whatever_their_length(void **state)
{
    (void)state;
    assert_shown("a \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 ~", "a \xc3\xa9 \xe2\x82\xac "
                                                               "\xf0\x9f\x98\x80 ~");
    assert_shown("\xc2\xa0", "\xc2\xa0"); /* U+00A0, the first that is no control character */
    assert_shown("\xc4\x9b", "\xc4\x9b"); /* U+011B: the byte 9b in it steers nothing */
}

static void control_characters_are_question_marks(void **state)
{
    (void)state;
    for (char byte = 1; byte < 0x20; byte++)
        assert_shown((char[]){'a', byte, 'b', '\0'}, "a?b");
    assert_shown("a\x7f"
                 "b",
                 "a?b");
    for (int second = 0x80; second < 0xa0; second++)
        assert_shown((char[]){'a', '\xc2', (char)second, 'b', '\0'}, "a??b");
}

static void what_is_no_utf_8_is_question_marks(void **state)
{
    (void)state;
    assert_shown("A\x9b"
                 "31mB",
                 "A?31mB");
    assert_shown("\xe2\x82", "??");      /* cut off */
    assert_shown("\xc0\x9b", "??");      /* overlong */
    assert_shown("\xe0\x82\x9b", "???"); /* U+009B, overlong */
}

/* Its second byte is behind the end. */
static void a_character_that_a_long_line_is_cut_in_is_no_character(void **state)
{
    (void)state;
    char text[LOG_LINE_BYTES];
    struct log_record whole, cut;
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    begin(&whole, "%s", text);
    size_t most = strlen(text_of(&whole));
    begin(&cut, "%.*s\xc3\xa9", (int)most - 1, text);
    assert_int_equal(strlen(text_of(&cut)), most);
    assert_int_equal(text_of(&cut)[most - 1], '?');
}

static void fields_are_cleaned_as_the_text_is(void **state)
{
    (void)state;
    struct log_record record;
    static const char expected[] = "FETCHPOOL_CLIENT=\xc3\xa9?[2J\0FETCHPOOL_TAG=A??31mB";
    struct log_about about = {.client = "\xc3\xa9\x1b[2J",
                              .tag = "A\xc2\x9b"
                                     "31mB"};
    begin(&record, "x");
    size_t at = record.length;
    log_record_describe(&record, &about);
    assert_int_equal(record.length - at, sizeof expected);
    assert_memory_equal(record.bytes + at, expected, sizeof expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_are_kept_whatever_their_length),
        cmocka_unit_test(control_characters_are_question_marks),
        cmocka_unit_test(what_is_no_utf_8_is_question_marks),
        cmocka_unit_test(a_character_that_a_long_line_is_cut_in_is_no_character),
        cmocka_unit_test(fields_are_cleaned_as_the_text_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
