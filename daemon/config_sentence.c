/*
 * config_sentence: parts of the sentences that say what is wrong in a file: what was expected, and
 * what of the file may be repeated. Sentences go to the log, and to whoever asked for a reload.
 */
#include "config_internal.h"

#include <stdio.h>
#include <string.h>

void config_append_name(char *list, size_t size, const char *name)
{
    size_t length = strlen(list);
    if (length < size)
        snprintf(list + length, size - length, "%s%s", length ? ", " : "", name);
}

void config_list_sections(char *out_list, size_t size)
{
    const char *last = "";
    *out_list = '\0';
    for (size_t i = 0; i < config_key_count; i++) {
        if (strcmp(last, config_keys[i].section) != 0)
            config_append_name(out_list, size, last = config_keys[i].section);
    }
    config_append_name(out_list, size, CONFIG_ORIGIN_FORM);
    config_append_name(out_list, size, CONFIG_POLICY_FORM);
}

/* Behind these are a password's host, a query and a fragment. */
const char *config_unless_secret(const char *text, const char *otherwise)
{
    return strpbrk(text, "@?#") ? otherwise : text;
}

/* A URL that is wrong may have a password anywhere, and so may a path: it was to be a URL. */
const char *config_shown_value(const struct config_key *key, const char *text)
{
    bool is_secret = key->type == CONFIG_PROXY || key->type == CONFIG_PATH;
    return is_secret && *text ? "(not shown)" : text;
}
