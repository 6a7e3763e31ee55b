/* config_show: see config_show.h. */
#include "config_show.h"

#include <string.h>

#include "config_internal.h"
#include "config_value.h"
#include "log.h"

void config_show_value(char *out_text, size_t size, const void *record,
                       const struct config_key *key)
{
    const void *member = (const char *)record + key->offset;
    const char *text;
    switch (key->type) {
    case CONFIG_TEXT:
    case CONFIG_PEM_FILE:
    case CONFIG_PROXY:
    case CONFIG_PATH:
        text = *(char *const *)member;
        snprintf(out_text, size, "%s", text ? text : "");
        break;
    case CONFIG_LEVEL:
        snprintf(out_text, size, "%s", log_level_name(*(const int *)member));
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
static void show_headers(FILE *out, const struct config_origin *origin)
{
    for (size_t i = 0; i < origin->header_count; i++) {
        const struct config_header *header = &origin->headers[i];
        fprintf(out, "; header = %s: (not shown)", header->name);
        if (header->file_path)
            fprintf(out, " ; with @%s", header->file_path);
        fputc('\n', out);
    }
}

static void show_ids(FILE *out, const struct config_key *key, const struct config_ids *ids)
{
    char name[256];
    for (size_t i = 0; i < ids->count; i++) {
        fprintf(out, "%s = %u", key->name, ids->items[i]);
        if (config_id_name(name, sizeof name, key->type, ids->items[i]))
            fprintf(out, " ; %s", name);
        fputc('\n', out);
    }
}

static void show_networks(FILE *out, const struct config_key *key, const struct network_list *list)
{
    char text[NETWORK_TEXT_BYTES];
    for (size_t i = 0; i < list->count; i++) {
        network_print(text, sizeof text, &list->items[i]);
        fprintf(out, "%s = %s\n", key->name, text);
    }
}

static void show_rules(FILE *out, const struct config_key *key, const struct url_rule_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        fprintf(out, "%s = %s\n", key->name, url_rule_text(list->items[i]));
    if (list->count == 0)
        fprintf(out, "%s = %s\n", key->name, key->type == CONFIG_ALLOW_RULES ? "any" : "none");
}

static void show_list(FILE *out, const void *record, const struct config_key *key)
{
    const void *member = (const char *)record + key->offset;
    switch (key->type) {
    case CONFIG_HEADERS:
        show_headers(out, record);
        break;
    case CONFIG_USERS:
    case CONFIG_GROUPS:
        show_ids(out, key, member);
        break;
    case CONFIG_NETWORKS:
        show_networks(out, key, member);
        break;
    default:
        show_rules(out, key, member);
    }
}

/* ---- Sections ------------------------------------------------------------------------------- */

static void show_key(FILE *out, const void *record, const struct config_key *key)
{
    char value[4096];
    if (config_key_is_list(key)) {
        show_list(out, record, key);
        return;
    }
    config_show_value(value, sizeof value, record, key);
    fprintf(out, "%s%s =%s%s\n", *value ? "" : "; ", key->name, *value ? " " : "", value);
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
