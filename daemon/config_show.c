/* config_show: see config_show.h. */
#include "config_show.h"

#include <string.h>

#include "config_internal.h"
#include "config_value.h"
#include "log.h"

/* Its password is left out. */
static void show_proxy(char *out_text, size_t size, const char *url)
{
    const char *authority = url ? strstr(url, "://") + 3 : "";
    const char *host = strrchr(authority, '@');
    const char *colon = host ? memchr(authority, ':', (size_t)(host - authority)) : NULL;
    if (colon)
        snprintf(out_text, size, "%.*s:***%s", (int)(colon - url), url, host);
    else
        snprintf(out_text, size, "%s", url ? url : "");
}

void config_show_value(char *out_text, size_t size, const void *record,
                       const struct config_key *key)
{
    const void *member = (const char *)record + key->offset;
    const char *text;
    switch (key->type) {
    case CONFIG_PROXY:
        show_proxy(out_text, size, *(char *const *)member);
        break;
    case CONFIG_TEXT:
    case CONFIG_PEM_FILE:
    case CONFIG_PATH:
    case CONFIG_FILE:
        text = *(char *const *)member;
        snprintf(out_text, size, "%s", text ? text : "");
        break;
    case CONFIG_LEVEL:
        snprintf(out_text, size, "%s", log_level_name(*(const int *)member));
        break;
    case CONFIG_URLS:
        snprintf(out_text, size, "%s", log_urls_name(*(const int *)member));
        break;
    case CONFIG_BOOLEAN:
        snprintf(out_text, size, "%s", *(const bool *)member ? "yes" : "no");
        break;
    case CONFIG_MODE:
        snprintf(out_text, size, "%s", *(const bool *)member ? "report" : "enforce");
        break;
    case CONFIG_ISOLATION:
        snprintf(out_text, size, "%s", *(const bool *)member ? "user" : "no");
        break;
    case CONFIG_COUNT:
    case CONFIG_BYTES:
    case CONFIG_DURATION:
        config_value_print(out_text, size, key->type == CONFIG_BYTES, key->type == CONFIG_DURATION,
                           *(const uint64_t *)member);
        break;
    case CONFIG_HEADERS:
    case CONFIG_USERS:
    case CONFIG_GROUPS:
    case CONFIG_NETWORKS:
    case CONFIG_ALLOW_RULES:
    case CONFIG_DENY_RULES:
    case CONFIG_PROXY_RULES:
    case CONFIG_ORIGIN_RULES:
        *out_text = '\0'; /* has more than one */
    }
}

/* ---- Lists: a line for each item ------------------------------------------------------------ */

/* Values may be secret. */
static bool header_item(char *out_text, size_t size, const struct config_origin *origin,
                        size_t index)
{
    if (index >= origin->header_count)
        return false;
    const struct config_header *header = &origin->headers[index];
    snprintf(out_text, size, "%s: (not shown)%s%s", header->name,
             header->file_path ? " ; with @" : "", header->file_path ? header->file_path : "");
    return true;
}

static bool id_item(char *out_text, size_t size, const struct config_key *key,
                    const struct config_ids *ids, size_t index)
{
    char name[256];
    if (index >= ids->count)
        return false;
    int length = snprintf(out_text, size, "%u", ids->items[index]);
    if (config_id_name(name, sizeof name, key->type, ids->items[index]))
        snprintf(out_text + length, size - (size_t)length, " ; %s", name);
    return true;
}

static bool network_item(char *out_text, size_t size, const struct network_list *list, size_t index)
{
    char text[NETWORK_TEXT_BYTES];
    if (index >= list->count)
        return false;
    network_print(text, sizeof text, &list->items[index]);
    snprintf(out_text, size, "%s", text);
    return true;
}

static bool rule_item(char *out_text, size_t size, const struct config_key *key,
                      const struct url_rule_list *list, size_t index)
{
    if (index >= list->count && index > 0)
        return false;
    const char *absent = key->type == CONFIG_ALLOW_RULES ? "any" : "none";
    snprintf(out_text, size, "%s", list->count > 0 ? url_rule_text(list->items[index]) : absent);
    return true;
}

bool config_show_item(char *out_text, size_t size, const void *record, const struct config_key *key,
                      size_t index)
{
    const void *member = (const char *)record + key->offset;
    switch (key->type) {
    case CONFIG_HEADERS:
        return header_item(out_text, size, record, index);
    case CONFIG_USERS:
    case CONFIG_GROUPS:
        return id_item(out_text, size, key, member, index);
    case CONFIG_NETWORKS:
        return network_item(out_text, size, member, index);
    case CONFIG_ALLOW_RULES:
    case CONFIG_DENY_RULES:
    case CONFIG_PROXY_RULES:
    case CONFIG_ORIGIN_RULES:
        return rule_item(out_text, size, key, member, index);
    default:
        if (index == 0)
            config_show_value(out_text, size, record, key);
        return index == 0;
    }
}

/* ---- Sections ------------------------------------------------------------------------------- */

/* What is not to be written so in a file is a comment. */
static void show_key(FILE *out, const void *record, const struct config_key *key)
{
    char value[CONFIG_SHOW_BYTES];
    for (size_t i = 0; config_show_item(value, sizeof value, record, key, i); i++) {
        bool is_line = *value && key->type != CONFIG_HEADERS;
        fprintf(out, "%s%s =%s%s\n", is_line ? "" : "; ", key->name, *value ? " " : "", value);
    }
}

static void show_built_in(FILE *out, const struct network_list *built_in)
{
    char text[NETWORK_TEXT_BYTES];
    fputs("\n; of every policy, unless its networks_allow has one that is no larger:\n", out);
    for (size_t i = 0; i < built_in->count; i++) {
        network_print(text, sizeof text, &built_in->items[i]);
        fprintf(out, "; networks_deny = %s (built in)\n", text);
    }
}

void config_show(FILE *out, const struct config *config, const struct network_list *built_in)
{
    const char *section = "";
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (strcmp(section, key->section) != 0)
            fprintf(out, "%s[%s]\n", *section ? "\n" : "", key->section);
        section = key->section;
        show_key(out, config, key);
    }
    for (size_t i = 0; i < config->origin_count; i++) {
        fprintf(out, "\n[origin \"%s\"]\n", config->origins[i].name);
        for (size_t j = 0; j < config_origin_key_count; j++)
            show_key(out, &config->origins[i], &config_origin_keys[j]);
    }
    for (size_t i = 0; i < config->policy_count; i++) {
        fprintf(out, "\n[policy \"%s\"]\n", config->policies[i].name);
        for (size_t j = 0; j < config_policy_key_count; j++)
            show_key(out, &config->policies[i], &config_policy_keys[j]);
    }
    show_built_in(out, built_in);
}
