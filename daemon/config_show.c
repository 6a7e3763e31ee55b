/* config_show: see config_show.h. */
#include "config_show.h"

#include <string.h>

#include "config_value.h"
#include "log.h"

void config_show_value(char *out_text, size_t size, const struct config *config,
                       const struct config_key *key)
{
    const void *member = (const char *)config + key->offset;
    const char *text;
    switch (key->type) {
    case CONFIG_TEXT:
    case CONFIG_PEM_FILE:
    case CONFIG_PROXY:
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

void config_show(FILE *out, const struct config *config)
{
    const char *section = "";
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        char value[4096];
        if (strcmp(section, key->section) != 0)
            fprintf(out, "%s[%s]\n", *section ? "\n" : "", key->section);
        section = key->section;
        config_show_value(value, sizeof value, config, key);
        fprintf(out, "%s%s =%s%s\n", *value ? "" : "; ", key->name, *value ? " " : "", value);
    }
}
