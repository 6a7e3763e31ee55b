/* config_list: keys whose values add up: see config_internal.h. */
#include "config_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BETWEEN_WORDS " \t,"

bool config_next_word(const char **text, char out_word[CONFIG_LINE_BYTES])
{
    const char *begin = *text + strspn(*text, BETWEEN_WORDS);
    size_t length = strcspn(begin, BETWEEN_WORDS);
    snprintf(out_word, CONFIG_LINE_BYTES, "%.*s", (int)length, begin);
    *text = begin + length;
    return length > 0;
}

static int add_networks(struct network_list *networks, const char *text, char *out_why)
{
    char word[CONFIG_LINE_BYTES];
    struct network network;
    int result = 0;
    while (result == 0 && config_next_word(&text, word)) {
        if (!network_parse(&network, word)) {
            snprintf(out_why, CONFIG_WHY_BYTES,
                     "%.60s is no network; expected one such as 10.0.0.0/8, 192.0.2.1 or fd00::/8, "
                     "without bits beyond its length",
                     word);
            return -EINVAL;
        }
        result = network_list_add(networks, &network);
    }
    return result;
}

/* Its sentences say what they are about in quotation marks, which may be secret. */
static int add_rule(struct url_rule_list *rules, const char *text, enum url_rule_use use,
                    enum config_type type, char *out_why)
{
    _Static_assert(URL_RULE_WHY_BYTES <= CONFIG_WHY_BYTES, "its sentences fit");
    int result = url_rule_list_add(rules, text, use, out_why);
    bool is_secret = type == CONFIG_PROXY_RULES || !config_unless_secret(text, NULL);
    if (result == -EINVAL && is_secret && strchr(out_why, '"'))
        snprintf(out_why, CONFIG_WHY_BYTES, "(not shown): expected %s",
                 config_type_description(type));
    return result;
}

static int add(void *record, const struct config_key *key, const char *text, char *out_why)
{
    void *member = (char *)record + key->offset;
    switch (key->type) {
    case CONFIG_HEADERS:
        return config_header_add(record, text, out_why);
    case CONFIG_USERS:
    case CONFIG_GROUPS:
        return config_ids_add(member, key->type, text, out_why);
    case CONFIG_NETWORKS:
        return add_networks(member, text, out_why);
    case CONFIG_ALLOW_RULES:
        return add_rule(member, text, URL_RULE_ALLOWS, key->type, out_why);
    case CONFIG_DENY_RULES:
        return add_rule(member, text, URL_RULE_DENIES, key->type, out_why);
    case CONFIG_PROXY_RULES:
        return add_rule(member, text, URL_RULE_PROXY, key->type, out_why);
    case CONFIG_ORIGIN_RULES:
        return add_rule(member, text, URL_RULE_ORIGIN, key->type, out_why);
    default:
        return -EINVAL;
    }
}

int config_list_add(void *record, const struct config_key *key, const char *text, char *out_why)
{
    if (text[strspn(text, BETWEEN_WORDS)] == '\0') {
        snprintf(out_why, CONFIG_WHY_BYTES, "expected %s", config_type_description(key->type));
        return -EINVAL;
    }
    return add(record, key, text, out_why);
}

void config_list_finish(void *record, const struct config_key *key)
{
    void *member = (char *)record + key->offset;
    switch (key->type) {
    case CONFIG_HEADERS:
        config_headers_finish(record);
        break;
    case CONFIG_USERS:
    case CONFIG_GROUPS:
        free(((struct config_ids *)member)->items);
        break;
    case CONFIG_NETWORKS:
        network_list_finish(member);
        break;
    default:
        url_rule_list_finish(member);
    }
}
