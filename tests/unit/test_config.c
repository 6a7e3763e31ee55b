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
    assert_int_equal(load(&config, "[limits]\nmax_body = 3MiB\n[pool]\nlifetime = 90s\n", &error),
                     0);
    FILE *out = fmemopen(text, sizeof text, "w");
    config_show(out, &config);
    fclose(out);
    assert_non_null(strstr(text, "max_body = 3MiB\n"));
    assert_non_null(strstr(text, "lifetime = 90s\n"));
    if (load(&again, text, &error) < 0)
        fail_msg("%s", error.text);
    assert_int_equal(again.max_body_bytes, 3 << 20);
    assert_int_equal(again.pool_lifetime_ms, 90000);
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
        cmocka_unit_test(a_file_that_is_not_there_is_named),
        cmocka_unit_test(what_is_shown_can_be_read_again),
        cmocka_unit_test(numbers_with_units_are_taken_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
