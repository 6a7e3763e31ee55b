/* Authorities that are remembered: with them, a URL means what it means without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "url_memo.h"

#define MOST 2000

static const char *const beginnings[] = {
    "http://a",
    "https://a",
    "https://a:443",
    "https://a:8443",
    "https://a:08443",
    "HTTPS://a",
    "https://A",
    "https://a.",
    "http://[::1]",
    "http://[::1]:8443",
    "http://127.1",
    "http://%356",
    "http://a%2eb",
    "https://b\xc3\xbc"
    "cher.example",
    "https://xn--bcher-kva.example",
    "https://u@a",
    "https://u:p@a",
    "https://@a",
    "https://:@a",
    "https://a:",
    "https://a:0",
    "http:/a",
    "http:a",
    "http://",
    "https:///",
    "ftp://a",
    "a",
    "",
    "https://a?b",
    "https://a#b",
    "https://a\\b",
    "https://a;b",
    "https://a,b",
    "https://a b",
};

static const char *const ends[] = {
    "",     "/",         "/b",  "/b?c",   "/?", "?c",    "#d",   "/#d",   "/../b/./c", "/%41%2f",
    "/b c", "/\xc3\xa4", "//b", "/b@c:d", "/{", "/b?c/", "/;=$", "/\x7f", "/b#",       ":1/",
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void compare(struct url_memo *memo, const char *text)
{
    struct url with = {0}, without = {0};
    struct wire_why why_with = {""}, why_without = {""};
    int result = url_parse(&without, wire_str_of(text), MOST, &why_without);
    assert_int_equal(url_memo_parse(memo, &with, wire_str_of(text), MOST, &why_with), result);
    assert_string_equal(why_with.text, why_without.text);
    if (result != 0)
        return;
    assert_string_equal(with.text, without.text);
    assert_string_equal(with.origin, without.origin);
    assert_string_equal(with.host, without.host);
    assert_int_equal(with.port, without.port);
    assert_int_equal(with.is_tls, without.is_tls);
    url_finish(&with);
    url_finish(&without);
}

/* Each end behind each beginning, before and after the others have been remembered. */
static void what_is_remembered_changes_nothing(void **state)
{
    (void)state;
    struct url_memo memo = {0};
    char text[MOST];
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT(beginnings); i++) {
            for (size_t j = 0; j < COUNT(ends); j++) {
                snprintf(text, sizeof text, "%s%s", beginnings[i], ends[j]);
                compare(&memo, text);
                compare(&memo, text);
            }
        }
    }
    url_memo_finish(&memo);
}

static size_t count(const struct url_memo *memo)
{
    size_t known = 0;
    for (size_t i = 0; i < URL_MEMO_PLACES; i++)
        known += memo->places[i] != NULL;
    return known;
}

static void authorities_beyond_the_places_replace_others(void **state)
{
    (void)state;
    struct url_memo memo = {0};
    char text[MOST];
    for (int i = 0; i < 10 * URL_MEMO_PLACES; i++) {
        snprintf(text, sizeof text, "https://host-%d.example/", i);
        compare(&memo, text);
    }
    assert_true(count(&memo) > URL_MEMO_PLACES / 2);
    url_memo_finish(&memo);
    assert_int_equal(count(&memo), 0);
}

static void a_long_authority_is_not_remembered(void **state)
{
    (void)state;
    struct url_memo memo = {0};
    char text[MOST] = "https://";
    memset(text + 8, 'a', 400);
    strcpy(text + 408, "/b");
    compare(&memo, text);
    assert_int_equal(count(&memo), 0);
    compare(&memo, "https://a/b");
    assert_int_equal(count(&memo), 1);
    url_memo_finish(&memo);
}

static void a_url_that_is_too_long_is_refused_however_well_its_authority_is_known(void **state)
{
    (void)state;
    struct url_memo memo = {0};
    char text[MOST + 2];
    memset(text, 'a', sizeof text);
    memcpy(text, "https://a/", 10);
    text[MOST + 1] = '\0';
    compare(&memo, "https://a/b");
    compare(&memo, text);
    url_memo_finish(&memo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_remembered_changes_nothing),
        cmocka_unit_test(authorities_beyond_the_places_replace_others),
        cmocka_unit_test(a_long_authority_is_not_remembered),
        cmocka_unit_test(a_url_that_is_too_long_is_refused_however_well_its_authority_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
