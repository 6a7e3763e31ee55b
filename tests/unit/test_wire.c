/* Messages: what one side encodes the other decodes, and what is wrong is named. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "buffer.h"
#include "fetchpool_wire.h"
#include "table.h"

static struct buffer buffer_of(void)
{
    struct buffer buffer;
    buffer_init(&buffer, 1 << 20);
    return buffer;
}

static void open_message(struct wire_message *message, const struct buffer *buffer)
{
    struct wire_why why;
    assert_int_equal(buffer->error, 0);
    assert_int_equal(wire_message_open(message, buffer->data, buffer->length, &why), 0);
}

static bool same(struct wire_str str, const char *text)
{
    return wire_str_is(str, text);
}

/* ---- fetch ---------------------------------------------------------------------------------- */

static void a_fetch_with_every_key_comes_back_the_same(void **state)
{
    (void)state;
    struct wire_field fields[] = {{{"A", 1}, {"1", 1}}, {{"a", 1}, {"", 0}}, {{"A", 1}, {"1", 1}}};
    struct wire_fetch sent, got;
    struct wire_message message;
    struct wire_why why;
    struct buffer buffer = buffer_of();
    wire_fetch_init(&sent);
    sent.url = wire_str_of("https://example.com/");
    sent.method = wire_str_of("POST");
    sent.fields = fields;
    sent.field_count = 3;
    sent.body = (struct wire_str){"\0\xff", 2};
    sent.max_body = 1;
    sent.timeout_ms = 2;
    sent.queue_timeout_ms = 3;
    sent.connect_timeout_ms = 4;
    sent.first_byte_timeout_ms = 5;
    sent.idle_timeout_ms = (uint64_t)1 << 40;
    sent.redirects = 0;
    sent.decompress = true;
    sent.http = WIRE_HTTP_2;
    sent.retry = WIRE_RETRY_ALWAYS;
    sent.tls = (struct wire_tls){{"ca", 2}, {"cert", 4}, {"key", 3}, {"name", 4}, true};
    sent.proxy = wire_str_of("http://p");
    sent.tag = wire_str_of("t");
    assert_true(wire_fetch_encode(&buffer, UINT32_MAX, &sent) > 0);

    open_message(&message, &buffer);
    assert_int_equal(message.kind, WIRE_REQUEST);
    assert_int_equal(message.id, UINT32_MAX);
    assert_true(same(message.method, "fetch"));
    assert_int_equal(wire_fetch_decode(&got, message.params, &why), 0);
    assert_true(same(got.url, "https://example.com/") && same(got.method, "POST"));
    assert_int_equal(got.field_count, 3);
    assert_true(same(got.fields[1].name, "a") && got.fields[1].value.length == 0);
    assert_int_equal(got.body.length, 2);
    assert_memory_equal(got.body.data, "\0\xff", 2);
    assert_int_equal(got.max_body, 1);
    assert_int_equal(got.timeout_ms, 2);
    assert_int_equal(got.queue_timeout_ms, 3);
    assert_int_equal(got.connect_timeout_ms, 4);
    assert_int_equal(got.first_byte_timeout_ms, 5);
    assert_int_equal(got.idle_timeout_ms, (uint64_t)1 << 40);
    assert_int_equal(got.redirects, 0);
    assert_true(got.decompress && got.http == WIRE_HTTP_2 && got.retry == WIRE_RETRY_ALWAYS);
    assert_true(same(got.tls.ca, "ca") && same(got.tls.cert, "cert") && same(got.tls.key, "key"));
    assert_true(same(got.tls.server_name, "name") && got.tls.no_verify);
    assert_true(same(got.proxy, "http://p") && same(got.tag, "t"));
    wire_fetch_finish(&got);
    wire_message_close(&message);
    buffer_finish(&buffer);
}

static void a_timeout_is_shortened_and_nothing_else(void **state)
{
    static const uint64_t timeouts[] = {1,     127,        128,
                                        255,   256,        65535,
                                        65536, UINT32_MAX, (uint64_t)UINT32_MAX + 1};
    (void)state;
    for (size_t i = 0; i < sizeof timeouts / sizeof timeouts[0]; i++) {
        for (uint64_t less = timeouts[i]; less > 0; less /= 2) {
            struct wire_fetch sent, got;
            struct wire_message message;
            struct wire_why why;
            struct buffer buffer = buffer_of();
            wire_fetch_init(&sent);
            sent.url = wire_str_of("http://a/timeout");
            sent.body = wire_str_of("\xa7timeout\x01");
            sent.timeout_ms = timeouts[i];
            sent.queue_timeout_ms = 77;
            wire_fetch_shorten(&buffer, wire_fetch_encode(&buffer, 1, &sent), less);
            open_message(&message, &buffer);
            assert_int_equal(wire_fetch_decode(&got, message.params, &why), 0);
            assert_int_equal(got.timeout_ms, less);
            assert_int_equal(got.queue_timeout_ms, 77);
            assert_true(same(got.url, "http://a/timeout") && same(got.body, "\xa7timeout\x01"));
            wire_fetch_finish(&got);
            wire_message_close(&message);
            buffer_finish(&buffer);
        }
    }
}

static void a_fetch_with_a_url_alone_has_every_default(void **state)
{
    (void)state;
    struct wire_fetch sent, got;
    struct wire_message message;
    struct wire_why why;
    struct buffer buffer = buffer_of();
    wire_fetch_init(&sent);
    sent.url = wire_str_of("http://a/");
    assert_int_equal(wire_fetch_encode(&buffer, 0, &sent), 0);
    wire_fetch_shorten(&buffer, 0, 1); /* does nothing */
    open_message(&message, &buffer);
    assert_int_equal(wire_fetch_decode(&got, message.params, &why), 0);
    assert_null(got.method.data);
    assert_null(got.body.data);
    assert_int_equal(got.max_body, WIRE_UNSET);
    assert_int_equal(got.timeout_ms, WIRE_UNSET);
    assert_int_equal(got.redirects, WIRE_UNSET);
    assert_int_equal(got.http, WIRE_HTTP_AUTO);
    assert_int_equal(got.retry, WIRE_RETRY_SAFE);
    assert_false(got.decompress || got.tls.no_verify);
    wire_fetch_finish(&got);
    wire_message_close(&message);
    buffer_finish(&buffer);
}

/* Decodes params given as bytes; returns the result and fills the reason. */
static int decode(const char *bytes, size_t length, struct wire_why *why)
{
    struct buffer buffer = buffer_of();
    struct wire_message message;
    struct wire_fetch fetch;
    buffer_append(&buffer,
                  "\x94\x00\x01\xa5"
                  "fetch",
                  9);
    buffer_append(&buffer, bytes, length);
    why->text[0] = '\0';
    open_message(&message, &buffer);
    int result = wire_fetch_decode(&fetch, message.params, why);
    if (result == 0)
        wire_fetch_finish(&fetch);
    wire_message_close(&message);
    buffer_finish(&buffer);
    return result;
}

#define ASSERT_REFUSED(bytes, sentence)                                                            \
    do {                                                                                           \
        struct wire_why why;                                                                       \
        assert_int_equal(decode(bytes, sizeof bytes - 1, &why), -EINVAL);                          \
        assert_string_equal(why.text, sentence);                                                   \
    } while (0)

#define URL "\xa3url\xa8http://a"

static void what_is_wrong_with_a_fetch_is_named(void **state)
{
    (void)state;
    ASSERT_REFUSED("\x90", "url is missing");
    ASSERT_REFUSED("\x91\x90", "url is missing");
    ASSERT_REFUSED("\x91\x80", "url is missing");
    ASSERT_REFUSED("\xc0", "params must be an array of at most one map");
    ASSERT_REFUSED("\x92\x80\x80", "params must be an array of at most one map");
    ASSERT_REFUSED("\x91\x01", "params must hold a map, not an integer");
    ASSERT_REFUSED("\x91\x81\xa3url\x05", "url must be a string, not an integer");
    ASSERT_REFUSED("\x91\x82" URL "\xa7timeout\xff",
                   "timeout must be an unsigned integer, not a negative integer");
    ASSERT_REFUSED("\x91\x82" URL "\xa7timeout\xa1x",
                   "timeout must be an unsigned integer, not a string");
    ASSERT_REFUSED("\x91\x82" URL "\xa4http\xa1"
                   "3",
                   "http must be \"auto\", \"1.1\" or \"2\", not \"3\"");
    ASSERT_REFUSED("\x91\x82" URL "\xa5retry\x01", "retry must be a string, not an integer");
    ASSERT_REFUSED("\x91\x82" URL "\xa7headers\x01",
                   "headers must be an array of pairs or a map, not an integer");
    ASSERT_REFUSED("\x91\x82" URL "\xa7headers\x91\x91\xa1x",
                   "headers[0] must be a name and a value, both strings");
    ASSERT_REFUSED("\x91\x82" URL "\xa7headers\x92\x92\xa1x\xa1y\x92\xa1x\x01",
                   "headers[1] must be a name and a value, both strings");
    ASSERT_REFUSED("\x91\x82" URL "\xa3tls\x81\xa6verify\x01",
                   "tls.verify must be true or false, not an integer");
    ASSERT_REFUSED("\x91\x82" URL "\xa3tls\xa1x", "tls must be a map, not a string");
    ASSERT_REFUSED("\x91\x82" URL "\xa6stream\x01", "stream must be true or false, not an integer");
    ASSERT_REFUSED("\x91\x82" URL "\xa6window\xc3",
                   "window must be an unsigned integer, not a boolean");
}

static void what_says_nothing_new_is_accepted(void **state)
{
    (void)state;
    struct wire_why why;
#define ASSERT_TAKEN(bytes) assert_int_equal(decode(bytes, sizeof bytes - 1, &why), 0)
    ASSERT_TAKEN("\x91\x82" URL "\xa7unknown\x01");
    ASSERT_TAKEN("\x91\x82" URL "\xa7timeout\xc0"); /* nil is absent */
    ASSERT_TAKEN("\x91\x82" URL "\xa3tls\x90");     /* an empty array is an empty map */
    ASSERT_TAKEN("\x91\x82" URL "\xa7headers\x80");
    ASSERT_TAKEN("\x91\x82" URL "\xa7headers\x81\xa1x\xa1y");
    ASSERT_TAKEN("\x91\x82" URL "\xa6stream\xc2");
    ASSERT_TAKEN("\x91\x81\xc4\x03url\xc4\x08http://a"); /* bin for str, keys too */
    ASSERT_TAKEN("\x91\x83" URL "\xa7headers\x81\xa1x\xa1y\xa7headers\x81\xa1x\xa1z"); /* twice */
}

/* ---- The answer ----------------------------------------------------------------------------- */

static void a_response_comes_back_the_same(void **state)
{
    (void)state;
    const struct wire_field fields[] = {{{"x", 1}, {"1", 1}}, {{"x", 1}, {"2", 1}}};
    struct wire_response sent = {
        .status = 404,
        .fields = fields,
        .field_count = 2,
        .body = {"b\0dy", 4},
        .http = wire_str_of("2"),
        .url = wire_str_of("https://a/"),
        .redirects = 3,
        .connection = {7, true, 9, 11, {"1.2.3.4:5", 9}},
        .timing = {1, 2, 3, 4, 5, 6},
    };
    struct wire_response got;
    struct wire_message message;
    struct buffer buffer = buffer_of();
    wire_response_encode(&buffer, 5, &sent);
    open_message(&message, &buffer);
    assert_int_equal(message.kind, WIRE_RESPONSE);
    assert_int_equal(message.id, 5);
    assert_int_equal(fetchpool_value_type(message.error), FETCHPOOL_NIL);
    assert_int_equal(wire_response_decode(&got, message.result), 0);
    assert_int_equal(got.status, 404);
    assert_int_equal(got.field_count, 2);
    assert_true(same(got.fields[1].value, "2"));
    assert_int_equal(got.body.length, 4);
    assert_memory_equal(got.body.data, "b\0dy", 4);
    assert_true(same(got.http, "2") && same(got.url, "https://a/"));
    assert_int_equal(got.redirects, 3);
    assert_int_equal(got.connection.id, 7);
    assert_true(got.connection.is_reused && same(got.connection.peer, "1.2.3.4:5"));
    assert_int_equal(got.connection.requests, 9);
    assert_int_equal(got.connection.age_ms, 11);
    assert_memory_equal(&got.timing, &sent.timing, sizeof sent.timing);
    wire_response_finish(&got);
    wire_message_close(&message);
    buffer_finish(&buffer);
}

/* Packs one field and says whether its value went out as bin. */
static bool goes_as_bin(const char *bytes)
{
    const struct wire_field field = {{"x", 1}, wire_str_of(bytes)};
    struct wire_response sent = {.status = 200, .fields = &field, .field_count = 1};
    struct buffer buffer = buffer_of();
    wire_response_encode(&buffer, 0, &sent);
    const uint8_t *name = memmem(buffer.data, buffer.length, "\x92\xa1x", 3);
    assert_non_null(name);
    bool is_bin = name[3] == 0xc4;
    buffer_finish(&buffer);
    return is_bin;
}

static void values_that_are_not_utf8_go_as_bin(void **state)
{
    (void)state;
    static const char *const good[] = {"",
                                       "abc",
                                       "\xc3\xa4",
                                       "\xe2\x82\xac",
                                       "\xf0\x9f\x98\x80",
                                       "\xed\x9f\xbf",
                                       "\xf4\x8f\xbf\xbf"};
    static const char *const bad[] = {"\xff",
                                      "\x80",
                                      "a\xc3",
                                      "\xc0\x80",
                                      "\xe0\x80\x80",
                                      "\xed\xa0\x80",
                                      "\xf0\x80\x80\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xe2\x82",
                                      "\xc3(",
                                      "\xf5\x80\x80\x80"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_false(goes_as_bin(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_true(goes_as_bin(bad[i]));
}

static void an_error_comes_back_the_same_and_a_malformed_one_is_still_an_error(void **state)
{
    (void)state;
    struct wire_message message;
    struct buffer buffer = buffer_of();
    struct wire_str text;
    int code;
    wire_put_error(&buffer, 1, 103, "no");
    open_message(&message, &buffer);
    wire_error_read(message.error, &code, &text);
    assert_int_equal(code, 103);
    assert_true(same(text, "no"));
    wire_error_read(message.result, &code, &text); /* nil instead of an error */
    assert_int_equal(code, FETCHPOOL_INTERNAL);
    assert_non_null(text.data);
    wire_message_close(&message);
    buffer_finish(&buffer);
}

/* ---- Envelope ------------------------------------------------------------------------------- */

static void what_is_no_envelope_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t length;
    } cases[] = {
        {"\x90", 1},                                                   /* nothing */
        {"\x94\x03\x01\xa1x\x90", 6},                                  /* no such type */
        {"\x94\x00\xff\xa1x\x90", 6},                                  /* a negative id */
        {"\x94\x00\xcf\x00\x00\x00\x01\x00\x00\x00\x00\xa1x\x90", 14}, /* of 33 bits */
        {"\x93\x00\x01\xa1x", 5},                                      /* no params */
        {"\x94\x00\x01\x05\x90", 5},      /* a method that is a number */
        {"\x94\x02\x01\xa1x\x90", 6},     /* a notification with an id */
        {"\x94\xa1\x30\x01\xa1x\x90", 7}, /* a type that is a string */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wire_message message;
        struct wire_why why = {""};
        assert_int_equal(wire_message_open(&message, (const uint8_t *)cases[i].bytes,
                                           cases[i].length, &why),
                         -EBADMSG);
        assert_true(why.text[0] != '\0');
    }
}

static void a_sentence_shows_no_byte_that_could_steer_a_terminal(void **state)
{
    (void)state;
    struct wire_why why;
    assert_int_equal(wire_why_set(&why, "%s", "a\x1b[2J\n\xff z"), -EINVAL);
    assert_string_equal(why.text, "a?[2J?? z");
}

/* ---- Buffer and table ----------------------------------------------------------------------- */

static void an_append_beyond_the_limit_changes_nothing_and_is_remembered(void **state)
{
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 4);
    assert_int_equal(buffer_append(&buffer, "abc", 3), 0);
    assert_int_equal(buffer_append(&buffer, "de", 2), -EMSGSIZE);
    assert_int_equal(buffer.length, 3);
    assert_int_equal(buffer.error, -EMSGSIZE);
    buffer_truncate(&buffer, 1);
    assert_int_equal(buffer.error, 0);
    assert_int_equal(buffer_append(&buffer, "bcd", 3), 0);
    buffer_consume(&buffer, 1);
    assert_memory_equal(buffer.data, "bcd", 3);
    buffer_consume(&buffer, 3);
    assert_null(buffer.data);
}

static void a_list_of_maps_is_an_aligned_table(void **state)
{
    (void)state;
    struct buffer bytes = buffer_of(), text = buffer_of();
    struct wire_message message;
    wire_put_result(&bytes, 0);
    wire_put_array(&bytes, 2);
    for (uint64_t i = 9; i <= 10; i++) {
        wire_put_map(&bytes, 3);
        wire_put_text(&bytes, "id");
        wire_put_unsigned(&bytes, i);
        wire_put_text(&bytes, "who");
        wire_put_text(&bytes, i == 9 ? "a\nb" : "longer");
        wire_put_text(&bytes, "on");
        wire_put_boolean(&bytes, i == 9);
    }
    open_message(&message, &bytes);
    table_render(&text, message.result);
    buffer_append(&text, "", 1);
    assert_string_equal((char *)text.data, "id  who     on\n"
                                           " 9  a?b     yes\n"
                                           "10  longer  no\n");
    wire_message_close(&message);
    buffer_finish(&bytes);
    buffer_finish(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fetch_with_every_key_comes_back_the_same),
        cmocka_unit_test(a_fetch_with_a_url_alone_has_every_default),
        cmocka_unit_test(a_timeout_is_shortened_and_nothing_else),
        cmocka_unit_test(what_is_wrong_with_a_fetch_is_named),
        cmocka_unit_test(what_says_nothing_new_is_accepted),
        cmocka_unit_test(a_response_comes_back_the_same),
        cmocka_unit_test(values_that_are_not_utf8_go_as_bin),
        cmocka_unit_test(an_error_comes_back_the_same_and_a_malformed_one_is_still_an_error),
        cmocka_unit_test(what_is_no_envelope_is_refused),
        cmocka_unit_test(a_sentence_shows_no_byte_that_could_steer_a_terminal),
        cmocka_unit_test(an_append_beyond_the_limit_changes_nothing_and_is_remembered),
        cmocka_unit_test(a_list_of_maps_is_an_aligned_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
