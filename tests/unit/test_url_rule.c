/* Patterns for requests: how they are written, and every way round them that is known. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "url_rule.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct url_rule_list list_of(const char *text, enum url_rule_use use)
{
    struct url_rule_list list = {0};
    char why[URL_RULE_WHY_BYTES];
    if (url_rule_list_add(&list, text, use, why) != 0)
        fail_msg("%s: %s", text, why);
    return list;
}

static bool matches(const char *text, enum url_rule_use use, struct url_rule_subject subject)
{
    struct url_rule_list list = list_of(text, use);
    bool is_found = url_rule_list_find(&list, &subject) != NULL;
    url_rule_list_finish(&list);
    return is_found;
}

static void assert_matches(const char *text, enum url_rule_use use, struct url_rule_subject subject,
                           bool is_expected)
{
    if (matches(text, use, subject) != is_expected)
        fail_msg("\"%s\" (use %d), %s %s://%s:%u%s: not %d", text, use, subject.method,
                 subject.is_tls ? "https" : "http", subject.host, subject.port, subject.path,
                 is_expected);
}

static struct url_rule_subject subject_of(bool is_tls, const char *host, uint16_t port)
{
    return (struct url_rule_subject){
        .is_tls = is_tls, .host = host, .port = port, .path = "/", .method = "GET"};
}

/* ---- Hosts, schemes, ports ------------------------------------------------------------------ */

static void hosts_match_in_any_of_their_forms(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *host;
        bool is_allowed, is_denied;
    } cases[] = {
        {"http://example.com", "example.com", true, true},
        {"http://Example.COM", "example.com", true, true},
        {"http://example.com", "EXAMPLE.com", true, true},
        {"http://example.com.", "example.com", true, true},
        {"http://example.com", "example.com.", true, true},
        {"http://example.com", "example.com..", true, true},
        {"http://example.com", "xexample.com", false, false},
        {"http://example.com", "example.com.evil.org", false, false},
        {"http://example.com", "www.example.com", false, false},
        {"http://example.com", "example.co", false, false},
        {"http://example.com", "", false, false},
        {"http://*.example.com", "www.example.com", true, true},
        {"http://*.example.com", "a.b.example.com.", true, true},
        {"http://*.example.com", "example.com", false, false},
        {"http://*.example.com", "evilexample.com", false, false},
        {"http://*.example.com", "www.example.com.evil.org", false, false},
        {"http://a*c*e", "ace", true, true},
        {"http://a*c*e", "abcbcde", true, true},
        {"http://a*c*e", "abcbcd", false, false},
        {"http://a**b", "ab", true, true},
        {"http://*", "anything", true, true},
        {"http://*", "[::1]", true, true},
        {"http://*", "", true, true},
        {"http://10.*", "10.0.0.1", true, true},
        {"http://10.*", "110.0.0.1", false, false},
        {"http://127.0.0.1", "127.1", true, true},
        {"http://127.0.0.1", "0x7f000001", true, true},
        {"http://127.0.0.1", "0177.0.0.01", true, true},
        {"http://127.0.0.1", "2130706433", true, true},
        {"http://127.0.0.1", "127.0.0.2", false, false},
        {"http://[::1]", "[::1]", true, true},
        {"http://[0:0::0001]", "[::1]", true, true},
        {"http://[::1]", "[0:0:0:0:0:0:0:1]", true, true},
        {"http://[FE80::A]", "[fe80::a]", true, true},
        {"http://[fe80::*]", "[FE80:0:0::a]", true, true},
        {"http://[::1]", "[::2]", false, false},
        {"http://[64:ff9b::10.0.0.1]", "[64:ff9b::a00:1]", true, true},
        {"http://10.0.0.1", "[::ffff:10.0.0.1]", false, true},
        {"http://10.0.0.1", "[::FFFF:a00:1]", false, true},
        {"http://10.*", "[::ffff:10.0.0.1]", false, true},
        {"http://[*]", "[::ffff:10.0.0.1]", true, true},
        {"http://[*]", "[2001:db8::1]", true, true},
        {"http://[*]", "10.0.0.1", false, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct url_rule_subject subject = subject_of(false, cases[i].host, 80);
        assert_matches(cases[i].rule, URL_RULE_ALLOWS, subject, cases[i].is_allowed);
        assert_matches(cases[i].rule, URL_RULE_ORIGIN, subject, cases[i].is_allowed);
        assert_matches(cases[i].rule, URL_RULE_DENIES, subject, cases[i].is_denied);
    }
}

static void a_port_left_out_is_any_only_for_denying(void **state)
{
    (void)state;
    static const struct {
        const char *rule;
        bool is_tls;
        uint16_t port;
        bool is_allowed, is_denied;
    } cases[] = {
        {"http://a", false, 80, true, true},       {"http://a", false, 8080, false, true},
        {"http://a", false, 443, false, true},     {"https://a", true, 443, true, true},
        {"https://a", true, 80, false, true},      {"https://a", true, 8443, false, true},
        {"http://a", true, 443, false, false},     {"https://a", false, 80, false, false},
        {"*://a", true, 443, true, true},          {"*://a", false, 80, true, true},
        {"*://a", false, 443, false, true},        {"*://a", true, 80, false, true},
        {"http://a:81", false, 81, true, true},    {"http://a:81", false, 80, false, false},
        {"*://a:81", true, 81, true, true},        {"http://a:*", false, 65535, true, true},
        {"http://a:*/", false, 1, true, true},     {"HTTPS://a:443/", true, 443, true, true},
        {"http://[::1]", false, 80, false, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct url_rule_subject subject = subject_of(cases[i].is_tls, "a", cases[i].port);
        assert_matches(cases[i].rule, URL_RULE_ALLOWS, subject, cases[i].is_allowed);
        assert_matches(cases[i].rule, URL_RULE_ORIGIN, subject, cases[i].is_allowed);
        assert_matches(cases[i].rule, URL_RULE_DENIES, subject, cases[i].is_denied);
    }
    assert_matches("http://[::1]:81", URL_RULE_ALLOWS, subject_of(false, "[::1]", 81), true);
    assert_matches("http://[::1]:81", URL_RULE_ALLOWS, subject_of(false, "[::1]", 80), false);
}

static void methods_are_compared_strictly_only_for_allowing(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *method;
        bool is_allowed, is_denied;
    } cases[] = {
        {"GET http://a", "GET", true, true},
        {"GET http://a", "get", false, true},
        {"GET http://a", "HEAD", false, false},
        {"GET http://a", "GETS", false, false},
        {"GET http://a", "GE", false, false},
        {"GET http://a", "", false, false},
        {"GET http://a", NULL, false, false},
        {"  GET\tHEAD  POST http://a ", "POST", true, true},
        {"GET HEAD POST http://a", "HEAD", true, true},
        {"GET HEAD POST http://a", "PUT", false, false},
        {"http://a", "M-SEARCH", true, true},
        {"http://a", NULL, true, true},
        {"any", "GET", true, true},
        {" Any ", NULL, true, true},
        {"none", "GET", false, false},
        {"NONE", NULL, false, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct url_rule_subject subject = subject_of(false, "a", 80);
        subject.method = cases[i].method;
        assert_matches(cases[i].rule, URL_RULE_ALLOWS, subject, cases[i].is_allowed);
        assert_matches(cases[i].rule, URL_RULE_DENIES, subject, cases[i].is_denied);
    }
}

/* ---- Paths ---------------------------------------------------------------------------------- */

static const struct path_case {
    const char *rule, *path;
    bool is_allowed, is_denied; /* by a rule with this path */
} path_cases[] = {
    /* whole segments */
    {"/v1", "/v1", true, true},
    {"/v1", "/v1/", true, true},
    {"/v1", "/v1/x", true, true},
    {"/v1", "/v1?x", true, true},
    {"/v1", "/v10", false, false},
    {"/v1", "/v", false, false},
    {"/v1", "/V1", false, false},
    {"/v1", "/x/v1", false, false},
    {"/v1", "/?/v1", false, false},
    {"/v1", "/", false, false},
    {"/v1", "", false, false},
    {"/v1", NULL, false, false},
    {"/", NULL, true, true},
    {"/", "/x", true, true},
    {"/", "/../..", true, true},
    {"/a/b", "/a/b/c", true, true},
    {"/a/b", "/a", false, false},
    {"/a/b", "/a/", false, false},
    {"/a/b", "/a/bb", false, false},
    {"/a/b", "/a/x/b", false, false},
    /* a slash at the end */
    {"/v1/", "/v1/x", true, true},
    {"/v1/", "/v1/", true, true},
    {"/v1/", "/v1", false, true},
    {"/v1/", "/v1?/x", false, true},
    {"/v1/", "/v10", false, false},
    /* decoded once */
    {"/v1", "/%76%31/x", true, true},
    {"/caf%C3%A9", "/caf%c3%a9", true, true},
    {"/%76%31", "/v1", true, true},
    {"/a%2ab", "/a*b", true, true},
    {"/v1", "/%2576%2531", false, false},
    {"/v1", "/v1%3fx", false, false},
    {"/v%251", "/v%251", true, true},
    {"/v%251", "/v%1", true, true}, /* no hexadecimal digits: itself */
    {"/v1", "/v1%", false, false},
    {"/v1", "/v1%2", false, false},
    {"/v1", "/v1%zz", false, false},
    /* dots */
    {"/v1", "/v1/.", true, true},
    {"/v1", "/v1/a/..", true, true},
    {"/v1", "/v1/a/../b", true, true},
    {"/v1", "/v1/a/b/../../c", true, true},
    {"/v1", "/v1/..", false, true},
    {"/v1", "/v1/../x", false, true},
    {"/v1", "/v1/../v1", false, true},
    {"/v1", "/v1/a/../../x", false, true},
    {"/v1", "/v1/%2e%2e/x", false, true},
    {"/v1", "/v1/.%2E", false, true},
    {"/v1", "/v1/a/./../../x", false, true},
    {"/v1", "/./v1", false, true},
    {"/v1", "/x/../v1", false, true},
    {"/v1", "/x/%2e./v1/y", false, true},
    {"/v1", "/x/y/../../v1", false, true},
    {"/v1", "/x/y/../v1", false, false},
    {"/v1", "/../v1", false, true},
    {"/v1", "/../../v1", false, true},
    {"/v1", "/x/../y/v1", false, false},
    {"/v1", "/.../v1", false, false},
    {"/v1", "/v1/...", true, true},
    {"/a/b", "/a/x/../b", false, true},
    {"/a/b", "/a/x/y/../b", false, false},
    {"/a/b", "/a/../b", false, true}, /* no reading does: it errs on the side of denying */
    {"/a/b", "/a/b/../../x", false, true},
    /* doubled slashes */
    {"/v1", "//v1", false, true},
    {"/v1", "///v1/x", false, true},
    {"/v1", "/v1//x", true, true},
    {"/v1", "/v1//../x", false, true},
    {"/v1", "/v1//a/../x", true, true},
    {"/a/b", "/a//b", false, true},
    {"/v1", "/x//../v1", false, true},
    {"/v1", "/x//v1", false, false},
    /* encoded slashes and backslashes */
    {"/v1", "/v1/a%2fb", true, true},
    {"/v1", "/v1/..%2fx", false, true},
    {"/v1", "/v1/..%2Fx", false, true},
    {"/v1", "/v1/a%2f..%2f..%2fx", false, true},
    {"/v1", "/v1/a/b%2f../../..", false, true},
    {"/v1", "/v1%2fx", false, true},
    {"/v1", "/%2fv1", false, true},
    {"/v1", "/x%2f..%2fv1", false, true},
    {"/v1", "/x%2fa/../v1", false, true}, /* x%2fa may be one segment */
    {"/v1", "/x%2f%61/../v1", false, true},
    {"/v1", "/x/..%2fv1", false, true},
    {"/v1", "/x/..%5cv1", false, true},
    {"/v1", "/v1/..%5c..%5cx", false, true},
    {"/v1", "/v1/..\\x", false, true},
    {"/v1", "/x%2fv1", false, false},
    {"/v1", "/x/y%2fv1", false, false},
    {"/a/b", "/a%2fb", false, true},
    {"/secret", "/x%2f../secret/%5c../..", false, true},
    {"/public", "/secret/..%2fpublic", false, true},
    /* parameters */
    {"/v1", "/v1;x", false, true},
    {"/v1", "/v1;x/y", false, true},
    {"/v1", "/v1/a;x/b", true, true},
    {"/v1", "/v1/..;x/y", false, true},
    {"/v1", "/v1/..;/y", false, true},
    {"/v1", "/v1/a;/..;/..;/y", false, true},
    {"/v1", "/v1/..%3bx/y", false, true},
    {"/v1", "/x/..;/v1", false, true},
    {"/v1", "/;x/v1", false, true},
    {"/v1", "/.;x/v1", false, true},
    {"/v1", "/v1/;a/../y", false, true},
    {"/secret", "/secret/..;x/public", false, true},
    {"/v1", "/x;/v1", false, false},
    /* the end of a segment for an origin in C */
    {"/v1", "/v1%00", false, true},
    {"/v1", "/v1%00.html", false, true},
    {"/v1", "/v1/x%00/y", true, true},
    {"/v1", "/v1/..%00x/y", false, true},
    {"/v1", "/v%001", false, false},
    {"/v1", "/%00/v1", false, true},
};

static void paths_are_compared_in_every_reading(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(path_cases); i++) {
        const struct path_case *one = &path_cases[i];
        char rule[64];
        struct url_rule_subject subject = subject_of(false, "a", 80);
        subject.path = one->path;
        snprintf(rule, sizeof rule, "http://a%s", one->rule);
        assert_matches(rule, URL_RULE_ALLOWS, subject, one->is_allowed);
        assert_matches(rule, URL_RULE_DENIES, subject, one->is_denied);
    }
}

/* ---- Much of it ----------------------------------------------------------------------------- */

#define LONG_BYTES (1 << 20) /* the most that [limits] max_url can be */

static uint64_t processor_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* The unit, again and again, then the end. Owned. */
static char *long_text(const char *begin, const char *unit, const char *end)
{
    size_t units = LONG_BYTES / strlen(unit);
    char *text = malloc(strlen(begin) + LONG_BYTES + strlen(end) + 1);
    assert_non_null(text);
    char *to = stpcpy(text, begin);
    for (size_t i = 0; i < units; i++)
        to = stpcpy(to, unit);
    stpcpy(to, end);
    return text;
}

/* Quadratic cost would be minutes. */
#define MOST_MS 2000

static void a_very_long_path_is_read_to_its_end_and_in_one_pass(void **state)
{
    (void)state;
    static const struct {
        const char *begin, *unit, *end;
        bool is_allowed, is_denied;
    } cases[] = {
        {"/v1", "/a", "", true, true},
        {"/v1", "/a/..", "", true, true},
        {"/v1", "/a/..", "/../x", false, true},
        {"/v1/", "a%2f", "..", true, true}, /* one segment or many: .. leaves none of the first */
        {"/v1/", "a%2f", "../..", false, true},
        {"", "/a/..", "/v1", false, true},
        {"", "/a%2f..", "/v1", false, true},
        {"", "/", "v1", false, true},
        {"", "/.", "/v1", false, true},
        {"", "/a;x", "/v1", false, false},
        {"/", "a", "/../v1", false, true},
        {"/", "%61", "/../v1", false, true},
        {"/", "a", "/v1", false, false},
        {"/v1;", "a", "/x", false, true},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct url_rule_subject subject = subject_of(false, "a", 80);
        char *path = long_text(cases[i].begin, cases[i].unit, cases[i].end);
        subject.path = path;
        uint64_t begin_ms = processor_ms();
        bool is_allowed = matches("http://a/v1", URL_RULE_ALLOWS, subject);
        bool is_denied = matches("http://a/v1", URL_RULE_DENIES, subject);
        uint64_t took_ms = processor_ms() - begin_ms;
        free(path);
        if (is_allowed != cases[i].is_allowed || is_denied != cases[i].is_denied)
            fail_msg("case %zu: allowed %d, denied %d", i, is_allowed, is_denied);
        assert_in_range(took_ms, 0, MOST_MS);
    }
}

static void many_wildcards_cost_no_more_than_their_product(void **state)
{
    (void)state;
    char *host = long_text("", "a", "");
    struct url_rule_subject subject = subject_of(false, host, 80);
    uint64_t begin_ms = processor_ms();
    assert_matches("http://*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", URL_RULE_DENIES, subject,
                   false);
    assert_matches("http://*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*", URL_RULE_DENIES, subject,
                   true);
    assert_in_range(processor_ms() - begin_ms, 0, MOST_MS);
    free(host);
}

/* ---- Lists ---------------------------------------------------------------------------------- */

static void the_first_rule_that_matches_is_found_as_it_was_written(void **state)
{
    (void)state;
    static const char *const texts[] = {"none", "  GET   HTTP://A:*/x ", "http://a", "any"};
    struct url_rule_list list = {0};
    char why[URL_RULE_WHY_BYTES];
    for (size_t i = 0; i < COUNT(texts); i++)
        assert_int_equal(url_rule_list_add(&list, texts[i], URL_RULE_ALLOWS, why), 0);
    struct url_rule_subject subject = subject_of(false, "a", 80);
    assert_string_equal(url_rule_text(url_rule_list_find(&list, &subject)), "http://a");
    subject.path = "/x/y";
    assert_string_equal(url_rule_text(url_rule_list_find(&list, &subject)), "GET   HTTP://A:*/x");
    subject.host = "b";
    assert_string_equal(url_rule_text(url_rule_list_find(&list, &subject)), "any");
    url_rule_list_finish(&list);
    assert_int_equal(list.count, 0);
    assert_null(url_rule_list_find(&list, &subject));
}

static void proxies_have_ports_and_a_scheme_of_their_own(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *scheme, *host;
        uint16_t port;
        bool is_found;
    } cases[] = {
        {"http://proxy:3128", "http", "proxy", 3128, true},
        {"http://proxy:3128/", "http", "Proxy.", 3128, true},
        {"http://proxy:3128", "http", "proxy", 3129, false},
        {"http://proxy:3128", "https", "proxy", 3128, false},
        {"http://proxy", "http", "proxy", 1080, true},
        {"http://proxy", "http", "proxy", 80, false},
        {"https://proxy", "https", "proxy", 443, true},
        {"socks5h://proxy", "socks5h", "proxy", 1080, true},
        {"socks5h://proxy", "http", "proxy", 1080, false},
        {"*://*.lan:*", "socks5h", "a.lan", 9050, true},
        {"*://*.lan:*", "socks5h", "a.wan", 9050, false},
        {"any", "http", "proxy", 1, true},
        {"none", "http", "proxy", 1080, false},
        {"http://127.0.0.1:1", "http", "[::ffff:127.0.0.1]", 1, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct url_rule_list list = list_of(cases[i].rule, URL_RULE_PROXY);
        bool is_found = url_rule_list_find_proxy(&list, cases[i].scheme, cases[i].host,
                                                 cases[i].port);
        if (is_found != cases[i].is_found)
            fail_msg("%s, %s://%s:%u: not %d", cases[i].rule, cases[i].scheme, cases[i].host,
                     cases[i].port, cases[i].is_found);
        url_rule_list_finish(&list);
    }
}

static void what_is_no_rule_is_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum url_rule_use use;
        const char *sentence;
    } cases[] = {
        {"", URL_RULE_ALLOWS, "is not SCHEME://HOST"},
        {"example.com", URL_RULE_ALLOWS, "\"example.com\" is not SCHEME://HOST"},
        {"GET", URL_RULE_ALLOWS, "\"GET\" is not SCHEME://HOST"},
        {"any any", URL_RULE_ALLOWS, "\"any\": methods are written in capitals"},
        {"get http://a", URL_RULE_ALLOWS, "\"get\": methods are written in capitals"},
        {"ftp://a", URL_RULE_DENIES, "the scheme \"ftp\" is none of http, https and *"},
        {"htt*://a", URL_RULE_DENIES, "the scheme \"htt*\" is none of"},
        {"://a", URL_RULE_DENIES, "the scheme \"\" is none of"},
        {"socks5h://a", URL_RULE_ALLOWS, "the scheme \"socks5h\" is none of"},
        {"socks5://a", URL_RULE_PROXY, "is none of http, https, socks5h and *"},
        {"GET,HEAD http://a", URL_RULE_ALLOWS, "\"GET,HEAD\" is not an HTTP method"},
        {"http://a http://b", URL_RULE_ALLOWS, "\"http://a\" is not an HTTP method"},
        {"GET http://a", URL_RULE_PROXY, "without methods"},
        {"GET http://a", URL_RULE_ORIGIN, "without methods"},
        {"http://a/x", URL_RULE_ORIGIN, "a path is not allowed here: \"/x\""},
        {"http://a/x", URL_RULE_PROXY, "a path is not allowed here: \"/x\""},
        {"http://", URL_RULE_ALLOWS, "the host is missing"},
        {"http:///x", URL_RULE_ALLOWS, "the host is missing"},
        {"http://:80", URL_RULE_ALLOWS, "the host is missing"},
        {"http://.", URL_RULE_ALLOWS, "the host is missing"},
        {"http://u:p@a", URL_RULE_ALLOWS, "must not hold a user"},
        {"http://u@a", URL_RULE_PROXY, "must not hold a user"},
        {"http://a%2eb", URL_RULE_ALLOWS, "the host \"a%2eb\" holds the byte 0x25"},
        {"http://a,b", URL_RULE_ALLOWS, "holds the byte 0x2c"},
        {"http://a\x7f", URL_RULE_ALLOWS, "holds the byte 0x7f"},
        {"http://b\xc3\xbc"
         "cher.example",
         URL_RULE_ALLOWS, "xn--"},
        {"http://127.1", URL_RULE_DENIES, "must be written as 127.0.0.1"},
        {"http://0x7f000001", URL_RULE_DENIES, "must be written as 127.0.0.1"},
        {"http://[::ffff:10.0.0.1]", URL_RULE_DENIES, "must be written as 10.0.0.1"},
        {"http://[::1", URL_RULE_ALLOWS, "is not an IPv6 address in brackets"},
        {"http://[*", URL_RULE_ALLOWS, "is not an IPv6 address in brackets"},
        {"http://[]", URL_RULE_ALLOWS, "is not an IPv6 address in brackets"},
        {"http://[", URL_RULE_ALLOWS, "is not an IPv6 address in brackets"},
        {"http://[example.com]", URL_RULE_ALLOWS, "is not an IPv6 address in brackets"},
        {"http://[fe80::1%lo]", URL_RULE_ALLOWS, "is not an IPv6 address in brackets"},
        {"http://::1", URL_RULE_ALLOWS, "the host is missing"},
        {"http://[::1]x", URL_RULE_ALLOWS, "\"x\" must not follow the host"},
        {"http://a:", URL_RULE_ALLOWS, "the port \"\" is neither"},
        {"http://a:0", URL_RULE_ALLOWS, "the port \"0\" is neither"},
        {"http://a:65536", URL_RULE_ALLOWS, "the port \"65536\" is neither"},
        {"http://a:4294967376", URL_RULE_ALLOWS, "is neither"},
        {"http://a:-1", URL_RULE_ALLOWS, "is neither"},
        {"http://a:8*", URL_RULE_ALLOWS, "is neither"},
        {"http://a?x", URL_RULE_ALLOWS, "\"?x\" must not follow the host"},
        {"http://a:80#x", URL_RULE_ALLOWS, "\"#x\" must not follow the host"},
        {"http://a/x?y", URL_RULE_ALLOWS, "must end before its ?"},
        {"http://a/x#y", URL_RULE_ALLOWS, "must end before its #"},
        {"http://a/x*", URL_RULE_ALLOWS, "the path holds a *"},
        {"http://a//x", URL_RULE_ALLOWS, "empty, . or .. segments"},
        {"http://a/x//", URL_RULE_ALLOWS, "empty, . or .. segments"},
        {"http://a/x/..", URL_RULE_ALLOWS, "empty, . or .. segments"},
        {"http://a/%2e/x", URL_RULE_ALLOWS, "empty, . or .. segments"},
        {"http://a/x%2fy", URL_RULE_ALLOWS, "origins read these differently"},
        {"http://a/x\\y", URL_RULE_ALLOWS, "origins read these differently"},
        {"http://a/x;y", URL_RULE_ALLOWS, "origins read these differently"},
        {"http://a/x%00", URL_RULE_ALLOWS, "origins read these differently"},
        {"http://a/x%2", URL_RULE_ALLOWS, "a % without two hexadecimal digits"},
        {"http://a/\xc3\xa4", URL_RULE_ALLOWS, "the byte 0xc3"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct url_rule_list list = {0};
        char why[URL_RULE_WHY_BYTES] = "";
        assert_int_equal(url_rule_list_add(&list, cases[i].text, cases[i].use, why), -EINVAL);
        if (!strstr(why, cases[i].sentence))
            fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].text, why, cases[i].sentence);
        assert_int_equal(list.count, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hosts_match_in_any_of_their_forms),
        cmocka_unit_test(a_port_left_out_is_any_only_for_denying),
        cmocka_unit_test(methods_are_compared_strictly_only_for_allowing),
        cmocka_unit_test(paths_are_compared_in_every_reading),
        cmocka_unit_test(a_very_long_path_is_read_to_its_end_and_in_one_pass),
        cmocka_unit_test(many_wildcards_cost_no_more_than_their_product),
        cmocka_unit_test(the_first_rule_that_matches_is_found_as_it_was_written),
        cmocka_unit_test(proxies_have_ports_and_a_scheme_of_their_own),
        cmocka_unit_test(what_is_no_rule_is_refused_with_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
