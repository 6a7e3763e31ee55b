/* Requests: the policy of header fields, the bounds, and what a redirect makes of a request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "request.h"

static struct config config;

static int set_up(void **state)
{
    (void)state;
    return config_init(&config);
}

static int tear_down(void **state)
{
    (void)state;
    config_finish(&config);
    return 0;
}

static struct wire_fetch a_get(void)
{
    struct wire_fetch fetch;
    wire_fetch_init(&fetch);
    fetch.url = wire_str_of("https://a.example/x");
    return fetch;
}

static struct request *made(const struct wire_fetch *fetch)
{
    struct request *request = NULL;
    struct wire_why why = {""};
    if (request_create(&request, fetch, &config, NULL, &why) != 0)
        fail_msg("%s", why.text);
    return request;
}

static void assert_refused(const struct wire_fetch *fetch, int code, const char *sentence)
{
    struct request *request = NULL;
    struct wire_why why = {""};
    assert_int_equal(request_create(&request, fetch, &config, NULL, &why), code);
    if (!strstr(why.text, sentence))
        fail_msg("\"%s\" lacks \"%s\"", why.text, sentence);
}

static void assert_field_refused(struct wire_str name, struct wire_str value, const char *sentence)
{
    struct wire_field field = {name, value};
    struct wire_fetch fetch = a_get();
    fetch.fields = &field;
    fetch.field_count = 1;
    assert_refused(&fetch, FETCHPOOL_BAD_REQUEST, sentence);
}

static void framing_fields_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const names[] = {
        "Content-Length",
        "content-length",
        "TRANSFER-ENCODING",
        "Connection",
        "Keep-Alive",
        "TE",
        "te",
        "Trailer",
        "Upgrade",
        "Expect",
        "Proxy-Connection",
        "proxy-authorization",
        "HTTP2-Settings",
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_field_refused(wire_str_of(names[i]), wire_str_of("1"), names[i]);
    assert_field_refused(wire_str_of("Host"), wire_str_of("b.example"), "header Host");
}

static void fields_that_would_break_the_request_are_refused(void **state)
{
    (void)state;
    assert_field_refused(wire_str_of("X"), wire_str_of("a\r\nY: b"),
                         "header X holds the byte 0x0d");
    assert_field_refused(wire_str_of("X"), wire_str_of("a\nb"), "header X holds the byte 0x0a");
    assert_field_refused(wire_str_of("X"), (struct wire_str){"a\0b", 3}, "the byte 0x00");
    assert_field_refused(wire_str_of("X"), wire_str_of("a\x1b"), "the byte 0x1b");
    assert_field_refused(wire_str_of("X Y"), wire_str_of("a"), "header name \"X Y\"");
    assert_field_refused(wire_str_of("X:"), wire_str_of("a"), "header name \"X:\"");
    assert_field_refused(wire_str_of(""), wire_str_of("a"), "header name \"\"");
    assert_field_refused(wire_str_of(":authority"), wire_str_of("a"), "header name");
    assert_field_refused(wire_str_of("X\xc3\xa4"), wire_str_of("a"), "header name");
    assert_field_refused((struct wire_str){"X\0", 2}, wire_str_of("a"), "header name");
}

static void other_fields_keep_order_repeats_and_bytes(void **state)
{
    (void)state;
    struct wire_field fields[] = {
        {wire_str_of("X-A"), wire_str_of("  1\t")},
        {wire_str_of("x-a"), wire_str_of("\xff\ttab")},
        {wire_str_of("HOST"), wire_str_of("A.Example:443")}, /* the URL's own: taken as said */
        {wire_str_of("X-A"), wire_str_of("")},
    };
    struct wire_fetch fetch = a_get();
    fetch.fields = fields;
    fetch.field_count = 4;
    struct request *request = made(&fetch);
    const struct wire_field *kept = field_list_fields(&request->fields);
    assert_int_equal(request->fields.count, 3);
    assert_string_equal(kept[0].value.data, "1");
    assert_string_equal(kept[1].name.data, "x-a");
    assert_string_equal(kept[1].value.data, "\xff\ttab");
    assert_string_equal(kept[2].value.data, "");
    request_destroy(request);
}

static void many_and_large_fields_are_refused_by_name(void **state)
{
    (void)state;
    size_t size = 1 << 20;
    char *large = malloc(size);
    struct wire_field *fields = calloc(10000, sizeof *fields);
    struct wire_fetch fetch = a_get();
    memset(large, 'v', size);
    assert_field_refused(wire_str_of("X-Large"), (struct wire_str){large, size}, "header X-Large");
    for (size_t i = 0; i < 10000; i++)
        fields[i] = (struct wire_field){wire_str_of("X"), wire_str_of("y")};
    fetch.fields = fields;
    fetch.field_count = 10000;
    assert_refused(&fetch, FETCHPOOL_BAD_REQUEST, "headers holds 10000 fields; at most 256");
    free(large);
    free(fields);
}

static void methods_are_tokens(void **state)
{
    (void)state;
    struct wire_fetch fetch = a_get();
    static const char *const bad[] = {"", "GE T", "GET\r\n", "G\x01", "G\xc3\xa4", "GET /"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        fetch.method = wire_str_of(bad[i]);
        assert_refused(&fetch, FETCHPOOL_BAD_REQUEST, "is not an HTTP method");
    }
    fetch.method = wire_str_of("CONNECT");
    assert_refused(&fetch, FETCHPOOL_BAD_REQUEST, "CONNECT");
    fetch.method = wire_str_of("X-Own");
    struct request *request = made(&fetch);
    assert_string_equal(request->method, "X-Own");
    request_destroy(request);
}

static void bounds_are_said_with_their_numbers(void **state)
{
    (void)state;
    struct wire_fetch fetch = a_get();
    fetch.max_body = config.max_body_bytes + 1;
    assert_refused(&fetch, FETCHPOOL_BAD_REQUEST,
                   "max_body is 16777217; this daemon allows at most");
    fetch = a_get();
    fetch.redirects = 51;
    assert_refused(&fetch, FETCHPOOL_BAD_REQUEST, "redirects is 51");
    fetch = a_get();
    fetch.timeout_ms = 0;
    assert_refused(&fetch, FETCHPOOL_BAD_REQUEST, "timeout must be at least 1 ms");
    fetch.timeout_ms = UINT64_MAX - 1;
    assert_refused(&fetch, FETCHPOOL_BAD_REQUEST, "timeout is more than a day");
}

static void what_a_policy_is_asked_about_is_what_will_be_sent(void **state)
{
    (void)state;
    struct wire_fetch fetch = a_get();
    fetch.url = wire_str_of("HTTPS://Example.com/a%2fb?q#f");
    fetch.method = wire_str_of("PUT");
    struct request *request = made(&fetch);
    struct policy_request question = request_question(request);
    assert_true(question.url.is_tls);
    assert_string_equal(question.url.host, "example.com");
    assert_int_equal(question.url.port, 443);
    assert_string_equal(question.url.path, "/a%2fb?q");
    assert_string_equal(question.url.method, "PUT");
    assert_false(question.is_tls_unverified);
    assert_null(question.proxy_scheme);
    request_destroy(request);
}

static void a_proxy_of_the_clients_choice_is_taken_apart(void **state)
{
    (void)state;
    struct wire_fetch fetch = a_get();
    fetch.tls.no_verify = true;
    fetch.proxy = wire_str_of("SOCKS5h://me:secret@P.example:1081");
    struct request *request = made(&fetch);
    struct policy_request question = request_question(request);
    assert_string_equal(request->proxy, "SOCKS5h://me:secret@P.example:1081");
    assert_true(question.is_tls_unverified);
    assert_string_equal(question.proxy_scheme, "socks5h");
    assert_string_equal(question.proxy_host, "p.example");
    assert_int_equal(question.proxy_port, 1081);
    request_destroy(request);
    const char *none[] = {"socks4://p", "p:1", "http://", "http:/p", "ftp://p", "http://p/\n"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
        fetch.proxy = wire_str_of(none[i]);
        assert_refused(&fetch, FETCHPOOL_BAD_REQUEST, "proxy must be");
    }
}

static void an_identity_has_one_name_and_another_has_another(void **state)
{
    (void)state;
    uint8_t salt[REQUEST_SALT_BYTES] = {1}, other_salt[REQUEST_SALT_BYTES] = {2};
    char names[4][REQUEST_IDENTITY_BYTES];
    struct wire_fetch fetch = a_get();
    fetch.tls.cert = wire_str_of("pem");
    fetch.tls.key = wire_str_of("key");
    struct request *request = made(&fetch), *same = made(&fetch);
    fetch.tls.key = wire_str_of("ke");
    fetch.tls.cert = wire_str_of("pemy");
    struct request *other = made(&fetch);
    assert_int_equal(request_identity(request, salt, names[0]), 0);
    assert_int_equal(request_identity(same, salt, names[1]), 0);
    assert_int_equal(request_identity(other, salt, names[2]), 0);
    assert_int_equal(request_identity(request, other_salt, names[3]), 0);
    assert_int_equal(strlen(names[0]), REQUEST_IDENTITY_BYTES - 1);
    assert_string_equal(names[0], names[1]);
    assert_string_not_equal(names[0], names[2]);
    assert_string_not_equal(names[0], names[3]);
    request_destroy(request);
    request_destroy(same);
    request_destroy(other);
}

static void credentials_that_hold_for_a_connection_are_known(void **state)
{
    (void)state;
    const struct {
        const char *name, *value;
        bool binds;
    } cases[] = {
        {"Authorization", "NTLM TlRMTVNTUAAB", true}, {"authorization", "negotiate YII", true},
        {"AUTHORIZATION", "Negotiate", true},         {"Authorization", "Kerberos\tx", true},
        {"Authorization", "Bearer NTLM", false},      {"Authorization", "NTLMv2 x", false},
        {"Authorization", "Basic Zm9v", false},       {"X-Authorization", "NTLM x", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wire_field field = {wire_str_of(cases[i].name), wire_str_of(cases[i].value)};
        struct wire_fetch fetch = a_get();
        fetch.fields = &field;
        fetch.field_count = 1;
        struct request *request = made(&fetch);
        assert_int_equal(request_binds_connection(request), cases[i].binds);
        request_destroy(request);
    }
}

static void certificates_and_keys_go_together_and_carry_an_identity(void **state)
{
    (void)state;
    struct wire_fetch fetch = a_get();
    fetch.tls.cert = wire_str_of("pem");
    assert_refused(&fetch, FETCHPOOL_BAD_REQUEST, "tls.cert and tls.key");
    fetch.tls.key = wire_str_of("pem");
    struct request *request = made(&fetch);
    assert_true(request_has_identity(request));
    request_destroy(request);
    fetch = a_get();
    request = made(&fetch);
    assert_false(request_has_identity(request));
    request_destroy(request);
    fetch.tls.server_name = wire_str_of("a b");
    assert_refused(&fetch, FETCHPOOL_BAD_REQUEST, "tls.server_name");
}

/* ---- Streams -------------------------------------------------------------------------------- */

static void a_stream_is_bounded_by_what_its_client_says(void **state)
{
    (void)state;
    struct wire_fetch fetch = a_get();
    fetch.stream = true;
    struct request *request = made(&fetch);
    assert_true(request->is_streamed);
    assert_false(request->has_upload);
    assert_int_equal(request->window_bytes, WIRE_DEFAULT_WINDOW);
    assert_true(request->max_body_bytes == WIRE_UNSET);
    request_destroy(request);
    fetch.window = 0;
    fetch.max_body = config.max_body_bytes + 1;
    request = made(&fetch);
    assert_int_equal(request->window_bytes, 0);
    assert_int_equal(request->max_body_bytes, config.max_body_bytes + 1);
    request_destroy(request);
    fetch.window = INT64_MAX;
    request_destroy(made(&fetch));
    fetch.window = (uint64_t)INT64_MAX + 1;
    assert_refused(&fetch, FETCHPOOL_BAD_REQUEST, "window is larger");
}

static void without_stream_a_window_has_no_effect(void **state)
{
    (void)state;
    struct wire_fetch fetch = a_get();
    fetch.window = 10;
    struct request *request = made(&fetch);
    assert_false(request->is_streamed);
    assert_int_equal(request->max_body_bytes, config.max_body_bytes);
    request_destroy(request);
}

static struct wire_fetch an_upload(void)
{
    struct wire_fetch fetch = a_get();
    fetch.method = wire_str_of("POST");
    fetch.upload = true;
    return fetch;
}

static void an_upload_may_have_any_method_that_has_a_body_and_any_length(void **state)
{
    (void)state;
    static const char *const methods[] = {"POST", "PUT", "PATCH", "DELETE", "GET", "X-Own"};
    static const uint64_t sizes[] = {WIRE_UNSET, 0, 1, INT64_MAX};
    struct wire_fetch fetch = an_upload();
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        fetch.method = wire_str_of(methods[i]);
        fetch.upload_size = sizes[i % 4];
        struct request *request = made(&fetch);
        assert_true(request->has_upload && !request->is_streamed && !request->body);
        assert_true(request->upload_size == sizes[i % 4]);
        request_destroy(request);
    }
}

static void an_upload_that_contradicts_itself_is_refused(void **state)
{
    (void)state;
    struct wire_fetch fetch = an_upload();
    fetch.body = wire_str_of("");
    assert_refused(&fetch, FETCHPOOL_BAD_REQUEST, "body and upload");
    fetch = an_upload();
    fetch.method = wire_str_of("HEAD");
    assert_refused(&fetch, FETCHPOOL_BAD_REQUEST, "upload: a HEAD request");
    fetch = an_upload();
    fetch.upload_size = (uint64_t)INT64_MAX + 1;
    assert_refused(&fetch, FETCHPOOL_BAD_REQUEST, "upload_size is larger");
    fetch = an_upload();
    fetch.upload = false;
    fetch.upload_size = 0;
    assert_refused(&fetch, FETCHPOOL_BAD_REQUEST, "upload_size is given without upload");
}

static void what_streams_has_the_timeout_of_streams_unless_it_names_one(void **state)
{
    (void)state;
    struct wire_fetch plain = a_get(), upload = an_upload(), stream = a_get();
    stream.stream = true;
    struct request *request = made(&plain);
    assert_int_equal(request->total_timeout_ms, config.total_timeout_ms);
    request_destroy(request);
    assert_int_not_equal(config.stream_timeout_ms, config.total_timeout_ms);
    for (size_t i = 0; i < 2; i++) {
        struct wire_fetch *fetch = i == 0 ? &upload : &stream;
        request = made(fetch);
        assert_int_equal(request->total_timeout_ms, config.stream_timeout_ms);
        request_destroy(request);
        fetch->timeout_ms = 5;
        request = made(fetch);
        assert_int_equal(request->total_timeout_ms, 5);
        request_destroy(request);
    }
}

/* ---- Redirects ------------------------------------------------------------------------------ */

static struct request *redirected(const char *method, unsigned status, const char *location)
{
    struct wire_field fields[] = {
        {wire_str_of("Authorization"), wire_str_of("secret")},
        {wire_str_of("Cookie"), wire_str_of("secret")},
        {wire_str_of("Content-Type"), wire_str_of("text/plain")},
        {wire_str_of("X"), wire_str_of("y")},
    };
    struct wire_fetch fetch = a_get();
    struct wire_why why = {""};
    fetch.method = wire_str_of(method);
    fetch.fields = fields;
    fetch.field_count = 4;
    if (strcmp(method, "HEAD") != 0)
        fetch.body = wire_str_of("body");
    fetch.redirects = 2;
    fetch.tls.server_name = wire_str_of("name");
    struct request *request = made(&fetch);
    assert_int_equal(request_redirect(request, status, wire_str_of(location), &config, &why), 0);
    assert_int_equal(request->redirects_left, 1);
    return request;
}

static bool has(const struct request *request, const char *name)
{
    return field_list_find(&request->fields, name).data != NULL;
}

static void credentials_stay_with_their_origin(void **state)
{
    (void)state;
    struct request *same = redirected("PUT", 307, "/y");
    assert_true(has(same, "Authorization") && has(same, "Cookie") && has(same, "X"));
    assert_non_null(same->tls_server_name);
    request_destroy(same);
    static const char *const others[] = {"https://b.example/", "http://a.example/x",
                                         "https://a.example:444/"};
    for (size_t i = 0; i < 3; i++) {
        struct request *other = redirected("PUT", 307, others[i]);
        assert_false(has(other, "Authorization") || has(other, "Cookie"));
        assert_true(has(other, "X"));
        assert_null(other->tls_server_name);
        request_destroy(other);
    }
}

static void methods_change_as_http_says(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        unsigned status;
        const char *becomes;
    } cases[] = {
        {"POST", 301, "GET"},  {"POST", 302, "GET"}, {"POST", 303, "GET"}, {"POST", 307, "POST"},
        {"POST", 308, "POST"}, {"PUT", 301, "PUT"},  {"PUT", 303, "GET"},  {"HEAD", 303, "HEAD"},
        {"GET", 302, "GET"},   {"X", 303, "GET"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct request *request = redirected(cases[i].method, cases[i].status, "/y");
        bool changes = strcmp(cases[i].method, cases[i].becomes) != 0;
        assert_string_equal(request->method, cases[i].becomes);
        if (changes)
            assert_true(!request->body && !has(request, "Content-Type"));
        else
            assert_true(has(request, "Content-Type"));
        request_destroy(request);
    }
}

static void an_upload_goes_where_a_body_would(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        unsigned status;
        bool keeps;
    } cases[] = {
        {"POST", 301, false}, {"POST", 302, false}, {"POST", 303, false}, {"PUT", 303, false},
        {"POST", 307, true},  {"POST", 308, true},  {"PUT", 301, true},   {"PUT", 302, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wire_fetch fetch = an_upload();
        struct wire_why why = {""};
        fetch.method = wire_str_of(cases[i].method);
        fetch.upload_size = 5;
        fetch.stream = true;
        fetch.redirects = 1;
        struct request *request = made(&fetch);
        assert_int_equal(request_redirect_loses_body(request, cases[i].status), !cases[i].keeps);
        assert_int_equal(
            request_redirect(request, cases[i].status, wire_str_of("/y"), &config, &why), 0);
        assert_int_equal(request->has_upload, cases[i].keeps);
        assert_string_equal(request->method, cases[i].keeps ? cases[i].method : "GET");
        assert_true(request->is_streamed);
        request_destroy(request);
    }
}

static void a_redirect_that_is_refused_changes_nothing(void **state)
{
    (void)state;
    struct wire_fetch fetch = a_get();
    struct wire_why why = {""};
    fetch.redirects = 1;
    fetch.method = wire_str_of("POST");
    fetch.upload = true;
    struct request *request = made(&fetch);
    assert_int_equal(request_redirect(request, 302, wire_str_of("file:///x"), &config, &why),
                     FETCHPOOL_BAD_REQUEST);
    assert_string_equal(request->url.text, "https://a.example/x");
    assert_string_equal(request->method, "POST");
    assert_true(request->has_upload);
    assert_int_equal(request->redirects_left, 1);
    request_destroy(request);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(framing_fields_are_refused_by_name),
        cmocka_unit_test(fields_that_would_break_the_request_are_refused),
        cmocka_unit_test(other_fields_keep_order_repeats_and_bytes),
        cmocka_unit_test(many_and_large_fields_are_refused_by_name),
        cmocka_unit_test(methods_are_tokens),
        cmocka_unit_test(bounds_are_said_with_their_numbers),
        cmocka_unit_test(what_a_policy_is_asked_about_is_what_will_be_sent),
        cmocka_unit_test(a_proxy_of_the_clients_choice_is_taken_apart),
        cmocka_unit_test(an_identity_has_one_name_and_another_has_another),
        cmocka_unit_test(credentials_that_hold_for_a_connection_are_known),
        cmocka_unit_test(certificates_and_keys_go_together_and_carry_an_identity),
        cmocka_unit_test(a_stream_is_bounded_by_what_its_client_says),
        cmocka_unit_test(without_stream_a_window_has_no_effect),
        cmocka_unit_test(an_upload_may_have_any_method_that_has_a_body_and_any_length),
        cmocka_unit_test(an_upload_that_contradicts_itself_is_refused),
        cmocka_unit_test(what_streams_has_the_timeout_of_streams_unless_it_names_one),
        cmocka_unit_test(credentials_stay_with_their_origin),
        cmocka_unit_test(methods_change_as_http_says),
        cmocka_unit_test(an_upload_goes_where_a_body_would),
        cmocka_unit_test(a_redirect_that_is_refused_changes_nothing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
