/* config_show: see config_show.h. */
#include "config_show.h"

#include <string.h>

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
    case CONFIG_COUNT:
    case CONFIG_BYTES:
    case CONFIG_DURATION:
        config_value_print(out_text, size, key->type == CONFIG_BYTES, key->type == CONFIG_DURATION,
                           *(const uint64_t *)member);
        break;
    }
}

static void show_key(FILE *out, const void *record, const struct config_key *key)
{
    char value[4096];
    config_show_value(value, sizeof value, record, key);
    fprintf(out, "%s%s =%s%s\n", *value ? "" : "; ", key->name, *value ? " " : "", value);
}

void config_show(FILE *out, const struct config *config)
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
}
