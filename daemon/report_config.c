/* report_config: the configuration and its changes as messages and as text; see report.h. */
#include "report_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_show.h"
#include "policy.h"

/* ---- The configuration ---------------------------------------------------------------------- */

static size_t count_items(const void *record, const struct config_key *key)
{
    char value[CONFIG_SHOW_BYTES];
    size_t count = 0;
    while (config_show_item(value, sizeof value, record, key, count))
        count++;
    return count;
}

/* As in a file: without what a comment says. */
static void put_value(struct buffer *out, char *value, const struct config_key *key)
{
    char *comment = config_key_is_list(key) ? strstr(value, " ; ") : NULL;
    if (comment)
        *comment = '\0';
    wire_put_text(out, value);
}

static void put_key(struct buffer *out, const void *record, const struct config_key *key)
{
    char value[CONFIG_SHOW_BYTES];
    wire_put_text(out, key->name);
    if (config_key_is_list(key))
        wire_put_array(out, count_items(record, key));
    for (size_t i = 0; config_show_item(value, sizeof value, record, key, i); i++)
        put_value(out, value, key);
}

static size_t count_keys(const char *section)
{
    size_t count = 0;
    for (size_t i = 0; i < config_key_count; i++)
        count += strcmp(config_keys[i].section, section) == 0;
    return count;
}

/* How many sections the table has: the keys of one stand together. */
static size_t count_sections(void)
{
    size_t count = 0;
    for (size_t i = 0; i < config_key_count; i++)
        count += i == 0 || strcmp(config_keys[i - 1].section, config_keys[i].section) != 0;
    return count;
}

static void put_sections(struct buffer *out, const struct config *config)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const char *section = config_keys[i].section;
        if (i == 0 || strcmp(config_keys[i - 1].section, section) != 0) {
            wire_put_text(out, section);
            wire_put_map(out, count_keys(section));
        }
        put_key(out, config, &config_keys[i]);
    }
}

/* One section [KIND "NAME"]. */
static void put_named(struct buffer *out, const char *kind, const char *name, const void *record,
                      const struct config_key *keys, size_t count)
{
    char title[400];
    snprintf(title, sizeof title, "%s \"%.380s\"", kind, name);
    wire_put_text(out, title);
    wire_put_map(out, count);
    for (size_t i = 0; i < count; i++)
        put_key(out, record, &keys[i]);
}

void report_config(struct buffer *out, const struct config *config)
{
    wire_put_map(out, count_sections() + config->origin_count + config->policy_count);
    put_sections(out, config);
    for (size_t i = 0; i < config->origin_count; i++)
        put_named(out, "origin", config->origins[i].name, &config->origins[i], config_origin_keys,
                  config_origin_key_count);
    for (size_t i = 0; i < config->policy_count; i++)
        put_named(out, "policy", config->policies[i].name, &config->policies[i], config_policy_keys,
                  config_policy_key_count);
}

void report_config_text(struct buffer *out, const struct config *config)
{
    char *text = NULL;
    size_t length = 0;
    FILE *file = open_memstream(&text, &length);
    if (file)
        config_show(file, config, policy_built_in_networks());
    if (!file || fclose(file) != 0)
        out->error = -ENOMEM;
    else
        buffer_append(out, text, length);
    free(text);
}

/* ---- Its changes ---------------------------------------------------------------------------- */

static void put_texts(struct buffer *out, const char *key, char *const *texts, size_t count)
{
    wire_put_text(out, key);
    wire_put_array(out, count);
    for (size_t i = 0; i < count; i++)
        wire_put_text(out, texts[i]);
}

void report_changes(struct buffer *out, const struct config_changes *changes)
{
    wire_put_map(out, 2);
    put_texts(out, "changed", changes->taken, changes->taken_count);
    put_texts(out, "restart", changes->fixed, changes->fixed_count);
}

void report_changes_text(struct buffer *out, const struct config_changes *changes)
{
    for (size_t i = 0; i < changes->taken_count; i++)
        buffer_append_format(out, "%s\n", changes->taken[i]);
    for (size_t i = 0; i < changes->fixed_count; i++)
        buffer_append_format(out, "needs a restart: %s\n", changes->fixed[i]);
    if (changes->taken_count == 0 && changes->fixed_count == 0)
        buffer_append_text(out, "nothing has changed\n");
}

/* ---- The end -------------------------------------------------------------------------------- */

void report_drain(struct buffer *out, const struct report_drain *drain)
{
    wire_put_map(out, 2);
    report_put_number(out, "in_flight", drain->in_flight);
    report_put_number(out, "timeout_ms", drain->timeout_ms);
}

void report_drain_text(struct buffer *out, const struct report_drain *drain)
{
    buffer_append_format(out, "shutting down: up to %llu ms for %llu requests\n",
                         (unsigned long long)drain->timeout_ms,
                         (unsigned long long)drain->in_flight);
}
