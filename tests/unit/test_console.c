/* The text dialect: lines in, text out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "console.h"

static struct console_command parsed(const char *line)
{
    struct console_command command;
    console_parse(&command, line, strlen(line));
    return command;
}

static void lines_are_understood_whatever_their_case_and_spaces(void **state)
{
    (void)state;
    assert_int_equal(parsed("").action, CONSOLE_NOTHING);
    assert_int_equal(parsed(" \t ").action, CONSOLE_NOTHING);
    assert_int_equal(parsed("QUIT").action, CONSOLE_QUIT);
    assert_int_equal(parsed(" Help ").action, CONSOLE_HELP);
    struct console_command command = parsed("get  http://a/ ");
    assert_int_equal(command.action, CONSOLE_FETCH);
    assert_string_equal(command.method, "GET");
    assert_true(wire_str_is(command.url, "http://a/"));
    command = parsed("Stats");
    assert_int_equal(command.action, CONSOLE_QUERY);
    assert_string_equal(command.method, "stats");
}

static void wrong_lines_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *sentence;
    } cases[] = {
        {"foo", "unknown command \"foo\"; try help"},
        {"GET", "a URL is missing behind GET"},
        {"GET http://a/ b", "\"b\" is too much on this line"},
        {"ping pong", "\"pong\" is too much on this line"},
        {"pings", "unknown command \"pings\"; try help"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct console_command command = parsed(cases[i].line);
        assert_int_equal(command.action, CONSOLE_WRONG);
        assert_string_equal(command.why.text, cases[i].sentence);
    }
}

static void an_answer_looks_as_curl_shows_it(void **state)
{
    (void)state;
    const struct wire_field fields[] = {{wire_str_of("a"), wire_str_of("1")},
                                        {wire_str_of("a"), wire_str_of("")}};
    struct wire_response response = {.status = 200,
                                     .fields = fields,
                                     .field_count = 2,
                                     .http = wire_str_of("2"),
                                     .body = wire_str_of("body")};
    struct buffer out;
    buffer_init(&out, 1000);
    console_write_response(&out, &response);
    console_write_error(&out, 103, "no");
    buffer_append(&out, "", 1);
    assert_string_equal((char *)out.data, "HTTP/2 200 \r\na: 1\r\na: \r\n\r\nbody"
                                          "error: 103 CONNECT: no\n");
    buffer_finish(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_understood_whatever_their_case_and_spaces),
        cmocka_unit_test(wrong_lines_are_named),
        cmocka_unit_test(an_answer_looks_as_curl_shows_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
