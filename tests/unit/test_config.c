/* The configuration: defaults, values, and the sentence for what is wrong. */
#include <errno.h>
#include <inttypes.h>
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

static int load_bytes(struct config *config, const char *bytes, size_t length,
                      struct config_error *error)
{
    char path[] = "/tmp/fetchpool-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, length), length);
    close(fd);
    int result = config_load(config, path, error);
    unlink(path);
    return result;
}

static int load(struct config *config, const char *text, struct config_error *error)
{
    return load_bytes(config, text, strlen(text), error);
}

/* A file that is good, over the defaults. */
static void load_good(struct config *config, const char *text)
{
    struct config_error error;
    assert_int_equal(config_init(config), 0);
    if (load(config, text, &error) < 0)
        fail_msg("%s", error.text);
}

/* A file that is not: its sentence has these words, and nothing has changed. */
static void load_bad(const char *text, const char *words)
{
    struct config config;
    struct config_error error;
    assert_int_equal(config_init(&config), 0);
    assert_int_equal(load(&config, text, &error), -EINVAL);
    if (!strstr(error.text, words))
        fail_msg("\"%s\": \"%s\"", text, error.text);
    assert_int_equal(config.max_body_bytes, 16 << 20);
    assert_int_equal(config.origin_count, 0);
    assert_int_equal(config.policy_count, 1);
    config_finish(&config);
}

struct wrong {
    const char *text;
    const char *sentence;
};

static void load_all_bad(const struct wrong *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        load_bad(cases[i].text, cases[i].sentence);
}

/* Nor has any sentence the word SECRET. */
static void load_all_bad_in_silence(const struct wrong *cases, size_t count)
{
    load_all_bad(cases, count);
    for (size_t i = 0; i < count; i++) {
        struct config config;
        struct config_error error;
        assert_int_equal(config_init(&config), 0);
        assert_int_equal(load(&config, cases[i].text, &error), -EINVAL);
        if (strstr(error.text, "SECRET"))
            fail_msg("%s", error.text);
        config_finish(&config);
    }
}

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

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
    assert_false(config.core_dumps);
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
                          "[daemon]\nlog_level = debug\ncore_dumps = yes\n",
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
    assert_true(config.core_dumps);
    config_finish(&config);
}

static void what_is_wrong_is_said_with_its_line_and_changes_nothing(void **state)
{
    (void)state;
    static const struct wrong cases[] = {
        {"[limits]\nmax_bdy = 1\n",
         ":2: unknown key \"max_bdy\" in [limits]; did you mean \"max_body\"?"},
        {"[limits]\nmxa_body = 1\n",
         ":2: unknown key \"mxa_body\" in [limits]; did you mean \"max_body\"?"},
        {"[limits]\nidle_timeout = 1s\n",
         ":2: unknown key \"idle_timeout\" in [limits]; it is a key of [pool]"},
        {"[limits]\nmoonshine = 1\n",
         ":2: unknown key \"moonshine\" in [limits]; expected one of max_message, max_body, "},
        {"[limits]\nmoonshine = 1\n", ", max_name, max_pem"}, /* all of them are named */
        {"[timeouts]\nclient_stall = 0\n", ":2: [timeouts] client_stall = 0: expected 1ms to 1d"},
        {"[timeouts]\nframe = 2h\n", ":2: [timeouts] frame = 2h: expected 1ms to 1h"},
        {"[limits]\nupload_window = 1KiB\n",
         ":2: [limits] upload_window = 1KiB: expected 4KiB to 16MiB"},
        {"[limits]\npaused_memory = 0\n", ":2: [limits] paused_memory = 0: expected 1MiB to 64GiB"},
        {"[limit]\nx = 1\n", ":1: unknown section [limit]; did you mean [limits]?"},
        {"[police \"x\"]\n", ":1: unknown section [police \"x\"]; did you mean [policy \"NAME\"]?"},
        {"[moonshine]\n", ":1: unknown section [moonshine]; expected one of daemon, pool, "
                          "timeouts, limits, tls, proxy, metrics, "
                          "origin \"https://HOST\", policy \"NAME\""},
        {"[tls]\n[limit]\n",
         ":2: unknown section [limit]; did you mean [limits]?"}, /* without keys */
        {"[limits\nmax_body = 1\n", ":1: [limits: expected [limits] and nothing behind it"},
        {"[limits] max_body = 1\n", ":1: [limits] max_body = 1: expected [limits] and nothing"},
        {"[limits \"x\"]\n", ":1: [limits \"x\"]: expected [limits] and nothing behind it"},
        {"[]\n", ":1: unknown section []; expected one of daemon"},
        {"[limitless]\n", ":1: unknown section [limitless]; did you mean [limits]?"},
        {"[moon\n", ":1: unknown section [moon; expected one of"},
        {"[daemon]\ncore_dumps = 1\n", ":2: [daemon] core_dumps = 1: expected yes or no"},
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
        {"[proxy]\nurl = nope\n",
         ":2: [proxy] url = (not shown): expected an http://, https:// or"},
        {"[proxy]\nurl =\n", ":2: [proxy] url = : expected an http://, https:// or"},
        {"[daemon]\nsocket =\n", ":2: [daemon] socket = : expected a text that is not empty"},
        {"[daemon]\nlog_level = loud\n", "expected error, warning, notice, info or debug"},
        {"[daemon]\nlog_urls = query\n", ":2: [daemon] log_urls = query: expected origin, path or"},
        {"[daemon]\naccess_log = x\n", ":2: [daemon] access_log = x: expected a path of the file"},
        {"[daemon]\nlog_buffer = 1KiB\n", ":2: [daemon] log_buffer = 1KiB: expected 32KiB to"},
        {"[proxy]\nurl = x://a:b@c\n", ":2: [proxy] url = (not shown): expected an http://"},
        {"[pool]\nidle_timeout = 5s\nidle_timeout = 6s\n",
         ":3: [pool] idle_timeout is given twice"},
        {"[pool]\nnonsense\n[moon]\n", ":2: expected [section], name = value or ; comment"},
        {"[moon]\nnonsense\n", ":1: unknown section [moon]"}, /* whichever is first */
        {"[pool]\nnonsense\n", ":2: expected [section], name = value or ; comment"},
        {"max_body = 1\n", ":1: \"max_body\" stands before any section"},
    };
    load_all_bad(cases, COUNT(cases));
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
    "https://a-very-long-name-of-a-host-with-more-than-49-bytes.region-1.cloud.example.com:844"

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
    assert_int_equal(config.origin_count, 3);
    assert_int_equal(config.origins[2].warm, 0); /* nothing is said of it */
    assert_int_equal(config.origins[0].warm, 2);
    assert_string_equal(config.origins[0].warm_path, "/ping");
    assert_int_equal(config.origins[1].warm, 3);
    config_finish(&config);
}

#define SECTION "[origin \"https://a.example\"]\n"

static void what_is_wrong_in_an_origins_section_is_said_with_its_line(void **state)
{
    (void)state;
    static const struct wrong cases[] = {
        {"\n[origin \"http://a:99999\"]\nwarm = 1\n",
         ":2: [origin \"http://a:99999\"]: url cannot be understood: Port number"},
        {SECTION "cold = 1\n",
         ":2: unknown key \"cold\" in [origin]; expected one of warm, warm_path, header"},
        {SECTION "warm = 1\nwarm = 2\n", ":3: [origin] warm is given twice"},
        {SECTION "warm = 1\n" SECTION "warm = 2\n", ":4: [origin] warm is given twice"},
        {SECTION "warm = 101\n", ":2: [origin] warm = 101: expected 0 to 100"},
        {SECTION "warm = -1\n", ":2: [origin] warm = -1: expected a whole number"},
        {SECTION "warm =\n", ":2: [origin] warm = : expected a whole number"},
        {SECTION "warm_path = ping\n",
         ":2: [origin] warm_path = (not shown): expected a path that begins with / and has no "
         "blanks"},
        {SECTION "warm_path = /a b\n", ": expected a path that begins with /"},
        {SECTION "warm_path = /#top\n", ": expected a path that begins with /"},
        {SECTION "warm_path = /a\\b\n", ": expected a path that begins with /"},
        {SECTION "warm_path =\n", ": expected a path that begins with /"},
        {"[origin \"https://\"]\nwarm = 1\n",
         "]: expected [origin \"https://HOST\"] with scheme, host and, if need be, port"},
        {"[origin \"a.example\"]\nwarm = 1\n", ":1: [origin \"a.example\"]: expected [origin "},
        {"[origin \"ftp://a.example\"]\nwarm = 1\n", "]: expected [origin "},
        {"[origin \"https://a.example/\"]\nwarm = 1\n", "]: expected [origin "},
        {"[origin \"https://a.example?x\"]\nwarm = 1\n", "]: expected [origin "},
        {"[origin \"https://me@a.example\"]\nwarm = 1\n", "]: expected [origin "},
        {"[origin \"https://a b\"]\nwarm = 1\n", "]: expected [origin "},
        {"[origin https://a.example]\nwarm = 1\n", "]: expected [origin "},
        {"[origin]\nwarm = 1\n", ":1: [origin]: expected [origin "},
        {"[origin]\n", ":1: [origin]: expected [origin "},
        {"[origin \"https://a.example\"] warm = 1\n", " warm = 1: expected [origin "},
        {"[origin \"https://a.example]\n", "]: expected [origin "},
        {"[origin  \"https://a.example\"]\n", "]: expected [origin "},
    };
    load_all_bad(cases, COUNT(cases));
}

/* ---- Header fields of origins ---------------------------------------------------------------- */

static void assert_header(const struct config_header *header, const char *name, const char *text,
                          const char *path)
{
    assert_string_equal(header->name, name);
    assert_string_equal(header->text, text);
    if (path)
        assert_string_equal(header->file_path, path);
    else
        assert_null(header->file_path);
}

static void the_last_word_of_a_header_may_be_a_file(void **state)
{
    (void)state;
    struct config config;
    load_good(&config, SECTION "header = Authorization: Bearer @/etc/fetchpool/api.token ; why\n"
                               "header = X-Key:@/run/key\n"
                               "header = X-Plain: a literal = one: two\n"
                               "header: X-Mail: me@/home\n"
                               "header = X-At: @home @\n"
                               "warm = 1\n");
    assert_int_equal(config.origins[0].header_count, 5);
    const struct config_header *headers = config.origins[0].headers;
    assert_header(&headers[0], "Authorization", "Bearer ", "/etc/fetchpool/api.token");
    assert_header(&headers[1], "X-Key", "", "/run/key");
    assert_header(&headers[2], "X-Plain", "a literal = one: two", NULL);
    assert_header(&headers[3], "X-Mail", "me@/home", NULL);
    assert_header(&headers[4], "X-At", "@home @", NULL);
    config_finish(&config);
}

static void what_is_wrong_in_a_header_is_said_without_its_value(void **state)
{
    (void)state;
    static const struct wrong cases[] = {
        {SECTION "header =\n", ":2: [origin] header: expected NAME: VALUE"},
        {SECTION "header = Authorization SECRET\n", ":2: [origin] header: expected NAME: VALUE"},
        {SECTION "header = Bearer SECRET: x\n",
         ":2: [origin] header: what stands before the colon is no name of a header field"},
        {SECTION "header = : SECRET\n", ": what stands before the colon is no name"},
        {SECTION "header = X-Key:\n", ": the value is empty; expected NAME: VALUE"},
        {SECTION "header = hOST: SECRET\n", ": Host is not allowed: it is the origin's own"},
        {SECTION "header = Transfer-Encoding: SECRET\n",
         ": header Transfer-Encoding is not allowed: framing and connections are the daemon's own"},
        {SECTION "header = Proxy-Authorization: SECRET\n",
         ": header Proxy-Authorization is not allowed"},
        {SECTION "header = X-Key: SECRET\x01\n",
         ": header X-Key holds the byte 0x01 at position 6 of its value"},
        {SECTION "header = X-Key: SECRET\rX-Other: 1\n", ": header X-Key holds the byte 0x0d"},
        {SECTION "header = X-Key: SECRET\nwarm = 1\nheader = x-key: SECRET\n",
         ":4: [origin] header: x-key is given twice"},
        {SECTION "header = X-Key: @/a SECRET\n",
         ":2: [origin] header: a file, as @/path, is the last word of the value"},
        {SECTION "headers = X-Key: SECRET\n", ":2: unknown key \"headers\" in [origin]"},
        {SECTION "header\n", ":2: expected [section], name = value or ; comment"},
    };
    load_all_bad_in_silence(cases, COUNT(cases));
}

/* ---- What is left in memory ------------------------------------------------------------------ */

/* What is looked for is its end: free() writes over the begin of what it frees. */
#define SECRET_BYTES 160
#define END_AT       120
/* No region of the sanitizers' own is as small. */
#define REGION_MOST_BYTES ((size_t)64 << 20)

/* The secret is nowhere in one piece but where config put it. */
static char secret_byte(size_t index)
{
    return (char)('A' + (index * index * 11 + index * 37) % 251 % 26);
}

/* Free memory and dead frames of the stack are looked at, too. */
__attribute__((no_sanitize("address"))) static size_t count_secrets(const volatile char *begin,
                                                                    const volatile char *end)
{
    size_t count = 0, index = END_AT;
    for (const volatile char *at = begin; at < end; at++) {
        if (*at != secret_byte(index))
            index = END_AT;
        index += *at == secret_byte(index);
        if (index == SECRET_BYTES) {
            count++;
            index = END_AT;
        }
    }
    return count;
}

static size_t count_secrets_in_memory(void)
{
    char line[512];
    size_t count = 0;
    FILE *maps = fopen("/proc/self/maps", "re");
    assert_non_null(maps);
    while (fgets(line, sizeof line, maps)) {
        uintptr_t begin, end;
        char access[5];
        assert_int_equal(sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &begin, &end, access), 3);
        if (strcmp(access, "rw-p") == 0 && end - begin <= REGION_MOST_BYTES)
            count += count_secrets((const volatile char *)begin, (const volatile char *)end);
    }
    fclose(maps);
    return count;
}

static void write_secret(int fd, const char *before)
{
    assert_int_equal(write(fd, before, strlen(before)), strlen(before));
    for (size_t i = 0; i < SECRET_BYTES; i++) {
        char byte = secret_byte(i);
        assert_int_equal(write(fd, &byte, 1), 1);
    }
}

/* Loads a header with the secret, and what comes behind it. */
static int load_secret(struct config *config, const char *behind)
{
    struct config_error error;
    char path[] = "/tmp/fetchpool-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    write_secret(fd, SECTION "header = X-Key: ");
    assert_int_equal(write(fd, behind, strlen(behind)), strlen(behind));
    close(fd);
    int result = config_load(config, path, &error);
    unlink(path);
    return result;
}

static void of_a_headers_value_nothing_is_left_in_memory(void **state)
{
    (void)state;
    struct config config;
    assert_int_equal(config_init(&config), 0);
    assert_int_equal(load_secret(&config, "\n"), 0);
    assert_int_equal(count_secrets_in_memory(), 1); /* where it belongs */
    config_finish(&config);
    assert_int_equal(count_secrets_in_memory(), 0);
    assert_int_equal(config_init(&config), 0);
    assert_int_equal(load_secret(&config, "\n[moon]\n"), -EINVAL);
    assert_int_equal(count_secrets_in_memory(), 0);
    assert_int_equal(load_secret(&config, "\x01\n"), -EINVAL);
    assert_int_equal(count_secrets_in_memory(), 0);
    config_finish(&config);
}

/* ---- Policies -------------------------------------------------------------------------------- */

static void without_a_file_there_is_the_policy_default(void **state)
{
    (void)state;
    struct config config;
    assert_int_equal(config_init(&config), 0);
    assert_int_equal(config.policy_count, 1);
    const struct config_policy *policy = &config.policies[0];
    assert_string_equal(policy->name, "default");
    assert_int_equal(policy->users.count + policy->groups.count, 0);
    assert_int_equal(policy->allow.count + policy->deny.count, 0);
    assert_int_equal(policy->networks_allow.count + policy->networks_deny.count, 0);
    assert_int_equal(policy->credentials.count, 0);
    assert_false(policy->is_reported || policy->tls_insecure || policy->is_isolated);
    assert_int_equal(policy->proxies.count, 1);
    assert_string_equal(url_rule_text(policy->proxies.items[0]), "none");
    assert_int_equal(policy->running_per_user, 1024);
    assert_int_equal(policy->queue, 10000);
    assert_int_equal(policy->clients_per_user, 2048);
    assert_int_equal(policy->requests_per_client, 256);
    assert_int_equal(policy->paused_memory_bytes, 64 << 20);
    config_finish(&config);
    assert_null(config.policies);
}

static void a_policy_has_all_that_its_section_says(void **state)
{
    (void)state;
    struct config config;
    load_good(&config, "[policy \"a ]; name\"] ; with all keys\n"
                       "users = root, 4000000001 ,\t7\nusers = 8\ngroups = root 4000000002\n"
                       "mode = report\nallow = GET HEAD https://*.example.com/v1/\n"
                       "allow = https://b.example\ndeny = http://*\n"
                       "networks_allow = 10.1.0.0/16, fd00::/8\nnetworks_allow = 192.0.2.1\n"
                       "networks_deny = 10.0.0.0/8\ntls_insecure = yes\n"
                       "proxies = http://proxy.example.com:3128\nproxies = socks5h://b.example:1\n"
                       "credentials = https://api.example.com\nisolate = user\n"
                       "running_per_user = 11\nqueue = 12\nclients_per_user = 13\n"
                       "requests_per_client = 14\npaused_memory = 15MiB\n");
    assert_int_equal(config.policy_count, 2);
    const struct config_policy *policy = &config.policies[0];
    assert_string_equal(policy->name, "a ]; name");
    assert_int_equal(policy->users.count, 4);
    assert_int_equal(policy->users.items[0], 0);
    assert_true(policy->users.items[1] == 4000000001 && policy->users.items[2] == 7);
    assert_int_equal(policy->users.items[3], 8);
    assert_int_equal(policy->groups.count, 2);
    assert_true(policy->groups.items[0] == 0 && policy->groups.items[1] == 4000000002);
    assert_true(policy->is_reported && policy->tls_insecure && policy->is_isolated);
    assert_int_equal(policy->allow.count, 2);
    assert_string_equal(url_rule_text(policy->allow.items[0]),
                        "GET HEAD https://*.example.com/v1/");
    assert_string_equal(url_rule_text(policy->allow.items[1]), "https://b.example");
    assert_int_equal(policy->deny.count, 1);
    assert_int_equal(policy->networks_allow.count, 3);
    assert_int_equal(policy->networks_deny.count, 1);
    assert_int_equal(policy->networks_deny.items[0].prefix_bits, 96 + 8);
    assert_int_equal(policy->proxies.count, 2);
    assert_int_equal(policy->credentials.count, 1);
    assert_int_equal(policy->running_per_user, 11);
    assert_int_equal(policy->queue, 12);
    assert_int_equal(policy->clients_per_user, 13);
    assert_int_equal(policy->requests_per_client, 14);
    assert_int_equal(policy->paused_memory_bytes, 15 << 20);
    config_finish(&config);
}

static void policies_keep_the_order_of_the_file_and_default_is_last(void **state)
{
    (void)state;
    struct config config;
    load_good(&config, "[policy \"b\"]\nusers = 1\n[policy \"default\"]\nmode = report\n"
                       "[tls]\n[policy \"a\"]\ngroups = 2\nqueue = 5\n");
    assert_int_equal(config.policy_count, 3);
    assert_string_equal(config.policies[0].name, "b");
    assert_false(config.policies[0].is_reported);
    assert_string_equal(config.policies[1].name, "a");
    assert_int_equal(config.policies[1].queue, 5);
    assert_int_equal(config.policies[1].groups.items[0], 2);
    assert_string_equal(config.policies[2].name, "default");
    assert_true(config.policies[2].is_reported);
    config_finish(&config);
}

#define GENERAL                                                                                    \
    "[limits]\nrunning_per_user = 21\nqueue = 22\nclients_per_user = 23\n"                         \
    "requests_per_client = 24\npaused_memory = 25MiB\n"                                            \
    "[tls]\nallow_insecure = yes\n[proxy]\nallow_client = yes\n"

static void assert_is_as_general(const struct config_policy *policy)
{
    assert_int_equal(policy->running_per_user, 21);
    assert_int_equal(policy->queue, 22);
    assert_int_equal(policy->clients_per_user, 23);
    assert_int_equal(policy->requests_per_client, 24);
    assert_int_equal(policy->paused_memory_bytes, 25 << 20);
    assert_true(policy->tls_insecure);
    assert_int_equal(policy->proxies.count, 1);
    assert_string_equal(url_rule_text(policy->proxies.items[0]), "any");
}

static void what_a_policy_leaves_out_is_as_the_rest_of_the_file_says(void **state)
{
    (void)state;
    static const char *const files[] = {
        GENERAL "[policy \"a\"]\nusers = 1\n",
        "[policy \"a\"]\nusers = 1\n" GENERAL, /* wherever it stands */
        "[policy \"default\"]\nisolate = user\n" GENERAL "[policy \"a\"]\nusers = 1\n",
    };
    for (size_t i = 0; i < COUNT(files); i++) {
        struct config config;
        load_good(&config, files[i]);
        assert_int_equal(config.policy_count, 2);
        assert_is_as_general(&config.policies[0]);
        assert_is_as_general(&config.policies[1]);
        assert_false(config.policies[0].is_isolated);
        config_finish(&config);
    }
}

static void what_a_policy_says_holds_against_the_rest_of_the_file(void **state)
{
    (void)state;
    struct config config;
    load_good(&config, "[policy \"default\"]\ntls_insecure = no\nproxies = none\nqueue = 10000\n"
                       "paused_memory = 64MiB\n" GENERAL);
    const struct config_policy *policy = &config.policies[0];
    assert_false(policy->tls_insecure);
    assert_int_equal(policy->proxies.count, 1);
    assert_string_equal(url_rule_text(policy->proxies.items[0]), "none");
    assert_int_equal(policy->queue, 10000);
    assert_int_equal(policy->paused_memory_bytes, 64 << 20);
    assert_int_equal(policy->running_per_user, 21);
    config_finish(&config);
}

static void limits_of_a_policy_have_the_bounds_of_the_general_ones(void **state)
{
    (void)state;
    size_t count = 0;
    for (size_t i = 0; i < config_policy_key_count; i++) {
        const struct config_key *key = &config_policy_keys[i];
        for (size_t j = 0; j < config_key_count; j++) {
            const struct config_key *general = &config_keys[j];
            if (strcmp(general->section, "limits") != 0 || strcmp(general->name, key->name) != 0)
                continue;
            assert_int_equal(key->type, general->type);
            assert_int_equal(key->least, general->least);
            assert_int_equal(key->most, general->most);
            count++;
        }
    }
    assert_int_equal(count, 5);
}

#define POLICY  "[policy \"a\"]\nusers = 1\n"
#define NAME_64 "abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ.0123456789"

static void what_is_wrong_in_a_policy_is_said_with_its_line(void **state)
{
    (void)state;
    static const struct wrong cases[] = {
        {"[policy \"a\"]\n", ":1: [policy \"a\"]: it holds for nobody; expected users or groups"},
        {"\n[policy \"a\"]\nqueue = 2\n[policy \"b\"]\nusers = 1\n",
         ":2: [policy \"a\"]: it holds for nobody"},
        {"[tls]\n[policy \"default\"]\nusers = 1\n",
         ":2: [policy \"default\"]: it holds for everybody whom no other policy names; expected "
         "neither users nor groups"},
        {"[policy \"default\"]\ngroups = 1\n", ":1: [policy \"default\"]: it holds for everybody"},
        {POLICY POLICY, ":3: [policy \"a\"] is given twice; the first is in line 1"},
        {"[policy \"default\"]\n[policy \"default\"]\n",
         ":2: [policy \"default\"] is given twice; the first is in line 1"},
        {"[policy a]\n", ":1: [policy a]: expected [policy \"NAME\"] with a name of 1 to 64"},
        {"[policy]\n", ":1: [policy]: expected [policy \"NAME\"] with a name"},
        {"[policy \"\"]\n", ":1: [policy \"\"]: expected [policy \"NAME\"]"},
        {"[policy \"a\"b\"]\n", ": expected [policy \"NAME\"]"},
        {"[policy \"a\x7f\"]\n", ": expected [policy \"NAME\"]"},
        {"[policy \"a\"] users = 1\n", ": expected [policy \"NAME\"]"},
        {"[policy \"" NAME_64 "5\"]\n", ": expected [policy \"NAME\"]"},
        {POLICY "user = 1\n", ":3: unknown key \"user\" in [policy]; did you mean \"users\"?"},
        {POLICY "moonshine = 1\n",
         ":3: unknown key \"moonshine\" in [policy]; expected one of users, groups, mode, allow, "
         "deny, "
         "networks_allow, networks_deny, tls_insecure, proxies, credentials, isolate, "
         "running_per_user, queue, clients_per_user, requests_per_client, paused_memory"},
        {POLICY "users = alicce-of-nowhere\n",
         ":3: [policy] users: there is no user \"alicce-of-nowhere\""},
        {POLICY "users = 2, alicce-of-nowhere, 3\n", "there is no user \"alicce-of-nowhere\""},
        {POLICY "groups = none-such\n", ":3: [policy] groups: there is no group \"none-such\""},
        {POLICY "users = 4294967295\n",
         ":3: [policy] users: 4294967295 is no number of a user; expected 0 to 4294967294"},
        {POLICY "groups = 99999999999999999999\n", " is no number of a group; expected 0 to"},
        {POLICY "users =\n", ":3: [policy] users: expected names or numbers of users"},
        {POLICY "groups = ,\n", ":3: [policy] groups: expected names or numbers of groups"},
        {POLICY "mode = warn\n", ":3: [policy] mode = warn: expected enforce or report"},
        {POLICY "mode = report\nmode = report\n", ":4: [policy] mode is given twice"},
        {POLICY "isolate = yes\n", ":3: [policy] isolate = yes: expected no or user"},
        {POLICY "tls_insecure = perhaps\n", ": expected yes or no"},
        {POLICY "queue = 0\n", ":3: [policy] queue = 0: expected 1 to 10000000"},
        {POLICY "paused_memory = 1KiB\n", ": expected 1MiB to 64GiB"},
        {POLICY "requests_per_client = many\n", ": expected a whole number"},
        {POLICY "queue = 1\nqueue = 2\n", ":4: [policy] queue is given twice"},
        {POLICY "networks_deny = 10.0.0.1/8\n",
         ":3: [policy] networks_deny: 10.0.0.1/8 is no network; expected one such as 10.0.0.0/8, "
         "192.0.2.1 or fd00::/8, without bits beyond its length"},
        {POLICY "networks_allow = 10.0.0.0/8 everything\n", ": everything is no network"},
        {POLICY "networks_allow =\n", ": expected networks such as 10.0.0.0/8 or fd00::/8"},
        {POLICY "allow =\n", ":3: [policy] allow: expected a rule such as GET https://"},
        {POLICY "allow = example.com\n", ":3: [policy] allow: "},
        {POLICY "deny = ftp://example.com\n", ":3: [policy] deny: "},
        {POLICY "deny =\n", ":3: [policy] deny: expected a rule such as"},
        {POLICY "proxies = GET http://p.example\n", ":3: [policy] proxies: "},
        {POLICY "proxies =\n", ": expected none, any, or a proxy such as http://"},
        {POLICY "credentials = https://a.example/path\n", ":3: [policy] credentials: "},
        {POLICY "credentials =\n", ": expected none, any, or an origin such as https://"},
    };
    load_all_bad(cases, COUNT(cases));
}

static void what_may_be_secret_is_not_in_the_sentence(void **state)
{
    (void)state;
    static const struct wrong cases[] = {
        {"[proxy]\nurl = ftp://user:SECRET\n", ":2: [proxy] url = (not shown): expected an http"},
        {"[proxy]\nurl = user:SECRET@h\n", ":2: [proxy] url = (not shown): expected an http"},
        {SECTION "warm_path = x?token=SECRET\n", ":2: [origin] warm_path = (not shown): expected"},
        {SECTION "warm_path = /SECRET x\n", ":2: [origin] warm_path = (not shown): expected"},
        {"[origin \"http://user:SECRET@h\"]\n", ":1: [(not shown)]: expected [origin \"https://H"},
        {"[origin \"https://h/?token=SECRET\"]\n", ":1: [(not shown)]: expected [origin "},
        {"[origin \"https://h/#token=SECRET\"]\n", ":1: [(not shown)]: expected [origin "},
        {"[origin https://user:SECRET@h]\n", ":1: [(not shown)]: expected [origin "},
        {"[orgin \"http://user:SECRET@h\"]\n",
         ":1: unknown section [(not shown)]; did you mean [origin \"https://HOST\"]?"},
        {"[http://user:SECRET@h]\n", ":1: unknown section [(not shown)]; expected one of daemon"},
        {"[proxy \"http://user:SECRET@h\"]\n", ":1: [(not shown)]: expected [proxy] and nothing"},
        {"[proxy] url = http://user:SECRET@h\n", ":1: [(not shown)]: expected [proxy] and nothing"},
        {"[policy \"http://user:SECRET@h\"]\n", ":1: [policy \"(not shown)\"]: it holds for no"},
        {"[policy \"SECRET@h\"]\nusers = 1\n[policy \"SECRET@h\"]\n",
         ":3: [policy \"(not shown)\"] is given twice; the first is in line 1"},
        {POLICY "proxies = http://user:SECRET\n",
         ":3: [policy] proxies: (not shown): expected none, any, or a proxy such as http://"},
        {POLICY "proxies = user:SECRET@h\n", ":3: [policy] proxies: (not shown): expected none"},
        {POLICY "proxies = http://user:SECRET@h\n", ": a pattern must not hold a user or a pass"},
        {POLICY "allow = GET http://user:SECRET@h http://h\n",
         ":3: [policy] allow: (not shown): expected a rule such as GET https://"},
        {POLICY "deny = http://h?token=SECRET\n",
         ":3: [policy] deny: (not shown): expected a rule"},
        {POLICY "deny = http://h/?token=SECRET\n", ": the path must end before its ?"},
        {POLICY "credentials = http://h/?token=SECRET\n",
         ":3: [policy] credentials: (not shown): expected none, any, or an origin such as "
         "https://"},
        {"[policy http://user:SECRET@h]\n", ":1: [(not shown)]: expected [policy \"NAME\"] with"},
    };
    load_all_bad_in_silence(cases, COUNT(cases));
}

static void the_longest_name_of_a_policy_is_taken(void **state)
{
    (void)state;
    struct config config;
    load_good(&config, "[policy \"" NAME_64 "\"]\nusers = 1\n");
    assert_string_equal(config.policies[0].name, NAME_64);
    config_finish(&config);
}

/* ---- Lines ----------------------------------------------------------------------------------- */

/* The longest that inih takes whole. */
#define LINE_MOST 198

/* [daemon] socket = aaa…, of so many bytes. */
static void write_line(char *out_text, size_t length)
{
    char line[2000];
    assert_true(length < sizeof line);
    memset(line, 'a', length);
    memcpy(line, "socket = ", 9);
    line[length] = '\0';
    sprintf(out_text, "[daemon]\n%s\nlog_level = debug\n", line);
}

static void a_line_that_is_too_long_is_refused_and_never_cut(void **state)
{
    (void)state;
    char text[4000];
    struct config config;
    write_line(text, LINE_MOST);
    load_good(&config, text);
    assert_int_equal(strlen(config.socket), LINE_MOST - 9);
    assert_int_equal(config.log_level, LOG_LEVEL_DEBUG);
    config_finish(&config);
    for (size_t length = LINE_MOST + 1; length < LINE_MOST + 5; length++) {
        write_line(text, length);
        load_bad(text, ":2: the line has more than 198 bytes");
    }
    write_line(text, 1500);
    load_bad(text, ":2: the line has more than 198 bytes");
    text[strlen("[daemon]\n")] = '[';
    load_bad(text, ":2: the line has more than 1023 bytes");
}

static void a_comment_may_have_any_length(void **state)
{
    (void)state;
    char text[5000];
    struct config config;
    memset(text, '=', sizeof text);
    text[0] = ';';
    strcpy(text + 4500, "\n[limits]\nmax_body = 1GiB\n");
    load_good(&config, text);
    assert_int_equal(config.max_body_bytes, (uint64_t)1 << 30);
    config_finish(&config);
}

/* For inih they would continue the line before them. */
static void indented_lines_are_lines_like_others(void **state)
{
    (void)state;
    struct config config;
    load_good(&config, "\t[policy \"a\"]\n  users = 1\n  allow = http://a.example\n"
                       "  deny = http://b.example\n\t; users = 2\n\n  queue = 3\n");
    assert_int_equal(config.policies[0].users.count, 1);
    assert_int_equal(config.policies[0].allow.count, 1);
    assert_int_equal(config.policies[0].deny.count, 1);
    assert_int_equal(config.policies[0].queue, 3);
    config_finish(&config);
    load_bad(POLICY "allow = http://a.example\n  http://b.example\n",
             ":4: unknown key \"http\" in [policy]"); /* inih takes a colon for an = */
}

static void marks_of_other_systems_are_no_matter(void **state)
{
    (void)state;
    struct config config;
    load_good(&config, "\xef\xbb\xbf[limits]\r\nqueue = 4\r\n[policy \"a\"]\r\nusers = 1\r\n");
    assert_int_equal(config.policies[0].queue, 4);
    config_finish(&config);
    load_good(&config, "[limits]\nqueue = 5"); /* no end of the last line */
    assert_int_equal(config.queue, 5);
    config_finish(&config);
}

static void a_nul_byte_does_not_hide_the_rest_of_its_line(void **state)
{
    (void)state;
    static const char text[] = "[limits]\nqueue = 4\0 no\n";
    struct config config;
    struct config_error error;
    assert_int_equal(config_init(&config), 0);
    assert_int_equal(load_bytes(&config, text, sizeof text - 1, &error), -EINVAL);
    assert_non_null(strstr(error.text, ":2: the line holds a NUL byte"));
    config_finish(&config);
}

static void a_directory_is_no_configuration(void **state)
{
    (void)state;
    struct config config;
    struct config_error error;
    assert_int_equal(config_init(&config), 0);
    assert_int_equal(config_load(&config, "/tmp", &error), -EINVAL);
    assert_string_equal(error.text, "/tmp: could not be read");
    config_finish(&config);
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

static const struct network_list no_networks;

/* As --check does. */
static void show(const struct config *config, char *out_text, size_t size)
{
    FILE *out = fmemopen(out_text, size, "w");
    assert_non_null(out);
    config_show(out, config, &no_networks);
    fclose(out);
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
    show(&config, text, sizeof text);
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

static void policies_are_shown_with_all_that_holds_and_can_be_read_again(void **state)
{
    (void)state;
    struct config config, again;
    char text[8192] = "", repeated[8192] = "";
    load_good(&config,
              "[policy \"default\"]\nmode = report\n"
              "[policy \"a\"]\nusers = root 4000000001\ngroups = root\n"
              "allow = GET http://a.example\nallow = https://*\ndeny = none\n"
              "networks_allow = fd00::/8, 10.0.0.0/8\nisolate = user\nqueue = 3\n" GENERAL);
    show(&config, text, sizeof text);
    assert_non_null(strstr(text, "\n[policy \"a\"]\nusers = 0 ; root\nusers = 4000000001\n"
                                 "groups = 0 ; root\nmode = enforce\n"
                                 "allow = GET http://a.example\nallow = https://*\ndeny = none\n"
                                 "networks_allow = fd00::/8\nnetworks_allow = 10.0.0.0/8\n"
                                 "tls_insecure = yes\nproxies = any\ncredentials = none\n"
                                 "isolate = user\nrunning_per_user = 21\nqueue = 3\n"
                                 "clients_per_user = 23\nrequests_per_client = 24\n"
                                 "paused_memory = 25MiB\n"
                                 "\n[policy \"default\"]\nmode = report\nallow = any\n"
                                 "deny = none\ntls_insecure = yes\nproxies = any\n"
                                 "credentials = none\nisolate = no\nrunning_per_user = 21\n"));
    load_good(&again, text);
    show(&again, repeated, sizeof repeated);
    assert_int_equal(again.policies[0].allow.count, 2);
    config_finish(&config);
    config_finish(&again);
    assert_string_equal(repeated, text);
}

static void networks_that_are_built_in_are_shown(void **state)
{
    (void)state;
    struct config config;
    struct network network;
    char text[8192] = "";
    assert_true(network_parse(&network, "169.254.0.0/16"));
    const struct network_list built_in = {&network, 1};
    assert_int_equal(config_init(&config), 0);
    FILE *out = fmemopen(text, sizeof text, "w");
    config_show(out, &config, &built_in);
    fclose(out);
    assert_non_null(strstr(text, "\n; networks_deny = 169.254.0.0/16 (built in)\n"));
    config_finish(&config);
}

static void values_of_headers_are_not_shown(void **state)
{
    (void)state;
    struct config config;
    char text[8192] = "";
    load_good(&config, SECTION "header = Authorization: Bearer @/etc/api.token\n"
                               "header = X-Key: SECRET\n");
    show(&config, text, sizeof text);
    assert_non_null(strstr(text, "\n; header = Authorization: (not shown) ; with @/etc/api.token\n"
                                 "; header = X-Key: (not shown)\n"));
    assert_null(strstr(text, "SECRET"));
    assert_null(strstr(text, "Bearer"));
    config_finish(&config);
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
        cmocka_unit_test(the_last_word_of_a_header_may_be_a_file),
        cmocka_unit_test(what_is_wrong_in_a_header_is_said_without_its_value),
        cmocka_unit_test(of_a_headers_value_nothing_is_left_in_memory),
        cmocka_unit_test(without_a_file_there_is_the_policy_default),
        cmocka_unit_test(a_policy_has_all_that_its_section_says),
        cmocka_unit_test(policies_keep_the_order_of_the_file_and_default_is_last),
        cmocka_unit_test(what_a_policy_leaves_out_is_as_the_rest_of_the_file_says),
        cmocka_unit_test(what_a_policy_says_holds_against_the_rest_of_the_file),
        cmocka_unit_test(limits_of_a_policy_have_the_bounds_of_the_general_ones),
        cmocka_unit_test(what_is_wrong_in_a_policy_is_said_with_its_line),
        cmocka_unit_test(what_may_be_secret_is_not_in_the_sentence),
        cmocka_unit_test(the_longest_name_of_a_policy_is_taken),
        cmocka_unit_test(a_line_that_is_too_long_is_refused_and_never_cut),
        cmocka_unit_test(a_comment_may_have_any_length),
        cmocka_unit_test(indented_lines_are_lines_like_others),
        cmocka_unit_test(marks_of_other_systems_are_no_matter),
        cmocka_unit_test(a_nul_byte_does_not_hide_the_rest_of_its_line),
        cmocka_unit_test(a_directory_is_no_configuration),
        cmocka_unit_test(a_file_that_is_not_there_is_named),
        cmocka_unit_test(what_is_shown_can_be_read_again),
        cmocka_unit_test(policies_are_shown_with_all_that_holds_and_can_be_read_again),
        cmocka_unit_test(networks_that_are_built_in_are_shown),
        cmocka_unit_test(values_of_headers_are_not_shown),
        cmocka_unit_test(numbers_with_units_are_taken_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
