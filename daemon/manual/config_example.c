/*
 * config_example: writes the fetchpool.conf that is installed, in which every key stands commented
 * out with its default and a line about it, from the table that the daemon reads its configuration
 * with. A program of the build, not installed.
 */
#include <stdio.h>
#include <string.h>

#include "config.h"

static const char head[] =
    "# Configuration of fetchpoold. Every key stands here with its default: take the ; away and\n"
    "# change the value. fetchpool.conf(5) has more about each.\n"
    "#\n"
    "# fetchpoold --config FILE --check    tries it\n"
    "# systemctl reload fetchpoold         has the daemon read it again; fetchpool reload, too\n";

/* The first sentence of the summary. */
static void put_summary(const struct config_key *key)
{
    const char *end = strstr(key->summary, ". ");
    int length = end ? (int)(end - key->summary) + 1 : (int)strlen(key->summary);
    printf("\n# %.*s\n", length, key->summary);
}

/* What a policy leaves out of its limits is as [limits] has it. */
static const char *preset_in_limits(const struct config_key *key)
{
    for (size_t i = 0; i < config_key_count; i++) {
        if (strcmp(config_keys[i].name, key->name) == 0 &&
            strcmp(config_keys[i].section, "limits") == 0)
            return config_keys[i].preset;
    }
    return NULL;
}

static const char *preset_of(const struct config_key *key)
{
    if (key->preset)
        return key->preset;
    switch (key->type) {
    case CONFIG_COUNT:
    case CONFIG_BYTES:
        return preset_in_limits(key);
    case CONFIG_ALLOW_RULES:
        return "any";
    case CONFIG_DENY_RULES:
    case CONFIG_PROXY_RULES:
    case CONFIG_ORIGIN_RULES:
        return "none";
    case CONFIG_BOOLEAN:
        return "no";
    default:
        return NULL;
    }
}

static void put_key(const struct config_key *key)
{
    const char *preset = preset_of(key);
    put_summary(key);
    printf(";%s =%s%s\n", key->name, preset ? " " : "", preset ? preset : "");
}

static void put_named(const char *about, const char *section, const struct config_key *keys,
                      size_t count)
{
    printf("\n# %s\n;[%s]\n", about, section);
    for (size_t i = 0; i < count; i++)
        put_key(&keys[i]);
}

int main(void)
{
    const char *section = "";
    fputs(head, stdout);
    for (size_t i = 0; i < config_key_count; i++) {
        if (strcmp(section, config_keys[i].section) != 0)
            printf("\n[%s]\n", config_keys[i].section);
        section = config_keys[i].section;
        put_key(&config_keys[i]);
    }
    put_named("A section for each origin of which more is to be said.",
              "origin \"https://api.example.com\"", config_origin_keys, config_origin_key_count);
    put_named("A section for what some users may do; \"default\" is for all whom no other names.",
              "policy \"jobs\"", config_policy_keys, config_policy_key_count);
    return ferror(stdout) || fflush(stdout) != 0;
}
