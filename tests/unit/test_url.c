/* URLs: what may be asked for, and what a redirect leads to. */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "url.h"

#define MOST 200

static void assert_parsed(const char *text, const char *normal, const char *origin)
{
    struct url url;
    struct wire_why why = {""};
    if (url_parse(&url, wire_str_of(text), MOST, &why) != 0)
        fail_msg("%s: %s", text, why.text);
    assert_string_equal(url.text, normal);
    assert_string_equal(url.origin, origin);
    url_finish(&url);
}

static void good_urls_are_normalized(void **state)
{
    (void)state;
    assert_parsed("http://a", "http://a/", "http://a");
    assert_parsed("HTTPS://Example.COM:443/x?y#z", "https://Example.COM:443/x?y",
                  "https://example.com");
    assert_parsed("http://a:8080/x/../b?", "http://a:8080/x/../b?", "http://a:8080");
    assert_parsed("https://a:80/", "https://a:80/", "https://a:80");
    assert_parsed("http://[::1]:9/", "http://[::1]:9/", "http://[::1]:9");
    assert_parsed("http://2130706433/", "http://127.0.0.1/", "http://127.0.0.1");
    assert_parsed("http://0x7f.1/", "http://127.0.0.1/", "http://127.0.0.1");
    assert_parsed("http://a/%0d%0a", "http://a/%0d%0a", "http://a");
    assert_parsed("http://a/\xc3\xa4", "http://a/%c3%a4", "http://a");
    assert_parsed("http://b\xc3\xbc"
                  "cher.example/",
                  "http://xn--bcher-kva.example/", "http://xn--bcher-kva.example");
}

/* libcurl decodes a host after it has looked for numbers in it, and reads the outcome once more. */
static void a_number_that_is_encoded_is_the_address_that_it_is_connected_to(void **state)
{
    (void)state;
    assert_parsed("http://%356/", "http://0.0.0.56/", "http://0.0.0.56");
    assert_parsed("http://%32130706433:81/", "http://127.0.0.1:81/", "http://127.0.0.1:81");
    assert_parsed("https://0%787f000001/", "https://127.0.0.1/", "https://127.0.0.1");
    assert_parsed("http://\xef\xbc\x91"
                  "27.1/",
                  "http://127.0.0.1/", "http://127.0.0.1");
}

static void assert_refused(struct wire_str text, const char *sentence)
{
    struct url url;
    struct wire_why why = {""};
    if (url_parse(&url, text, MOST, &why) == 0)
        fail_msg("%.*s was taken", WIRE_STR(text));
    if (!strstr(why.text, sentence))
        fail_msg("%.*s: \"%s\" lacks \"%s\"", WIRE_STR(text), why.text, sentence);
}

static void other_urls_are_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *sentence;
    } cases[] = {
        {"file:///etc/passwd", "the scheme \"file\" is not supported"},
        {"FILE:/etc/passwd", "the scheme \"FILE\" is not supported"},
        {"ftp://a/", "the scheme \"ftp\" is not supported"},
        {"gopher://a/", "the scheme \"gopher\" is not supported"},
        {"javascript:alert(1)", "the scheme \"javascript\" is not supported"},
        {"example.com", "is not absolute"},
        {"//example.com/", "is not absolute"},
        {"/path", "is not absolute"},
        {"", "is not absolute"},
        {"http:/a", "must have //"},
        {"http:a", "must have //"},
        {"http:///path", "url has no host"},
        {"http://", "cannot be understood"},
        {"http://?", "cannot be understood"},
        {"http://a:b@c/", "must not carry a user name"},
        {"http://a@c/", "must not carry a user name"},
        {"http://a\\@c/", "the byte 0x5c at position 8"},
        {"http://a/ b", "the byte 0x20 at position 9"},
        {"http://a/\r\nX: y", "the byte 0x0d at position 9"},
        {"http://a/\x7f", "the byte 0x7f"},
        {"http://0x%7f.1/", "url holds the byte 0x7f in its host"},
        {"http://a:0/", "port 0"},
        {"http://a:99999/", "cannot be understood"},
        {"http://a:b/", "cannot be understood"},
        {"http://[::1/", "cannot be understood"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_refused(wire_str_of(cases[i].text), cases[i].sentence);
    assert_refused((struct wire_str){"http://a/\0b", 11}, "the byte 0x00 at position 9");
    char long_one[MOST + 10];
    memset(long_one, 'a', sizeof long_one);
    memcpy(long_one, "http://a/", 9);
    assert_refused((struct wire_str){long_one, sizeof long_one}, "at most 200 are allowed");
}

static void a_location_is_resolved_from_where_it_was_said(void **state)
{
    (void)state;
    static const struct {
        const char *location;
        const char *result; /* NULL: refused */
    } cases[] = {
        {"/x", "https://a.example/x"},
        {"x", "https://a.example/b/x"},
        {"../x", "https://a.example/x"},
        {"?q", "https://a.example/b/c?q"},
        {"//other/x", "https://other/x"},
        {"http://other:81/", "http://other:81/"},
        {"with space", "https://a.example/b/with%20space"},
        {"", "https://a.example/b/c"},
        {"file:///etc/passwd", NULL},
        {"FILE:///etc/passwd", NULL},
        {"gopher://x/", NULL},
        {"http://u:p@other/", NULL},
        {"http://other\\x/", NULL},
    };
    struct url base;
    struct wire_why why;
    assert_int_equal(url_parse(&base, wire_str_of("https://a.example/b/c"), MOST, &why), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct url url;
        int result = url_resolve(&url, &base, wire_str_of(cases[i].location), MOST, &why);
        if (!cases[i].result) {
            if (result == 0)
                fail_msg("%s led to %s", cases[i].location, url.text);
            continue;
        }
        if (result != 0)
            fail_msg("%s: %s", cases[i].location, why.text);
        assert_string_equal(url.text, cases[i].result);
        url_finish(&url);
    }
    url_finish(&base);
}

static void a_host_field_agrees_or_not(void **state)
{
    (void)state;
    struct url plain, with_port;
    struct wire_why why;
    url_parse(&plain, wire_str_of("https://a.example/"), MOST, &why);
    url_parse(&with_port, wire_str_of("https://a.example:8443/"), MOST, &why);
    assert_true(url_host_agrees(&plain, wire_str_of("A.example")));
    assert_true(url_host_agrees(&plain, wire_str_of("a.example:443")));
    assert_false(url_host_agrees(&plain, wire_str_of("a.example:80")));
    assert_false(url_host_agrees(&plain, wire_str_of("a.example.")));
    assert_false(url_host_agrees(&plain, wire_str_of("b.example")));
    assert_false(url_host_agrees(&plain, wire_str_of("")));
    assert_true(url_host_agrees(&with_port, wire_str_of("a.example:8443")));
    assert_false(url_host_agrees(&with_port, wire_str_of("a.example")));
    url_finish(&plain);
    url_finish(&with_port);
}

/* Where no port is said, it is the one that libcurl connects to. */
static void a_proxys_authority_has_its_port(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"https://127.0.0.1", "127.0.0.1:443"}, {"HTTPS://proxy/", "proxy:443"},
        {"https://proxy:1080", "proxy:1080"},   {"https://u:p@proxy", "proxy:443"},
        {"https://[::1]", "[::1]:443"},         {"http://proxy", "proxy:1080"},
        {"http://proxy:80", "proxy:80"},        {"http://https:p@proxy", "proxy:1080"},
        {"socks5h://proxy", "proxy:1080"},      {"socks5h://u:p@[::1]:9", "[::1]:9"},
    };
    char authority[100];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(url_proxy_authority(cases[i][0], authority, sizeof authority), 0);
        assert_string_equal(authority, cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_urls_are_normalized),
        cmocka_unit_test(a_number_that_is_encoded_is_the_address_that_it_is_connected_to),
        cmocka_unit_test(other_urls_are_refused_with_the_reason),
        cmocka_unit_test(a_location_is_resolved_from_where_it_was_said),
        cmocka_unit_test(a_host_field_agrees_or_not),
        cmocka_unit_test(a_proxys_authority_has_its_port),
    };
    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
