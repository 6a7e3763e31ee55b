/* The configuration: defaults, values, and the sentence for what is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config.h"
#include "config_show.h"
#include "config_value.h"
#include "log.h"

static int load(struct config *config, const char *text, struct config_error *error)
{
    char path[] = "/tmp/fetchpool-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    int result = config_load(config, path, error);
    unlink(path);
    return result;
}

static void every_default_is_within_its_own_bounds(void **state)
{
    (void)state;
    struct config config;
    assert_int_equal(config_init(&config), 0);
    assert_int_equal(config.max_body_bytes, 16 << 20);
    assert_int_equal(config.drain_timeout_ms, 30000);
    assert_int_equal(config.queue_timeout_ms, 30000);
    assert_int_equal(config.pool_idle_timeout_ms, 55000);
    assert_int_equal(config.connections_per_origin, 256);
    assert_int_equal(config.retry_budget_percent, 20);
    assert_int_equal(config.clients_per_user, 2048);
    assert_int_equal(config.origin_count, 0);
    assert_int_equal(config.stream_timeout_ms, 24 * 3600 * 1000);
    assert_int_equal(config.client_stall_timeout_ms, 60000);
    assert_int_equal(config.expect_timeout_ms, 1000);
    assert_int_equal(config.frame_timeout_ms, 30000);
    assert_int_equal(config.upload_window_bytes, 256 << 10);
    assert_int_equal(config.paused_memory_bytes, 64 << 20);
    assert_int_equal(config.paused_memory_total_bytes, 256 << 20);
    assert_false(config.allow_insecure);
    assert_null(config.ca_file);
    config_finish(&config);
}

static void a_file_changes_what_it_names_and_nothing_else(void **state)
{
    (void)state;
    struct config config;
    struct config_error error;
    config_init(&config);
    assert_int_equal(load(&config,
                          "; a comment\n[limits]\nmax_body = 1GiB\n\n[tls]\n"
                          "ca_file = /etc/ssl/certs/ca-certificates.crt\nallow_insecure = yes\n"
                          "[timeouts]\ndrain = 0\nconnect = 1500ms\nexpect = 0\n"
                          "[daemon]\nlog_level = debug\n",
                          &error),
                     0);
    assert_int_equal(config.max_body_bytes, (uint64_t)1 << 30);
    assert_string_equal(config.ca_file, "/etc/ssl/certs/ca-certificates.crt");
    assert_true(config.allow_insecure);
    assert_int_equal(config.drain_timeout_ms, 0);
    assert_int_equal(config.connect_timeout_ms, 1500);
    assert_int_equal(config.expect_timeout_ms, 0);
    assert_int_equal(config.total_timeout_ms, 300000);
    assert_int_equal(config.log_level, LOG_LEVEL_DEBUG);
    config_finish(&config);
}

static void what_is_wrong_is_said_with_its_line_and_changes_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *sentence;
    } cases[] = {
        {"[limits]\nmax_bdy = 1\n",
         ":2: unknown key \"max_bdy\" in [limits]; expected one of max_message, max_body, "},
        {"[limits]\nmax_bdy = 1\n", ", max_name, max_pem"}, /* all of them are named */
        {"[timeouts]\nclient_stall = 0\n", ":2: [timeouts] client_stall = 0: expected 1ms to 1d"},
        {"[timeouts]\nframe = 2h\n", ":2: [timeouts] frame = 2h: expected 1ms to 1h"},
        {"[limits]\nupload_window = 1KiB\n",
         ":2: [limits] upload_window = 1KiB: expected 4KiB to 16MiB"},
        {"[limits]\npaused_memory = 0\n", ":2: [limits] paused_memory = 0: expected 1MiB to 64GiB"},
        {"[limit]\nx = 1\n",
         ":2: unknown section [limit]; expected one of daemon, pool, timeouts, limits, tls, proxy"},
        {"\n\n[limits]\nmax_body = many\n",
         ":4: [limits] max_body = many: expected a size such as"},
        {"[limits]\nmax_body = 2GiB\n", ":2: [limits] max_body = 2GiB: expected 1 to 1GiB"},
        {"[limits]\nmax_body = -1\n", ":2: [limits] max_body = -1: expected a size"},
        {"[limits]\nmax_body =\n", ":2: [limits] max_body = : expected a size"},
        {"[timeouts]\ntotal = 10\n", ":2: [timeouts] total = 10: expected a duration such as"},
        {"[timeouts]\ntotal = 99999999999999999999s\n", ": expected a duration"},
        {"[tls]\nallow_insecure = maybe\n", ":2: [tls] allow_insecure = maybe: expected yes or no"},
        {"[tls]\nca_file =\n", ":2: [tls] ca_file = : expected a file of certificates in PEM"},
        {"[tls]\nca_file = /nonexistent.pem\n", "expected a file of certificates in PEM that can"},
        {"[tls]\nca_file = /etc/passwd\n", "expected a file of certificates in PEM that can be"},
        {"[proxy]\nurl = nope\n", ":2: [proxy] url = nope: expected an http://, https:// or"},
        {"[daemon]\nsocket =\n", ":2: [daemon] socket = : expected a text that is not empty"},
        {"[daemon]\nlog_level = loud\n", "expected error, warning, notice, info or debug"},
        {"[pool]\nidle_timeout = 5s\nidle_timeout = 6s\n",
         ":3: [pool] idle_timeout is given twice"},
        {"[pool]\nnonsense\n", ":2: expected [section], name = value or ; comment"},
        {"max_body = 1\n", ":1: \"max_body\" stands before any section"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct config config;
        struct config_error error;
        config_init(&config);
        assert_true(load(&config, cases[i].text, &error) < 0);
        if (!strstr(error.text, cases[i].sentence))
            fail_msg("case %zu: \"%s\"", i, error.text);
        assert_int_equal(config.max_body_bytes, 16 << 20);
        config_finish(&config);
    }
}

/* ---- Bounds of each key --------------------------------------------------------------------- */

static bool is_number(const struct config_key *key)
{
    return key->type == CONFIG_COUNT || key->type == CONFIG_BYTES || key->type == CONFIG_DURATION;
}

static uint64_t number_of(const struct config *config, const struct config_key *key)
{
    return *(const uint64_t *)((const char *)config + key->offset);
}

/* One key with one number, in the unit that all numbers of its type can have. */
static int load_number(struct config *config, const struct config_key *key, uint64_t number,
                       struct config_error *error)
{
    char text[200];
    snprintf(text, sizeof text, "[%s]\n%s = %llu%s\n", key->section, key->name,
             (unsigned long long)number, key->type == CONFIG_DURATION ? "ms" : "");
    return load(config, text, error);
}

static void check_bounds(const struct config_key *key)
{
    struct config config;
    struct config_error error;
    config_init(&config);
    uint64_t preset = number_of(&config, key);
    assert_in_range(preset, key->least, key->most);
    if (key->least > 0 && load_number(&config, key, key->least - 1, &error) == 0)
        fail_msg("%s takes less than its least", key->name);
    if (load_number(&config, key, key->most + 1, &error) == 0)
        fail_msg("%s takes more than its most", key->name);
    assert_non_null(strstr(error.text, ": expected "));
    assert_int_equal(number_of(&config, key), preset);
    assert_int_equal(load_number(&config, key, key->least, &error), 0);
    assert_int_equal(number_of(&config, key), key->least);
    assert_int_equal(load_number(&config, key, key->most, &error), 0);
    assert_int_equal(number_of(&config, key), key->most);
    config_finish(&config);
}

static void every_number_is_taken_within_its_bounds_and_not_beyond(void **state)
{
    (void)state;
    size_t count = 0;
    for (size_t i = 0; i < config_key_count; i++) {
        if (is_number(&config_keys[i])) {
            check_bounds(&config_keys[i]);
            count++;
        }
    }
    assert_true(count > 30);
}

/* No two keys set the same member. */
static void every_key_has_a_place_and_a_name_of_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < config_key_count; i++) {
        for (size_t j = 0; j < i; j++) {
            const struct config_key *a = &config_keys[i], *b = &config_keys[j];
            assert_int_not_equal(a->offset, b->offset);
            assert_true(strcmp(a->section, b->section) != 0 || strcmp(a->name, b->name) != 0);
        }
    }
}

/* ---- Sections of origins -------------------------------------------------------------------- */

/* inih cuts the names of sections at 49 bytes. */
#define LONG_ORIGIN                                                                                \
    "https://a-very-long-name-of-a-host-with-more-than-49-bytes.region-1.cloud.example.com:8443"

static void origins_have_sections_of_their_own(void **state)
{
    (void)state;
    struct config config;
    struct config_error error;
    config_init(&config);
    if (load(&config,
             "[origin \"" LONG_ORIGIN "\"] ; a comment\nwarm = 2\n"
             "[limits]\nmax_body = 3MiB\n"
             "[origin \"" LONG_ORIGIN "1\"]\nwarm_path = /health?of=all\nwarm = 100\n"
             "[origin \"http://[::1]:80\"]\nwarm = 0\n",
             &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(config.origin_count, 3);
    assert_string_equal(config.origins[0].name, LONG_ORIGIN);
    assert_int_equal(config.origins[0].warm, 2);
    assert_string_equal(config.origins[0].warm_path, "/");
    assert_string_equal(config.origins[1].name, LONG_ORIGIN "1");
    assert_int_equal(config.origins[1].warm, 100);
    assert_string_equal(config.origins[1].warm_path, "/health?of=all");
    assert_string_equal(config.origins[2].name, "http://[::1]:80");
    assert_int_equal(config.origins[2].warm, 0);
    assert_int_equal(config.max_body_bytes, 3 << 20);
    config_finish(&config);
    assert_int_equal(config.origin_count, 0);
}

static void a_section_may_be_continued_further_down(void **state)
{
    (void)state;
    struct config config;
    struct config_error error;
    config_init(&config);
    assert_int_equal(load(&config,
                          "[origin \"https://a.example\"]\nwarm = 2\n"
                          "[origin \"https://b.example\"]\nwarm = 3\n"
                          "[origin \"https://A.example\"]\nwarm_path = /ping\n"
                          "[origin \"https://c.example\"]\n",
                          &error),
                     0);
    assert_int_equal(config.origin_count, 2); /* nothing is said of the last */
    assert_int_equal(config.origins[0].warm, 2);
    assert_string_equal(config.origins[0].warm_path, "/ping");
    assert_int_equal(config.origins[1].warm, 3);
    config_finish(&config);
}

#define SECTION "[origin \"https://a.example\"]\n"

static void what_is_wrong_in_an_origins_section_is_said_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *sentence;
    } cases[] = {
        {SECTION "cold = 1\n",
         ":2: unknown key \"cold\" in [origin]; expected one of warm, warm_path"},
        {SECTION "warm = 1\nwarm = 2\n", ":3: [origin] warm is given twice"},
        {SECTION "warm = 1\n" SECTION "warm = 2\n", ":4: [origin] warm is given twice"},
        {SECTION "warm = 101\n", ":2: [origin] warm = 101: expected 0 to 100"},
        {SECTION "warm = -1\n", ":2: [origin] warm = -1: expected a whole number"},
        {SECTION "warm =\n", ":2: [origin] warm = : expected a whole number"},
        {SECTION "warm_path = ping\n",
         ":2: [origin] warm_path = ping: expected a path that begins with / and has no blanks"},
        {SECTION "warm_path = /a b\n", ": expected a path that begins with /"},
        {SECTION "warm_path = /#top\n", ": expected a path that begins with /"},
        {SECTION "warm_path = /a\\b\n", ": expected a path that begins with /"},
        {SECTION "warm_path =\n", ": expected a path that begins with /"},
        {"[origin \"https://\"]\nwarm = 1\n",
         "]: expected [origin \"https://HOST\"] with scheme, host and, if need be, port"},
        {"[origin \"a.example\"]\nwarm = 1\n", ":2: [origin \"a.example\"]: expected [origin "},
        {"[origin \"ftp://a.example\"]\nwarm = 1\n", "]: expected [origin "},
        {"[origin \"https://a.example/\"]\nwarm = 1\n", "]: expected [origin "},
        {"[origin \"https://a.example?x\"]\nwarm = 1\n", "]: expected [origin "},
        {"[origin \"https://me@a.example\"]\nwarm = 1\n", "]: expected [origin "},
        {"[origin \"https://a b\"]\nwarm = 1\n", "]: expected [origin "},
        {"[origin https://a.example]\nwarm = 1\n", "]: expected [origin "},
        {"[origin]\nwarm = 1\n", ":2: [origin]: expected [origin "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct config config;
        struct config_error error;
        config_init(&config);
        assert_true(load(&config, cases[i].text, &error) < 0);
        if (!strstr(error.text, cases[i].sentence))
            fail_msg("case %zu: \"%s\"", i, error.text);
        assert_int_equal(config.origin_count, 0);
        config_finish(&config);
    }
}

static void a_file_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct config config;
    struct config_error error;
    config_init(&config);
    assert_true(config_load(&config, "/nonexistent/f.conf", &error) < 0);
    assert_string_equal(error.text, "/nonexistent/f.conf: No such file or directory");
    config_finish(&config);
}

static void what_is_shown_can_be_read_again(void **state)
{
    (void)state;
    struct config config, again;
    struct config_error error;
    char text[8192] = "";
    config_init(&config);
    config_init(&again);
    assert_int_equal(load(&config,
                          "[limits]\nmax_body = 3MiB\n[pool]\nlifetime = 90s\n"
                          "[origin \"" LONG_ORIGIN "\"]\nwarm = 4\n"
                          "[origin \"http://b.example\"]\nwarm_path = /b\n",
                          &error),
                     0);
    FILE *out = fmemopen(text, sizeof text, "w");
    config_show(out, &config);
    fclose(out);
    assert_non_null(strstr(text, "max_body = 3MiB\n"));
    assert_non_null(strstr(text, "lifetime = 90s\n"));
    assert_non_null(strstr(text, "\n[origin \"" LONG_ORIGIN "\"]\nwarm = 4\nwarm_path = /\n"
                                 "\n[origin \"http://b.example\"]\nwarm = 0\nwarm_path = /b\n"));
    if (load(&again, text, &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(again.max_body_bytes, 3 << 20);
    assert_int_equal(again.pool_lifetime_ms, 90000);
    assert_int_equal(again.origin_count, 2);
    assert_string_equal(again.origins[0].name, LONG_ORIGIN);
    assert_int_equal(again.origins[0].warm, 4);
    assert_string_equal(again.origins[1].warm_path, "/b");
    config_finish(&config);
    config_finish(&again);
}

static void numbers_with_units_are_taken_whole_or_not_at_all(void **state)
{
    (void)state;
    uint64_t number = 77;
    assert_true(config_value_bytes("64KiB", &number) && number == 65536);
    assert_true(config_value_bytes("64 KiB", &number) && number == 65536);
    assert_true(config_value_duration("2d", &number) && number == 172800000);
    number = 77;
    assert_false(config_value_bytes("64kb", &number));
    assert_false(config_value_bytes("0x40", &number));
    assert_false(config_value_bytes("+1", &number));
    assert_false(config_value_bytes("18446744073709551616", &number));
    assert_false(config_value_bytes("17179869184GiB", &number));
    assert_false(config_value_count("5KiB", &number));
    assert_false(config_value_duration("", &number));
    assert_int_equal(number, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_default_is_within_its_own_bounds),
        cmocka_unit_test(a_file_changes_what_it_names_and_nothing_else),
        cmocka_unit_test(what_is_wrong_is_said_with_its_line_and_changes_nothing),
        cmocka_unit_test(every_number_is_taken_within_its_bounds_and_not_beyond),
        cmocka_unit_test(every_key_has_a_place_and_a_name_of_its_own),
        cmocka_unit_test(origins_have_sections_of_their_own),
        cmocka_unit_test(a_section_may_be_continued_further_down),
        cmocka_unit_test(what_is_wrong_in_an_origins_section_is_said_with_its_line),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
        cmocka_unit_test(what_is_shown_can_be_read_again),
        cmocka_unit_test(numbers_with_units_are_taken_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
