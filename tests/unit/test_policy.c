/* Policies: whose is which, and what each of their rules has to say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "policy.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static struct config_policy policy;

static int set_up(void **state)
{
    (void)state;
    policy = (struct config_policy){.name = "jobs"};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    url_rule_list_finish(&policy.allow);
    url_rule_list_finish(&policy.deny);
    url_rule_list_finish(&policy.proxies);
    url_rule_list_finish(&policy.credentials);
    network_list_finish(&policy.networks_allow);
    network_list_finish(&policy.networks_deny);
    return 0;
}

static void add_rule(struct url_rule_list *list, const char *text, enum url_rule_use use)
{
    char why[URL_RULE_WHY_BYTES];
    if (url_rule_list_add(list, text, use, why) != 0)
        fail_msg("%s: %s", text, why);
}

static void add_network(struct network_list *list, const char *text)
{
    struct network network;
    assert_true(network_parse(&network, text));
    assert_int_equal(network_list_add(list, &network), 0);
}

/* GET http://a/ by nobody's proxy. */
static struct policy_request plain_request(void)
{
    return (struct policy_request){.url = {.host = "a", .port = 80, .path = "/", .method = "GET"}};
}

static void assert_verdict(const struct policy_request *request, enum policy_answer answer,
                           const char *rule)
{
    struct policy_verdict verdict = {.rule = "left as it was"};
    enum policy_answer returned = policy_ask_request(&policy, request, &verdict);
    assert_int_equal(returned, answer);
    assert_int_equal(verdict.answer, answer);
    assert_string_equal(verdict.rule, rule);
}

static void assert_address(const char *text, enum policy_answer answer, const char *rule)
{
    struct network_address address;
    struct policy_verdict verdict = {.rule = "left as it was"};
    assert_true(network_address_parse(&address, text));
    enum policy_answer returned = policy_ask_address(&policy, &address, &verdict);
    if (returned != answer || strcmp(verdict.rule, rule) != 0)
        fail_msg("%s: %d, %s; not %d, %s", text, (int)returned, verdict.rule, (int)answer, rule);
    assert_int_equal(verdict.answer, answer);
}

/* ---- Whose ---------------------------------------------------------------------------------- */

static void the_first_policy_that_names_a_user_or_a_group_holds(void **state)
{
    (void)state;
    uint32_t users[] = {1000, 1001}, groups[] = {50, 51}, root[] = {0};
    struct config_policy policies[] = {
        {.name = "root", .users = {root, 1}},
        {.name = "groups", .groups = {groups, 2}},
        {.name = "users", .users = {users, 2}},
        {.name = "groups again", .groups = {groups, 2}, .users = {users, 1}},
        {.name = "default"},
    };
    struct config config = {.policies = policies, .policy_count = COUNT(policies)};
    static const gid_t some[] = {7, 51}, others[] = {7, 1000, 0};
    static const struct {
        struct policy_subject subject;
        size_t found;
    } cases[] = {
        {{.uid = 0, .gid = 50}, 0},
        {{.uid = 1000, .gid = 100}, 2},
        {{.uid = 1001, .gid = 100}, 2},
        {{.uid = 1001, .gid = 50}, 1},
        {{.uid = 1002, .gid = 51}, 1},
        {{.uid = 1002, .gid = 100, .groups = some, .group_count = 2}, 1},
        {{.uid = 1002, .gid = 100, .groups = some, .group_count = 1}, 4},
        {{.uid = 1002, .gid = 1000, .groups = others, .group_count = 3}, 4},
        {{.uid = 50, .gid = 0}, 4},
        {{.uid = (uid_t)-1, .gid = (gid_t)-1}, 4},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_ptr_equal(policy_find(&config, &cases[i].subject), &policies[cases[i].found]);
    config.policies = &policies[4];
    config.policy_count = 1;
    assert_ptr_equal(policy_find(&config, &cases[0].subject), &policies[4]);
}

/* ---- Requests ------------------------------------------------------------------------------- */

static void without_rules_everything_is_allowed(void **state)
{
    (void)state;
    struct policy_request request = plain_request();
    assert_verdict(&request, POLICY_ALLOWED, "");
    request.url.host = "10.0.0.1";
    assert_verdict(&request, POLICY_ALLOWED, "");
    request.url.host = "[::1]";
    assert_verdict(&request, POLICY_ALLOWED, "");
}

static void a_deny_rule_is_above_an_allow_rule(void **state)
{
    (void)state;
    struct policy_request request = plain_request();
    add_rule(&policy.allow, "http://a:*", URL_RULE_ALLOWS);
    add_rule(&policy.deny, "http://b", URL_RULE_DENIES);
    add_rule(&policy.deny, "http://*/secret", URL_RULE_DENIES);
    assert_verdict(&request, POLICY_ALLOWED, "");
    request.url.path = "/x/..;/secret/x";
    assert_verdict(&request, POLICY_DENIED, "policy \"jobs\": deny = http://*/secret");
    request.url.port = 8080;
    assert_verdict(&request, POLICY_DENIED, "policy \"jobs\": deny = http://*/secret");
    request.url.path = NULL;
    assert_verdict(&request, POLICY_ALLOWED, "");
    request.url.is_tls = true;
    assert_verdict(&request, POLICY_DENIED, "policy \"jobs\": no allow rule matches");
    request.url.is_tls = false;
    request.url.host = "b";
    assert_verdict(&request, POLICY_DENIED, "policy \"jobs\": deny = http://b");
    request.url.host = "c";
    assert_verdict(&request, POLICY_DENIED, "policy \"jobs\": no allow rule matches");
}

static void allow_none_allows_nothing(void **state)
{
    (void)state;
    struct policy_request request = plain_request();
    add_rule(&policy.allow, "none", URL_RULE_ALLOWS);
    assert_verdict(&request, POLICY_DENIED, "policy \"jobs\": no allow rule matches");
}

static void an_unverified_origin_needs_leave(void **state)
{
    (void)state;
    struct policy_request request = plain_request();
    request.is_tls_unverified = true;
    assert_verdict(
        &request, POLICY_DENIED,
        "policy \"jobs\": tls_insecure = no: certificates are to be verified (tls.verify, -k of "
        "the command)");
    policy.tls_insecure = true;
    assert_verdict(&request, POLICY_ALLOWED, "");
}

static void a_proxy_of_the_clients_needs_leave(void **state)
{
    (void)state;
    struct policy_request request = plain_request();
    request.proxy_scheme = "http";
    request.proxy_host = "evil";
    request.proxy_port = 3128;
    assert_verdict(&request, POLICY_DENIED,
                   "policy \"jobs\": proxies: no rule matches proxy http://evil:3128");
    add_rule(&policy.proxies, "http://proxy:3128", URL_RULE_PROXY);
    assert_verdict(&request, POLICY_DENIED,
                   "policy \"jobs\": proxies: no rule matches proxy http://evil:3128");
    request.proxy_host = "proxy";
    assert_verdict(&request, POLICY_ALLOWED, "");
    request.proxy_scheme = "socks5h";
    assert_verdict(&request, POLICY_DENIED,
                   "policy \"jobs\": proxies: no rule matches proxy socks5h://proxy:3128");
    add_rule(&policy.proxies, "any", URL_RULE_PROXY);
    assert_verdict(&request, POLICY_ALLOWED, "");
}

/* libcurl connects to an https proxy at 443 where no port is said, to others at 1080. */
static void a_rule_for_a_proxy_is_for_its_port(void **state)
{
    (void)state;
    struct policy_request request = plain_request();
    request.proxy_scheme = "https";
    request.proxy_host = "127.0.0.1";
    request.proxy_port = 443;
    add_rule(&policy.proxies, "https://127.0.0.1:1080", URL_RULE_PROXY);
    add_rule(&policy.proxies, "http://127.0.0.1", URL_RULE_PROXY);
    assert_verdict(&request, POLICY_DENIED,
                   "policy \"jobs\": proxies: no rule matches proxy https://127.0.0.1:443");
    add_rule(&policy.proxies, "https://127.0.0.1", URL_RULE_PROXY);
    assert_verdict(&request, POLICY_ALLOWED, "");
    request.proxy_scheme = "http";
    assert_verdict(&request, POLICY_DENIED,
                   "policy \"jobs\": proxies: no rule matches proxy http://127.0.0.1:443");
    request.proxy_port = 1080;
    assert_verdict(&request, POLICY_ALLOWED, "");
}

static void a_server_name_is_asked_about_as_a_host_is(void **state)
{
    (void)state;
    struct policy_request request = plain_request();
    request.url.is_tls = true;
    request.url.port = 8443;
    request.url.path = "/v1/x";
    request.server_name = "b";
    add_rule(&policy.deny, "DELETE *://forbidden.example", URL_RULE_DENIES);
    assert_verdict(&request, POLICY_ALLOWED, "");
    request.server_name = "forbidden.example";
    assert_verdict(&request, POLICY_ALLOWED, "");
    request.url.method = "DELETE";
    assert_verdict(&request, POLICY_DENIED, "policy \"jobs\": deny = DELETE *://forbidden.example");
    request.server_name = "forbidden.example.";
    assert_verdict(&request, POLICY_DENIED, "policy \"jobs\": deny = DELETE *://forbidden.example");
}

static void a_server_name_and_the_host_must_both_be_allowed(void **state)
{
    (void)state;
    struct policy_request request = plain_request();
    request.url.is_tls = true;
    request.url.port = 443;
    request.url.path = "/v1/x";
    request.server_name = "b";
    add_rule(&policy.allow, "https://a", URL_RULE_ALLOWS);
    assert_verdict(&request, POLICY_DENIED, "policy \"jobs\": no allow rule matches");
    add_rule(&policy.allow, "https://b:8443", URL_RULE_ALLOWS);
    add_rule(&policy.allow, "https://b/v2", URL_RULE_ALLOWS);
    assert_verdict(&request, POLICY_DENIED, "policy \"jobs\": no allow rule matches");
    add_rule(&policy.allow, "https://b/v1/", URL_RULE_ALLOWS);
    assert_verdict(&request, POLICY_ALLOWED, "");
    request.url.host = "c";
    assert_verdict(&request, POLICY_DENIED, "policy \"jobs\": no allow rule matches");
}

/* The log counts by it: what a client can vary is none of it. */
static void assert_topic(const struct policy_verdict *verdict, const char *topic)
{
    assert_int_equal(verdict->topic_length, strlen(topic));
    assert_memory_equal(verdict->rule, topic, strlen(topic));
}

static void the_topic_of_a_verdict_is_the_configurations(void **state)
{
    (void)state;
    struct policy_verdict verdict;
    struct policy_request request = plain_request();
    assert_int_equal(policy_ask_request(&policy, &request, &verdict), POLICY_ALLOWED);
    assert_topic(&verdict, "");
    request.proxy_scheme = "http";
    request.proxy_host = ", address evil";
    request.proxy_port = 1;
    assert_int_equal(policy_ask_request(&policy, &request, &verdict), POLICY_DENIED);
    assert_topic(&verdict, "policy \"jobs\": proxies: no rule matches");
    request = plain_request();
    request.url.host = "10.1.2.3";
    add_network(&policy.networks_deny, "10.0.0.0/8");
    assert_int_equal(policy_ask_request(&policy, &request, &verdict), POLICY_DENIED);
    assert_topic(&verdict, "policy \"jobs\": networks_deny = 10.0.0.0/8");
    request.url.host = "169.254.169.254";
    assert_int_equal(policy_ask_request(&policy, &request, &verdict), POLICY_DENIED);
    assert_topic(&verdict, "policy \"jobs\": networks_deny = 169.254.0.0/16 (built in)");
    request.url.host = "192.0.2.1";
    add_network(&policy.networks_allow, "127.0.0.1");
    assert_int_equal(policy_ask_request(&policy, &request, &verdict), POLICY_DENIED);
    assert_topic(&verdict, "policy \"jobs\": no network of networks_allow holds it");
    request.url.path = "/, address x";
    add_rule(&policy.deny, "http://*/,%20address%20x", URL_RULE_DENIES);
    assert_int_equal(policy_ask_request(&policy, &request, &verdict), POLICY_DENIED);
    assert_topic(&verdict, "policy \"jobs\": deny = http://*/,%20address%20x");
}

static void a_host_that_is_an_address_is_asked_about_as_one(void **state)
{
    (void)state;
    static const char *const metadata[] = {
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[::ffff:0:a9fe:a9fe]",
        "[::169.254.169.254]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::1]",
        "[fe80::1]",
        "[::]",
        "0.0.0.0",
        "255.255.255.255",
        "[ff02::1]",
        "224.0.0.1",
        "[0000:0000:0000:0000:0000:ffff:169.254.169.254]",
    };
    struct policy_verdict verdict;
    for (size_t i = 0; i < COUNT(metadata); i++) {
        struct policy_request request = plain_request();
        request.url.host = metadata[i];
        if (policy_ask_request(&policy, &request, &verdict) != POLICY_DENIED)
            fail_msg("%s is allowed", metadata[i]);
        assert_non_null(strstr(verdict.rule, "(built in)"));
    }
    struct policy_request request = plain_request();
    request.url.host = metadata[0];
    assert_verdict(&request, POLICY_DENIED,
                   "policy \"jobs\": networks_deny = 169.254.0.0/16 (built in), address "
                   "169.254.169.254");
    add_rule(&policy.proxies, "any",
             URL_RULE_PROXY); /* the proxy looks at it, we connect to that */
    request.proxy_scheme = "http";
    request.proxy_host = "proxy";
    assert_verdict(&request, POLICY_ALLOWED, "");
}

static void what_would_be_denied_is_only_reported(void **state)
{
    (void)state;
    struct policy_request request = plain_request();
    policy.is_reported = true;
    assert_verdict(&request, POLICY_ALLOWED, "");
    add_rule(&policy.allow, "none", URL_RULE_ALLOWS);
    assert_verdict(&request, POLICY_REPORTED, "policy \"jobs\": no allow rule matches");
    assert_address("0.0.0.0", POLICY_REPORTED,
                   "policy \"jobs\": networks_deny = 0.0.0.0/8 (built in), address 0.0.0.0");
}

static void a_long_rule_is_cut(void **state)
{
    (void)state;
    char rule[1000] = "http://a/";
    struct policy_verdict verdict;
    struct policy_request request = plain_request();
    memset(rule + strlen(rule), 'x', sizeof rule - strlen(rule) - 1);
    rule[sizeof rule - 1] = '\0';
    request.url.path = strchr(rule, 'x') - 1;
    add_rule(&policy.deny, rule, URL_RULE_DENIES);
    assert_int_equal(policy_ask_request(&policy, &request, &verdict), POLICY_DENIED);
    assert_int_equal(strlen(verdict.rule), sizeof verdict.rule - 1);
    assert_memory_equal(verdict.rule, "policy \"jobs\": deny = http://a/xxx", 34);
}

static void credentials_are_granted_by_origin(void **state)
{
    (void)state;
    struct url_rule_subject url = {.is_tls = true, .host = "a", .port = 443, .path = "/x"};
    assert_false(policy_grants_credentials(&policy, &url));
    add_rule(&policy.credentials, "https://a", URL_RULE_ORIGIN);
    assert_true(policy_grants_credentials(&policy, &url));
    url.port = 8443;
    assert_false(policy_grants_credentials(&policy, &url));
    url = (struct url_rule_subject){.is_tls = false, .host = "a", .port = 80};
    assert_false(policy_grants_credentials(&policy, &url));
    url = (struct url_rule_subject){.is_tls = true, .host = "b.a", .port = 443};
    assert_false(policy_grants_credentials(&policy, &url));
}

/* ---- Addresses ------------------------------------------------------------------------------ */

#define BUILT_IN(network) "policy \"jobs\": networks_deny = " network " (built in), address "
#define DENIED(network)   "policy \"jobs\": networks_deny = " network ", address "

static void some_networks_are_denied_by_every_policy(void **state)
{
    (void)state;
    static const char *const denied[][2] = {
        {"0.0.0.0", BUILT_IN("0.0.0.0/8") "0.0.0.0"},
        {"0.255.255.255", BUILT_IN("0.0.0.0/8") "0.255.255.255"},
        {"169.254.0.0", BUILT_IN("169.254.0.0/16") "169.254.0.0"},
        {"169.254.255.255", BUILT_IN("169.254.0.0/16") "169.254.255.255"},
        {"224.0.0.0", BUILT_IN("224.0.0.0/4") "224.0.0.0"},
        {"239.255.255.255", BUILT_IN("224.0.0.0/4") "239.255.255.255"},
        {"255.255.255.255", BUILT_IN("255.255.255.255") "255.255.255.255"},
        {"::", BUILT_IN("::") "::"},
        {"fe80::", BUILT_IN("fe80::/10") "fe80::"},
        {"febf:ffff::1", BUILT_IN("fe80::/10") "febf:ffff::1"},
        {"ff02::1", BUILT_IN("ff00::/8") "ff02::1"},
        {"::ffff:0.0.0.0", BUILT_IN("0.0.0.0/8") "0.0.0.0"},
        {"::2", BUILT_IN("0.0.0.0/8") "0.0.0.2 inside ::2"},
        {"64:ff9b::a9fe:a9fe",
         BUILT_IN("169.254.0.0/16") "169.254.169.254 inside 64:ff9b::a9fe:a9fe"},
        {"2002:a9fe:a9fe::", BUILT_IN("169.254.0.0/16") "169.254.169.254 inside 2002:a9fe:a9fe::"},
        {"::ffff:0:a9fe:a9fe",
         BUILT_IN("169.254.0.0/16") "169.254.169.254 inside ::ffff:0:a9fe:a9fe"},
    };
    static const char *const allowed[] = {
        "1.0.0.0",   "169.253.255.255", "169.255.0.0", "223.255.255.255", "240.0.0.0",
        "127.0.0.1", "255.255.255.254", "::1",         "fe7f::1",         "fec0::1",
        "fd00::1",   "2001:db8::1",     "10.0.0.1",    "64:ff9b::a00:1",
    };
    for (size_t i = 0; i < COUNT(denied); i++)
        assert_address(denied[i][0], POLICY_DENIED, denied[i][1]);
    for (size_t i = 0; i < COUNT(allowed); i++)
        assert_address(allowed[i], POLICY_ALLOWED, "");
    assert_int_equal(policy_built_in_networks()->count, 7);
}

static void the_smallest_network_decides(void **state)
{
    (void)state;
    add_network(&policy.networks_deny, "10.0.0.0/8");
    add_network(&policy.networks_allow, "10.1.0.0/16");
    add_network(&policy.networks_deny, "10.1.2.0/24");
    add_network(&policy.networks_allow, "10.1.2.3");
    add_network(&policy.networks_allow, "0.0.0.0/0");
    add_network(&policy.networks_allow, "192.0.2.0/24");
    add_network(&policy.networks_deny, "192.0.2.0/24");
    assert_address("10.2.0.1", POLICY_DENIED, DENIED("10.0.0.0/8") "10.2.0.1");
    assert_address("10.1.0.1", POLICY_ALLOWED, "");
    assert_address("10.1.2.1", POLICY_DENIED, DENIED("10.1.2.0/24") "10.1.2.1");
    assert_address("10.1.2.3", POLICY_ALLOWED, "");
    assert_address("11.0.0.1", POLICY_ALLOWED, "");
    assert_address("192.0.2.9", POLICY_DENIED, DENIED("192.0.2.0/24") "192.0.2.9");
    assert_address("169.254.0.1", POLICY_DENIED, BUILT_IN("169.254.0.0/16") "169.254.0.1");
}

static void where_networks_are_allowed_others_are_not(void **state)
{
    (void)state;
    assert_address("192.0.2.1", POLICY_ALLOWED, "");
    add_network(&policy.networks_allow, "10.0.0.0/8");
    assert_address("10.0.0.1", POLICY_ALLOWED, "");
    assert_address("192.0.2.1", POLICY_DENIED,
                   "policy \"jobs\": no network of networks_allow holds it, address 192.0.2.1");
    assert_address("2001:db8::1", POLICY_DENIED,
                   "policy \"jobs\": no network of networks_allow holds it, address 2001:db8::1");
    add_network(&policy.networks_allow, "::/0");
    assert_address("2001:db8::1", POLICY_ALLOWED, "");
    assert_address("192.0.2.1", POLICY_DENIED,
                   "policy \"jobs\": no network of networks_allow holds it, address 192.0.2.1");
}

static void a_built_in_network_gives_way_to_one_that_is_no_larger(void **state)
{
    (void)state;
    add_network(&policy.networks_allow, "168.0.0.0/6");
    assert_address("169.254.0.1", POLICY_DENIED, BUILT_IN("169.254.0.0/16") "169.254.0.1");
    add_network(&policy.networks_allow, "169.254.169.254");
    assert_address("169.254.169.254", POLICY_ALLOWED, "");
    assert_address("169.254.169.253", POLICY_DENIED, BUILT_IN("169.254.0.0/16") "169.254.169.253");
    add_network(&policy.networks_allow, "169.254.0.0/16");
    assert_address("169.254.169.253", POLICY_ALLOWED, "");
    add_network(&policy.networks_deny, "169.254.0.0/16");
    assert_address("169.254.169.253", POLICY_DENIED, DENIED("169.254.0.0/16") "169.254.169.253");
    assert_address("169.254.169.254", POLICY_ALLOWED, "");
}

/* Either side can deny; neither speaks for the other. */
static void inside_and_outside_are_both_asked_about(void **state)
{
    (void)state;
    add_network(&policy.networks_deny, "10.0.0.0/8");
    add_network(&policy.networks_allow, "64:ff9b::/96");
    add_network(&policy.networks_allow, "64:ff9b::a00:1");
    assert_address("64:ff9b::a00:1", POLICY_DENIED,
                   DENIED("10.0.0.0/8") "10.0.0.1 inside 64:ff9b::a00:1");
    add_network(&policy.networks_deny, "2000::/3");
    add_network(&policy.networks_allow, "0.0.0.0/0");
    assert_address("2002:c000:201::", POLICY_DENIED, DENIED("2000::/3") "2002:c000:201::");
    add_network(&policy.networks_allow, "2002::/16");
    assert_address("2002:c000:201::", POLICY_ALLOWED, "");
    assert_address("2002:a00:1::", POLICY_DENIED,
                   DENIED("10.0.0.0/8") "10.0.0.1 inside 2002:a00:1::");
    assert_address("192.0.2.1", POLICY_ALLOWED, "");
    add_network(&policy.networks_deny, "64:ff9b::/96");
    assert_address("64:ff9b::c000:201", POLICY_DENIED, DENIED("64:ff9b::/96") "64:ff9b::c000:201");
    assert_address("192.0.2.1", POLICY_ALLOWED, "");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_first_policy_that_names_a_user_or_a_group_holds),
        TEST(without_rules_everything_is_allowed),
        TEST(a_deny_rule_is_above_an_allow_rule),
        TEST(allow_none_allows_nothing),
        TEST(an_unverified_origin_needs_leave),
        TEST(a_proxy_of_the_clients_needs_leave),
        TEST(a_rule_for_a_proxy_is_for_its_port),
        TEST(a_server_name_is_asked_about_as_a_host_is),
        TEST(a_server_name_and_the_host_must_both_be_allowed),
        TEST(the_topic_of_a_verdict_is_the_configurations),
        TEST(a_host_that_is_an_address_is_asked_about_as_one),
        TEST(what_would_be_denied_is_only_reported),
        TEST(a_long_rule_is_cut),
        TEST(credentials_are_granted_by_origin),
        TEST(some_networks_are_denied_by_every_policy),
        TEST(the_smallest_network_decides),
        TEST(where_networks_are_allowed_others_are_not),
        TEST(a_built_in_network_gives_way_to_one_that_is_no_larger),
        TEST(inside_and_outside_are_both_asked_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
