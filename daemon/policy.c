/* policy: see policy.h. */
#include "policy.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define IPV4_NETWORK(a, b, c, d, bits)                                                             \
    {                                                                                              \
        .first.bytes = {[10] = 0xff, [11] = 0xff, [12] = (a), [13] = (b), [14] = (c), [15] = (d)}, \
        .prefix_bits = 96 + (bits)                                                                 \
    }
#define IPV6_NETWORK(a, b, bits)                                                                   \
    {                                                                                              \
        .first.bytes = {(a), (b)}, .prefix_bits = (bits)                                           \
    }

static struct network built_in_networks[] = {
    IPV4_NETWORK(0, 0, 0, 0, 8),   IPV4_NETWORK(169, 254, 0, 0, 16),
    IPV4_NETWORK(224, 0, 0, 0, 4), IPV4_NETWORK(255, 255, 255, 255, 32),
    IPV6_NETWORK(0, 0, 128),       IPV6_NETWORK(0xfe, 0x80, 10),
    IPV6_NETWORK(0xff, 0, 8),
};
static const struct network_list built_in = {
    .items = built_in_networks, .count = sizeof built_in_networks / sizeof *built_in_networks};

const struct network_list *policy_built_in_networks(void)
{
    return &built_in;
}

/* ---- Whose ---------------------------------------------------------------------------------- */

static bool has_id(const struct config_ids *ids, uint32_t id)
{
    for (size_t i = 0; i < ids->count; i++) {
        if (ids->items[i] == id)
            return true;
    }
    return false;
}

static bool names(const struct config_policy *policy, const struct policy_subject *subject)
{
    if (has_id(&policy->users, subject->uid) || has_id(&policy->groups, subject->gid))
        return true;
    for (size_t i = 0; i < subject->group_count; i++) {
        if (has_id(&policy->groups, subject->groups[i]))
            return true;
    }
    return false;
}

const struct config_policy *policy_find(const struct config *config,
                                        const struct policy_subject *subject)
{
    assert(config->policy_count > 0);
    size_t last = config->policy_count - 1;
    for (size_t i = 0; i < last; i++) {
        if (names(&config->policies[i], subject))
            return &config->policies[i];
    }
    return &config->policies[last];
}

/* ---- Verdicts ------------------------------------------------------------------------------- */

static enum policy_answer allow(struct policy_verdict *verdict)
{
    verdict->rule[0] = '\0';
    verdict->topic_length = 0;
    return verdict->answer = POLICY_ALLOWED;
}

/* What the policy has against it. */
__attribute__((format(printf, 3, 4))) static enum policy_answer
deny(const struct config_policy *policy, struct policy_verdict *verdict, const char *format, ...)
{
    va_list arguments;
    int length = snprintf(verdict->rule, sizeof verdict->rule, "policy \"%s\": ", policy->name);
    if (length > 0 && (size_t)length < sizeof verdict->rule) {
        va_start(arguments, format);
        vsnprintf(verdict->rule + length, sizeof verdict->rule - (size_t)length, format, arguments);
        va_end(arguments);
    }
    verdict->topic_length = strlen(verdict->rule);
    return verdict->answer = policy->is_reported ? POLICY_REPORTED : POLICY_DENIED;
}

/* What follows came from outside. */
__attribute__((format(printf, 2, 3))) static enum policy_answer add(struct policy_verdict *verdict,
                                                                    const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(verdict->rule + verdict->topic_length, sizeof verdict->rule - verdict->topic_length,
              format, arguments);
    va_end(arguments);
    return verdict->answer;
}

/* ---- Addresses ------------------------------------------------------------------------------ */

/* "192.0.2.1", or "192.0.2.1 inside 64:ff9b::c000:201" if that is what was unwrapped. */
static enum policy_answer deny_address(const struct config_policy *policy,
                                       const struct network *network, const char *origin,
                                       const struct network_address *address,
                                       struct policy_verdict *verdict)
{
    struct network_address outer;
    char network_text[NETWORK_TEXT_BYTES], text[NETWORK_TEXT_BYTES];
    char outer_text[NETWORK_TEXT_BYTES] = "";
    network_print(network_text, sizeof network_text, network);
    network_address_print(text, sizeof text, address);
    bool has_outer = network_address_outer(&outer, address);
    if (has_outer)
        network_address_print(outer_text, sizeof outer_text, &outer);
    deny(policy, verdict, "networks_deny = %s%s", network_text, origin);
    return add(verdict, ", address %s%s%s", text, has_outer ? " inside " : "", outer_text);
}

static enum policy_answer deny_unlisted(const struct config_policy *policy,
                                        const struct network_address *address,
                                        struct policy_verdict *verdict)
{
    char text[NETWORK_TEXT_BYTES];
    network_address_print(text, sizeof text, address);
    deny(policy, verdict, "no network of networks_allow holds it");
    return add(verdict, ", address %s", text);
}

static bool is_smaller(const struct network *network, const struct network *other)
{
    return network && (!other || network->prefix_bits > other->prefix_bits);
}

/* As it is, with nothing inside of anything. */
static enum policy_answer ask_one_address(const struct config_policy *policy,
                                          const struct network_address *address,
                                          struct policy_verdict *verdict)
{
    const struct network *allowed = network_list_find(&policy->networks_allow, address);
    const struct network *denied = network_list_find(&policy->networks_deny, address);
    const struct network *presumed = network_list_find(&built_in, address);
    if (denied && !is_smaller(allowed, denied))
        return deny_address(policy, denied, "", address, verdict);
    if (is_smaller(presumed, allowed))
        return deny_address(policy, presumed, " (built in)", address, verdict);
    if (policy->networks_allow.count > 0 && !allowed && !denied)
        return deny_unlisted(policy, address, verdict);
    return allow(verdict);
}

enum policy_answer policy_ask_address(const struct config_policy *policy,
                                      const struct network_address *address,
                                      struct policy_verdict *out_verdict)
{
    struct network_address outer;
    enum policy_answer answer = ask_one_address(policy, address, out_verdict);
    if (answer == POLICY_ALLOWED && network_address_outer(&outer, address))
        return ask_one_address(policy, &outer, out_verdict);
    return answer;
}

/* ---- Requests ------------------------------------------------------------------------------- */

static bool is_address(struct network_address *out_address, const char *host)
{
    char inside[NETWORK_TEXT_BYTES];
    size_t length = strlen(host);
    if (host[0] != '[')
        return network_address_parse(out_address, host);
    if (length < 2 || length - 2 >= sizeof inside || host[length - 1] != ']')
        return false;
    memcpy(inside, host + 1, length - 2);
    inside[length - 2] = '\0';
    return network_address_parse(out_address, inside);
}

static enum policy_answer ask_host(const struct config_policy *policy,
                                   const struct policy_request *request,
                                   struct policy_verdict *verdict)
{
    struct network_address address;
    return !request->proxy_scheme && is_address(&address, request->url.host)
               ? policy_ask_address(policy, &address, verdict)
               : allow(verdict);
}

static bool has_denied_proxy(const struct config_policy *policy,
                             const struct policy_request *request)
{
    return request->proxy_scheme &&
           !url_rule_list_find_proxy(&policy->proxies, request->proxy_scheme, request->proxy_host,
                                     request->proxy_port);
}

static enum policy_answer ask_rules(const struct config_policy *policy,
                                    const struct url_rule_subject *url,
                                    struct policy_verdict *verdict)
{
    const struct url_rule *rule = url_rule_list_find(&policy->deny, url);
    if (rule)
        return deny(policy, verdict, "deny = %s", url_rule_text(rule));
    if (policy->allow.count > 0 && !url_rule_list_find(&policy->allow, url))
        return deny(policy, verdict, "no allow rule matches");
    return allow(verdict);
}

static enum policy_answer deny_proxy(const struct config_policy *policy,
                                     const struct policy_request *request,
                                     struct policy_verdict *verdict)
{
    deny(policy, verdict, "proxies: no rule matches");
    return add(verdict, " proxy %s://%.200s:%u", request->proxy_scheme, request->proxy_host,
               request->proxy_port);
}

enum policy_answer policy_ask_request(const struct config_policy *policy,
                                      const struct policy_request *request,
                                      struct policy_verdict *out_verdict)
{
    enum policy_answer answer = ask_rules(policy, &request->url, out_verdict);
    if (answer == POLICY_ALLOWED && request->server_name) {
        struct url_rule_subject named = request->url;
        named.host = request->server_name;
        answer = ask_rules(policy, &named, out_verdict);
    }
    if (answer != POLICY_ALLOWED)
        return answer;
    if (request->is_tls_unverified && !policy->tls_insecure)
        return deny(policy, out_verdict,
                    "tls_insecure = no: certificates are to be verified (tls.verify, "
                    "-k of the command)");
    if (has_denied_proxy(policy, request))
        return deny_proxy(policy, request, out_verdict);
    return ask_host(policy, request, out_verdict);
}

bool policy_grants_credentials(const struct config_policy *policy,
                               const struct url_rule_subject *url)
{
    return url_rule_list_find(&policy->credentials, url) != NULL;
}

void policy_name_section(const struct config_policy *policy, bool is_own,
                         char out_text[POLICY_SECTION_BYTES])
{
    if (policy && is_own)
        snprintf(out_text, POLICY_SECTION_BYTES, "[policy \"%s\"]", policy->name);
    else
        snprintf(out_text, POLICY_SECTION_BYTES, "[limits]");
}
