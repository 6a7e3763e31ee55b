/* config_policy: sections [policy "name"]. What they mean is policy's to know. */
#include "config_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OF(member) offsetof(struct config_policy, member)

const struct config_key config_policy_keys[] = {
    {"policy", "users", CONFIG_USERS, OF(users), NULL, 0, 0,
     "Names or numbers of the users it holds for, with commas or blanks between them. Names are "
     "looked up when the file is read."},
    {"policy", "groups", CONFIG_GROUPS, OF(groups), NULL, 0, 0,
     "The same for groups: the primary and the supplementary ones of the client's process count."},
    {"policy", "mode", CONFIG_MODE, OF(is_reported), "enforce", 0, 0,
     "With report, what it would deny is allowed, and logged."},
    {"policy", "allow", CONFIG_ALLOW_RULES, OF(allow), NULL, 0, 0,
     "What its users may ask for, one rule a line: [METHOD ...] SCHEME://HOST[:PORT][/PATH], any "
     "or none. SCHEME is http, https or *. Each * in HOST stands for any bytes. PORT is a number "
     "or *, and by default the scheme's own. PATH is the begin of the path, in whole segments. "
     "Default: any."},
    {"policy", "deny", CONFIG_DENY_RULES, OF(deny), NULL, 0, 0,
     "What they may not ask for, whatever allow says, in the same form; without PORT, any. "
     "Default: none."},
    {"policy", "networks_allow", CONFIG_NETWORKS, OF(networks_allow), NULL, 0, 0,
     "Networks that may be connected to, as a list such as 10.1.0.0/16, fd00::/8. Of the networks "
     "here and in networks_deny that hold an address the smallest decides; an address that none "
     "holds is denied. Default: all."},
    {"policy", "networks_deny", CONFIG_NETWORKS, OF(networks_deny), NULL, 0, 0,
     "Networks that may not. Built in, for every policy: link-local, multicast, unspecified and "
     "broadcast addresses."},
    {"policy", "tls_insecure", CONFIG_BOOLEAN, OF(tls_insecure), NULL, 0, 0,
     "Whether they may ask not to verify certificates. Default: as [tls] allow_insecure."},
    {"policy", "proxies", CONFIG_PROXY_RULES, OF(proxies), NULL, 0, 0,
     "The proxies that they may name, one a line, such as http://proxy.example.com:3128, or any, "
     "or none. Default: any if [proxy] allow_client says yes, else none."},
    {"policy", "credentials", CONFIG_ORIGIN_RULES, OF(credentials), NULL, 0, 0,
     "The origins whose header ([origin]) their requests get, one a line. Default: none."},
    {"policy", "isolate", CONFIG_ISOLATION, OF(is_isolated), "no", 0, 0,
     "With user, each of its users has connections of their own."},
    {"policy", "running_per_user", CONFIG_COUNT, OF(running_per_user), NULL,
     CONFIG_BOUNDS_RUNNING_PER_USER, "As in [limits], for each of its users."},
    {"policy", "queue", CONFIG_COUNT, OF(queue), NULL, CONFIG_BOUNDS_QUEUE,
     "As in [limits], for each of its users."},
    {"policy", "clients_per_user", CONFIG_COUNT, OF(clients_per_user), NULL,
     CONFIG_BOUNDS_CLIENTS_PER_USER, "As in [limits], for each of its users."},
    {"policy", "requests_per_client", CONFIG_COUNT, OF(requests_per_client), NULL,
     CONFIG_BOUNDS_REQUESTS_PER_CLIENT, "As in [limits], for each of their connections."},
    {"policy", "paused_memory", CONFIG_BYTES, OF(paused_memory_bytes), NULL,
     CONFIG_BOUNDS_PAUSED_MEMORY, "As in [limits], for each of its users."},
};

const size_t config_policy_key_count = sizeof config_policy_keys / sizeof config_policy_keys[0];

_Static_assert(sizeof config_policy_keys / sizeof config_policy_keys[0] <= CONFIG_SECTION_KEYS_MOST,
               "is_given has room for each");

/* ---- Sections ------------------------------------------------------------------------------- */

bool config_policy_is_name(const char *name)
{
    for (const char *at = name; *at; at++) {
        if (*at < ' ' || *at > '~' || *at == '"')
            return false;
    }
    return *name && strlen(name) <= CONFIG_POLICY_NAME_MOST_BYTES;
}

/* Puts an empty one at this place of the list. */
static struct config_policy *insert(struct config *config, size_t index, const char *name)
{
    char *copy = strdup(name);
    struct config_policy *policies =
        copy ? reallocarray(config->policies, config->policy_count + 1, sizeof *policies) : NULL;
    if (!policies) {
        free(copy);
        return NULL;
    }
    config->policies = policies;
    struct config_policy *policy = &policies[index];
    memmove(policy + 1, policy, (config->policy_count - index) * sizeof *policy);
    config->policy_count++;
    *policy = (struct config_policy){.name = copy};
    return policy;
}

static struct config_policy *add(struct config *config, size_t index, const char *name)
{
    struct config_policy *policy = insert(config, index, name);
    if (policy && config_set_presets(policy, config_policy_keys, config_policy_key_count) < 0)
        return NULL;
    return policy;
}

int config_policy_add_default(struct config *config)
{
    return add(config, 0, CONFIG_POLICY_DEFAULT) ? 0 : -ENOMEM;
}

struct config_policy *config_policy_get(struct config *config, const char *name)
{
    for (size_t i = 0; i < config->policy_count; i++) {
        if (strcmp(config->policies[i].name, name) == 0)
            return &config->policies[i];
    }
    return add(config, config->policy_count - 1, name);
}

void config_policy_finish(struct config_policy *policy)
{
    free(policy->name);
    config_free_values(policy, config_policy_keys, config_policy_key_count);
}

const char *config_policy_fault(const struct config_policy *policy)
{
    bool names_somebody = policy->users.count > 0 || policy->groups.count > 0;
    bool is_default = strcmp(policy->name, CONFIG_POLICY_DEFAULT) == 0;
    if (is_default && names_somebody)
        return "it holds for everybody whom no other policy names; expected neither users nor "
               "groups";
    if (!is_default && !names_somebody)
        return "it holds for nobody; expected users or groups";
    return NULL;
}

/* ---- What is left out ----------------------------------------------------------------------- */

/* As the key of the same name in [limits]. */
static void inherit_limit(struct config_policy *policy, const struct config *config,
                          const struct config_key *key)
{
    const struct config_key *source = config_key_find(config_keys, config_key_count, "limits",
                                                      key->name);
    memcpy((char *)policy + key->offset, (const char *)config + source->offset, sizeof(uint64_t));
}

static int inherit_proxies(struct config_policy *policy, const struct config *config)
{
    char why[URL_RULE_WHY_BYTES];
    const char *preset = config->allow_client_proxy ? "any" : "none";
    return url_rule_list_add(&policy->proxies, preset, URL_RULE_PROXY, why);
}

/* A key that is not given leaves its member as it was added. */
static int inherit(struct config_policy *policy, const struct config *config)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < config_policy_key_count; i++) {
        const struct config_key *key = &config_policy_keys[i];
        if (policy->is_given[i])
            continue;
        if (key->type == CONFIG_COUNT || key->type == CONFIG_BYTES)
            inherit_limit(policy, config, key);
        else if (key->type == CONFIG_BOOLEAN)
            policy->tls_insecure = config->allow_insecure;
        else if (key->type == CONFIG_PROXY_RULES)
            result = inherit_proxies(policy, config);
    }
    return result;
}

int config_policies_inherit(struct config *config)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < config->policy_count; i++)
        result = inherit(&config->policies[i], config);
    return result;
}
