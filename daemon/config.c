/* config: see config.h. The table of keys is in config_keys.c, how a file is read in config_file.c.
 */
#include "config_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config_value.h"
#include "log.h"

/* ---- Values --------------------------------------------------------------------------------- */

const char *config_type_description(enum config_type type)
{
    switch (type) {
    case CONFIG_TEXT:
        return "a text that is not empty";
    case CONFIG_PEM_FILE:
        return "a file of certificates in PEM that can be read";
    case CONFIG_PATH:
        return "a path that begins with / and has no blanks";
    case CONFIG_FILE:
        return "a path of the file system that begins with /";
    case CONFIG_PROXY:
        return "an http://, https:// or socks5h:// URL";
    case CONFIG_LEVEL:
        return "error, warning, notice, info or debug";
    case CONFIG_URLS:
        return "origin, path or full";
    case CONFIG_BOOLEAN:
        return "yes or no";
    case CONFIG_MODE:
        return "enforce or report";
    case CONFIG_ISOLATION:
        return "no or user";
    case CONFIG_COUNT:
        return "a whole number";
    case CONFIG_BYTES:
        return "a size such as 4096, 64KiB, 16MiB or 1GiB";
    case CONFIG_DURATION:
        return "a duration such as 500ms, 30s, 5m or 1h";
    case CONFIG_HEADERS:
        return "NAME: VALUE";
    case CONFIG_USERS:
        return "names or numbers of users";
    case CONFIG_GROUPS:
        return "names or numbers of groups";
    case CONFIG_NETWORKS:
        return "networks such as 10.0.0.0/8 or fd00::/8";
    case CONFIG_ALLOW_RULES:
    case CONFIG_DENY_RULES:
        return "a rule such as GET https://*.example.com/v1/";
    case CONFIG_PROXY_RULES:
        return "none, any, or a proxy such as http://proxy.example.com:3128";
    case CONFIG_ORIGIN_RULES:
        return "none, any, or an origin such as https://api.example.com";
    }
    return "";
}

static int set_text(char **member, const char *text)
{
    if (!*text)
        return -EINVAL;
    char *copy = strdup(text);
    if (!copy)
        return -ENOMEM;
    free(*member);
    *member = copy;
    return 0;
}

static int set_level(int *member, const char *text)
{
    enum log_level level;
    if (!log_level_parse(text, &level))
        return -EINVAL;
    *member = (int)level;
    return 0;
}

static int set_urls(int *member, const char *text)
{
    enum log_urls urls;
    if (!log_urls_parse(text, &urls))
        return -EINVAL;
    *member = (int)urls;
    return 0;
}

/* One of two words, of which the first is false. */
static int set_choice(bool *member, const char *text, const char *no, const char *yes)
{
    bool is_yes = strcmp(text, yes) == 0;
    if (!is_yes && strcmp(text, no) != 0)
        return -EINVAL;
    *member = is_yes;
    return 0;
}

static int set_number(const struct config_key *key, uint64_t *member, const char *text)
{
    uint64_t number;
    bool is_valid = key->type == CONFIG_DURATION ? config_value_duration(text, &number)
                    : key->type == CONFIG_BYTES  ? config_value_bytes(text, &number)
                                                 : config_value_count(text, &number);
    if (!is_valid)
        return -EINVAL;
    if (number < key->least || number > key->most)
        return -ERANGE;
    *member = number;
    return 0;
}

int config_set_value(void *record, const struct config_key *key, const char *text)
{
    void *member = (char *)record + key->offset;
    switch (key->type) {
    case CONFIG_TEXT:
        return set_text(member, text);
    case CONFIG_PEM_FILE:
        return config_value_is_pem_file(text) ? set_text(member, text) : -EINVAL;
    case CONFIG_PATH:
        return config_value_is_path(text) ? set_text(member, text) : -EINVAL;
    case CONFIG_FILE:
        return *text == '/' ? set_text(member, text) : -EINVAL;
    case CONFIG_PROXY:
        return config_value_is_proxy(text) ? set_text(member, text) : -EINVAL;
    case CONFIG_LEVEL:
        return set_level(member, text);
    case CONFIG_URLS:
        return set_urls(member, text);
    case CONFIG_BOOLEAN:
        return config_value_boolean(text, member) ? 0 : -EINVAL;
    case CONFIG_MODE:
        return set_choice(member, text, "enforce", "report");
    case CONFIG_ISOLATION:
        return set_choice(member, text, "no", "user");
    case CONFIG_COUNT:
    case CONFIG_BYTES:
    case CONFIG_DURATION:
        return set_number(key, member, text);
    case CONFIG_HEADERS:
    case CONFIG_USERS:
    case CONFIG_GROUPS:
    case CONFIG_NETWORKS:
    case CONFIG_ALLOW_RULES:
    case CONFIG_DENY_RULES:
    case CONFIG_PROXY_RULES:
    case CONFIG_ORIGIN_RULES:
        return -EINVAL; /* config_list_add() */
    }
    return -EINVAL;
}

bool config_key_is_text(const struct config_key *key)
{
    return key->type == CONFIG_TEXT || key->type == CONFIG_PEM_FILE || key->type == CONFIG_PROXY ||
           key->type == CONFIG_PATH || key->type == CONFIG_FILE;
}

bool config_key_is_list(const struct config_key *key)
{
    return key->type >= CONFIG_HEADERS;
}

const struct config_key *config_key_find(const struct config_key *keys, size_t count,
                                         const char *section, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(section, keys[i].section) == 0 && strcmp(name, keys[i].name) == 0)
            return &keys[i];
    }
    return NULL;
}

int config_set_presets(void *record, const struct config_key *keys, size_t count)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < count; i++) {
        if (keys[i].preset)
            result = config_set_value(record, &keys[i], keys[i].preset);
    }
    return result;
}

void config_free_values(void *record, const struct config_key *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (config_key_is_text(&keys[i]))
            free(*(char **)((char *)record + keys[i].offset));
        if (config_key_is_list(&keys[i]))
            config_list_finish(record, &keys[i]);
    }
}

int config_preset(struct config *config)
{
    *config = (struct config){0};
    int result = config_set_presets(config, config_keys, config_key_count);
    return result == 0 ? config_policy_add_default(config) : result;
}

int config_init(struct config *config)
{
    int result = config_preset(config);
    if (result == 0)
        result = config_policies_inherit(config);
    if (result < 0)
        config_finish(config);
    return result;
}

void config_finish(struct config *config)
{
    for (size_t i = 0; i < config->origin_count; i++)
        config_origin_finish(&config->origins[i]);
    for (size_t i = 0; i < config->policy_count; i++)
        config_policy_finish(&config->policies[i]);
    free(config->origins);
    free(config->policies);
    config_free_values(config, config_keys, config_key_count);
    *config = (struct config){0};
}

/* Not of lists. 0 or -ENOMEM. */
static int copy_value(const struct config *from, struct config *to, const struct config_key *key)
{
    const void *source = (const char *)from + key->offset;
    void *member = (char *)to + key->offset;
    if (config_key_is_text(key)) {
        const char *text = *(char *const *)source;
        char *copy = text ? strdup(text) : NULL;
        if (text && !copy)
            return -ENOMEM;
        free(*(char **)member);
        *(char **)member = copy;
    } else {
        memcpy(member, source, key->type == CONFIG_BOOLEAN ? sizeof(bool) : sizeof(uint64_t));
    }
    return 0;
}

int config_keep_fixed(const struct config *config, struct config *fresh)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < config_key_count; i++) {
        if (config_key_is_fixed(&config_keys[i]))
            result = copy_value(config, fresh, &config_keys[i]);
    }
    return result;
}

void config_swap(struct config *a, struct config *b)
{
    struct config other = *a;
    *a = *b;
    *b = other;
}
