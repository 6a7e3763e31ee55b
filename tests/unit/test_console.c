/* The text dialect: lines in, text out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "console.h"
#include "console_http.h"

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

static void the_metrics_are_a_line_too(void **state)
{
    (void)state;
    assert_int_equal(parsed("GET /metrics").action, CONSOLE_METRICS);
    assert_int_equal(parsed("get  /metrics\t").action, CONSOLE_METRICS);
    assert_int_equal(parsed("GET /metrics/").action, CONSOLE_FETCH);
    assert_int_equal(parsed("HEAD /metrics").action, CONSOLE_FETCH);
    assert_int_equal(parsed("GET /metrics now").action, CONSOLE_WRONG);
}

static struct console_http_request requested(const char *head)
{
    struct console_http_request request;
    console_http_parse(&request, head, strlen(head));
    return request;
}

static void an_http_request_gets_the_metrics_or_the_status_that_says_why_not(void **state)
{
    (void)state;
    static const struct {
        const char *head;
        unsigned status;
    } cases[] = {
        {"GET /metrics HTTP/1.1\r\n\r\n", 200},
        {"GET /metrics HTTP/1.0\n\n", 200},
        {"GET /metrics HTTP/1.1\r\nHost: x\r\nping\r\n\r\n", 200},
        {"GET /metrics HTTP/1.1", 200},
        {"GET /metrics?a=b HTTP/1.1\r\n\r\n", 200},
        {"HEAD /metrics HTTP/1.1\r\n\r\n", 200},
        {"GET / HTTP/1.1\r\n\r\n", 404},
        {"HEAD /metricsx HTTP/1.1\r\n\r\n", 404},
        {"GET /metrics/ HTTP/1.1\r\n\r\n", 404},
        {"GET http://127.0.0.1/metrics HTTP/1.1\r\n\r\n", 404},
        {"GET * HTTP/1.1\r\n\r\n", 404},
        {"POST /metrics HTTP/1.1\r\n\r\n", 405},
        {"get /metrics HTTP/1.1\r\n\r\n", 405},
        {"CONNECT a:443 HTTP/1.1\r\n\r\n", 405},
        {"PRI * HTTP/2.0\r\n\r\n", 505},
        {"GET /metrics HTTP/0.9\r\n\r\n", 505},
        {"GET  /metrics HTTP/1.1\r\n\r\n", 400},
        {"GET /a b HTTP/1.1\r\n\r\n", 400},
        {"GET /metrics HTTP/1.12\r\n\r\n", 400},
        {"GET /metrics http/1.1\r\n\r\n", 400},
        {"GET HTTP/1.1\r\n\r\n", 400},
        {"", 400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct console_http_request request = requested(cases[i].head);
        assert_int_equal(request.status, cases[i].status);
        assert_int_equal(request.is_head_only, strncmp(cases[i].head, "HEAD", 4) == 0);
        if (request.status != 200)
            assert_int_not_equal(request.why.text[0], '\0');
    }
    assert_non_null(strstr(requested("GET / HTTP/1.1\r\n\r\n").why.text, "/metrics"));
}

static void assert_http(const struct console_http_answer *answer, const char *expected)
{
    struct buffer out;
    buffer_init(&out, 1000);
    console_http_write(&out, answer);
    buffer_append(&out, "", 1);
    assert_string_equal((char *)out.data, expected);
    buffer_finish(&out);
}

static void an_http_answer_says_its_length_and_that_it_is_the_last(void **state)
{
    (void)state;
    struct console_http_answer answer = {.status = 200, .type = "t/t", .body = wire_str_of("ab\n")};
    assert_http(&answer, "HTTP/1.1 200 OK\r\nContent-Type: t/t\r\nContent-Length: 3\r\n"
                         "Connection: close\r\n\r\nab\n");
    answer.is_head_only = true;
    assert_http(&answer, "HTTP/1.1 200 OK\r\nContent-Type: t/t\r\nContent-Length: 3\r\n"
                         "Connection: close\r\n\r\n");
    answer = (struct console_http_answer){.status = 405, .type = "t/t"};
    assert_http(&answer, "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: t/t\r\n"
                         "Content-Length: 0\r\nAllow: GET, HEAD\r\nConnection: close\r\n\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_understood_whatever_their_case_and_spaces),
        cmocka_unit_test(wrong_lines_are_named),
        cmocka_unit_test(an_answer_looks_as_curl_shows_it),
        cmocka_unit_test(the_metrics_are_a_line_too),
        cmocka_unit_test(an_http_request_gets_the_metrics_or_the_status_that_says_why_not),
        cmocka_unit_test(an_http_answer_says_its_length_and_that_it_is_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
