/* Lines of the access log: one object of JSON, whatever a client calls itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <jansson.h>

#include "access.h"
#include "log.h"

static const struct timespec when = {.tv_sec = 1700000000, .tv_nsec = 7999999};

/* The object of the entry's line, owned: jansson takes nothing but JSON in UTF-8. */
static json_t *object_of(const struct access_entry *entry)
{
    char line[ACCESS_LINE_BYTES];
    json_error_t error;
    size_t length = access_print(line, entry, &when);
    assert_true(length > 0 && length <= sizeof line);
    assert_int_equal(line[length - 1], '\n');
    assert_null(memchr(line, '\n', length - 1));
    json_t *object = json_loadb(line, length, JSON_REJECT_DUPLICATES, &error);
    if (!object)
        fail_msg("%s: %.*s", error.text, (int)length, line);
    return object;
}

static void assert_tag(const char *tag, size_t length, const char *expected)
{
    struct access_entry entry = {.tag = {tag, length}};
    json_t *object = object_of(&entry);
    assert_string_equal(json_string_value(json_object_get(object, "tag")), expected);
    json_decref(object);
}

static void the_time_is_utc_with_milliseconds(void **state)
{
    (void)state;
    struct access_entry entry = {.uid = 7};
    json_t *object = object_of(&entry);
    assert_string_equal(json_string_value(json_object_get(object, "time")),
                        "2023-11-14T22:13:20.007Z");
    json_decref(object);
}

static void what_is_not_known_is_left_out(void **state)
{
    (void)state;
    struct access_entry entry = {.uid = 7, .pid = 8, .code = FETCHPOOL_BAD_REQUEST};
    json_t *object = object_of(&entry);
    static const char *const absent[] = {"url",        "origin", "method", "status", "http",
                                         "connection", "reused", "client", "tag",    "request"};
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++)
        assert_null(json_object_get(object, absent[i]));
    assert_int_equal(json_integer_value(json_object_get(object, "uid")), 7);
    assert_string_equal(json_string_value(json_object_get(object, "error_name")), "BAD_REQUEST");
    json_decref(object);
}

static void every_byte_makes_a_string_of_json(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        char text[3] = {(char)byte, 'x', (char)byte};
        struct access_entry entry = {.tag = {text, sizeof text}};
        char line[ACCESS_LINE_BYTES];
        json_t *object = json_loadb(line, access_print(line, &entry, &when), JSON_ALLOW_NUL, NULL);
        json_t *tag = json_object_get(object, "tag");
        assert_non_null(tag);
        size_t expected = byte < 0x80 ? 3 : 7;
        assert_int_equal(json_string_length(tag), expected);
        if (byte < 0x80)
            assert_memory_equal(json_string_value(tag), text, 3);
        json_decref(object);
    }
}

static void what_is_no_utf_8_is_replaced_and_the_rest_is_kept(void **state)
{
    (void)state;
    assert_tag("a\"b\\c\x1b\x7f", 7, "a\"b\\c\x1b\x7f");
    assert_tag("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    assert_tag("a\xff"
               "b",
               3,
               "a\xef\xbf\xbd"
               "b");
    assert_tag("\xe2\x82", 2, "\xef\xbf\xbd\xef\xbf\xbd");                 /* cut off */
    assert_tag("\xc0\x80", 2, "\xef\xbf\xbd\xef\xbf\xbd");                 /* overlong */
    assert_tag("\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* a surrogate */
    assert_tag("\xf4\x90\x80\x80", 4, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

static void assert_written(const char *tag, const char *words)
{
    struct access_entry entry = {.tag = wire_str_of(tag)};
    char line[ACCESS_LINE_BYTES + 1];
    line[access_print(line, &entry, &when)] = '\0';
    if (!strstr(line, words))
        fail_msg("no %s in %s", words, line);
    assert_tag(tag, strlen(tag), tag); /* it says the same */
}

/* Whoever looks at the file does it on a terminal, and not through a parser. */
static void what_steers_a_terminal_is_escaped(void **state)
{
    (void)state;
    assert_written("\x1b[31m", "\"tag\":\"\\u001b[31m\"");
    assert_written("\x7f", "\"tag\":\"\\u007f\"");
    assert_written("A\xc2\x9b"
                   "31mB",
                   "\"tag\":\"A\\u009b31mB\"");
    assert_written("\xc2\x80\xc2\x9f\xc2\xa0", "\"tag\":\"\\u0080\\u009f\xc2\xa0\"");
    assert_written("\xc4\x9b", "\"tag\":\"\xc4\x9b\""); /* U+011B */
}

static void an_entry_of_the_longest_strings_fits_and_they_end_in_an_ellipsis(void **state)
{
    (void)state;
    static char text[1 << 16];
    memset(text, 0x01, sizeof text - 1);
    struct wire_str longest = {text, sizeof text - 1};
    struct access_entry entry = {.client = longest,
                                 .tag = longest,
                                 .method = longest,
                                 .url = longest,
                                 .origin = longest,
                                 .http = longest,
                                 .status = 599,
                                 .code = 999,
                                 .uid = UINT32_MAX,
                                 .has_request = true,
                                 .request = UINT32_MAX,
                                 .has_connection = true,
                                 .connection = INT64_MAX,
                                 .bytes_in = INT64_MAX,
                                 .bytes_out = INT64_MAX,
                                 .retries = UINT32_MAX,
                                 .redirects = UINT32_MAX};
    entry.timing = (struct fetchpool_timing){INT64_MAX, INT64_MAX, INT64_MAX,
                                             INT64_MAX, INT64_MAX, INT64_MAX};
    char line[ACCESS_LINE_BYTES];
    assert_true(access_print(line, &entry, &when) < ACCESS_LINE_BYTES - 512);
    memset(text, 'x', sizeof text - 1);
    json_t *object = object_of(&entry);
    const char *url = json_string_value(json_object_get(object, "url"));
    assert_int_equal(strlen(url), 8192 + 3);
    assert_string_equal(url + 8192, "\xe2\x80\xa6");
    json_decref(object);
}

static void assert_url(enum log_urls urls, const char *expected)
{
    struct access_entry entry = {.url = wire_str_of("https://example.com/a?b=c"),
                                 .origin = wire_str_of("https://example.com")};
    log_set_urls(urls);
    json_t *object = object_of(&entry);
    const char *url = json_string_value(json_object_get(object, "url"));
    if (expected)
        assert_string_equal(url, expected);
    else
        assert_null(url);
    json_decref(object);
    log_set_urls(LOG_URLS_PATH);
}

static void of_a_url_so_much_is_shown_as_may_be(void **state)
{
    (void)state;
    assert_url(LOG_URLS_ORIGIN, NULL);
    assert_url(LOG_URLS_PATH, "https://example.com/a");
    assert_url(LOG_URLS_FULL, "https://example.com/a?b=c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_time_is_utc_with_milliseconds),
        cmocka_unit_test(what_is_not_known_is_left_out),
        cmocka_unit_test(every_byte_makes_a_string_of_json),
        cmocka_unit_test(what_is_no_utf_8_is_replaced_and_the_rest_is_kept),
        cmocka_unit_test(what_steers_a_terminal_is_escaped),
        cmocka_unit_test(an_entry_of_the_longest_strings_fits_and_they_end_in_an_ellipsis),
        cmocka_unit_test(of_a_url_so_much_is_shown_as_may_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
