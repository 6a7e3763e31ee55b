/* In what two configurations differ, and what of it only a start can change. */
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
#include "config_compare.h"

static void load(struct config *config, const char *text)
{
    char path[] = "/tmp/fetchpool-test-XXXXXX";
    struct config_error error;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    assert_int_equal(config_init(config), 0);
    int result = config_load(config, path, &error);
    unlink(path);
    if (result < 0)
        fail_msg("%s", error.text);
}

static void assert_texts(char *const *texts, size_t count, const char *const *expected)
{
    size_t i = 0;
    for (; i < count && expected[i]; i++)
        assert_string_equal(texts[i], expected[i]);
    if (i < count || expected[i])
        fail_msg("%zu texts, the next is \"%s\"", count, i < count ? texts[i] : expected[i]);
}

#define NONE       ((const char *const[]){NULL})
#define THESE(...) ((const char *const[]){__VA_ARGS__, NULL})

static void check(const char *before, const char *after, const char *const *taken,
                  const char *const *fixed)
{
    struct config a, b;
    struct config_changes changes;
    load(&a, before);
    load(&b, after);
    assert_int_equal(config_compare(&a, &b, &changes), 0);
    assert_texts(changes.taken, changes.taken_count, taken);
    assert_texts(changes.fixed, changes.fixed_count, fixed);
    config_changes_finish(&changes);
    config_finish(&a);
    config_finish(&b);
}

#define JOBS "[policy \"jobs\"]\nusers = 1\n"
#define CRON "[policy \"cron\"]\nusers = 2\n"

static void what_is_the_same_is_no_change(void **state)
{
    (void)state;
    check("", "", NONE, NONE);
    check("[limits]\nmax_body = 1024KiB\n", "[limits]\nmax_body = 1MiB\n", NONE, NONE);
    check("", "[timeouts]\ntotal = 5m\n[policy \"default\"]\nallow = any\n", NONE, NONE);
}

static void a_key_is_said_with_both_its_values(void **state)
{
    (void)state;
    check("[limits]\nmax_body = 1MiB\n", "[limits]\nmax_body = 2MiB\n[timeouts]\nidle = 1s\n",
          THESE("[timeouts] idle: 1m -> 1s", "[limits] max_body: 1MiB -> 2MiB"), NONE);
    check("[tls]\nallow_insecure = yes\n", "",
          THESE("[tls] allow_insecure: yes -> no", "[policy \"default\"] tls_insecure: yes -> no"),
          NONE);
}

static void what_only_a_start_can_change_is_apart(void **state)
{
    (void)state;
    check("[pool]\nlookups = 3\n", "[pool]\nlookups = 4\nmax_connections = 9\n",
          THESE("[pool] lookups: 3 -> 4"), THESE("[pool] max_connections: 2048 -> 9"));
    check("[daemon]\nsocket = /a\n", "", NONE, THESE("[daemon] socket: /a -> (default)"));
}

static void secrets_are_compared_and_not_shown(void **state)
{
    (void)state;
    check("[proxy]\nurl = http://u:one@p:1\n", "[proxy]\nurl = http://u:two@p:1\n", NONE,
          THESE("[proxy] url: http://u:***@p:1 -> http://u:***@p:1"));
    check("[origin \"http://a\"]\nheader = X: one\n", "[origin \"http://a\"]\nheader = X: two\n",
          THESE("[origin \"http://a\"] header: changed"), NONE);
    check("[origin \"http://a\"]\nwarm_path = /x?token=one\n",
          "[origin \"http://a\"]\nwarm_path = /x?token=two\n",
          THESE("[origin \"http://a\"] warm_path: changed"), NONE);
    check("[origin \"http://a\"]\n", "[origin \"http://a\"]\nwarm_path = /x?token=two\n",
          THESE("[origin \"http://a\"] warm_path: changed"), NONE);
    check("[origin \"http://a\"]\nwarm_path = /x?token=one\n",
          "[origin \"http://A\"]\nwarm_path = /x?token=one\n", NONE, NONE);
}

static void sections_come_and_go(void **state)
{
    (void)state;
    check("[origin \"http://a\"]\nwarm = 1\n", "[origin \"http://b\"]\nwarm = 1\n",
          THESE("[origin \"http://a\"]: removed", "[origin \"http://b\"]: added"), NONE);
    check(JOBS "allow = none\n", JOBS "allow = any\n" CRON,
          THESE("[policy \"jobs\"] allow: changed", "[policy \"cron\"]: added"), NONE);
}

static void the_order_of_policies_counts(void **state)
{
    (void)state;
    check(JOBS CRON, CRON JOBS, THESE("[policy] sections: in another order"), NONE);
}

static void what_stays_is_kept_and_the_rest_is_exchanged(void **state)
{
    (void)state;
    struct config config, fresh;
    load(&config, "[daemon]\nsocket = /a\n[pool]\nmax_connections = 5\n");
    load(&fresh, "[limits]\nmax_body = 2MiB\n[proxy]\nurl = http://p:1\n");
    assert_int_equal(config_keep_fixed(&config, &fresh), 0);
    assert_string_equal(fresh.socket, "/a");
    assert_int_equal(fresh.max_connections, 5);
    assert_null(fresh.proxy_url);
    assert_int_equal(fresh.max_body_bytes, 2 << 20);
    config_swap(&config, &fresh);
    assert_int_equal(config.max_body_bytes, 2 << 20);
    assert_int_equal(fresh.max_body_bytes, 16 << 20);
    config_finish(&config);
    config_finish(&fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_the_same_is_no_change),
        cmocka_unit_test(a_key_is_said_with_both_its_values),
        cmocka_unit_test(what_only_a_start_can_change_is_apart),
        cmocka_unit_test(secrets_are_compared_and_not_shown),
        cmocka_unit_test(sections_come_and_go),
        cmocka_unit_test(the_order_of_policies_counts),
        cmocka_unit_test(what_stays_is_kept_and_the_rest_is_exchanged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
