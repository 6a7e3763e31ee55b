/* config_compare: see config_compare.h. */
#include "config_compare.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config_show.h"

/* Longer values are cut in sentences. */
#define VALUE_MOST_CHARS 200

/* Longest sentence: two values, and the names of key and section. */
#define CHANGE_BYTES 640

struct comparing {
    struct config_changes *changes;
    int result;
    char section[160]; /* with its brackets */
};

/* Takes the text. */
static int append(char ***texts, size_t *count, char *text)
{
    char **more = reallocarray(*texts, *count + 1, sizeof *more);
    if (!more)
        return -ENOMEM;
    *texts = more;
    more[(*count)++] = text;
    return 0;
}

static void say(struct comparing *comparing, const char *what, bool is_fixed)
{
    struct config_changes *changes = comparing->changes;
    char *text = NULL;
    if (comparing->result < 0)
        return;
    if (asprintf(&text, "%s%s%s", comparing->section, *what == ':' ? "" : " ", what) < 0)
        comparing->result = -ENOMEM;
    else if (is_fixed)
        comparing->result = append(&changes->fixed, &changes->fixed_count, text);
    else
        comparing->result = append(&changes->taken, &changes->taken_count, text);
    if (comparing->result < 0)
        free(text);
}

/* ---- Values --------------------------------------------------------------------------------- */

static bool are_headers_equal(const struct config_origin *a, const struct config_origin *b)
{
    if (a->header_count != b->header_count)
        return false;
    for (size_t i = 0; i < a->header_count; i++) {
        const struct config_header *one = &a->headers[i], *other = &b->headers[i];
        const char *path = one->file_path ? one->file_path : "";
        if (strcmp(one->name, other->name) != 0 || strcmp(one->text, other->text) != 0 ||
            strcmp(path, other->file_path ? other->file_path : "") != 0)
            return false;
    }
    return true;
}

/* What is shown of them has names, for which somebody has to be asked. */
static bool are_ids_equal(const struct config_ids *a, const struct config_ids *b)
{
    return a->count == b->count &&
           (a->count == 0 || memcmp(a->items, b->items, a->count * sizeof *a->items) == 0);
}

static bool are_texts_equal(const void *a, const void *b, const struct config_key *key)
{
    const char *one = *(char *const *)((const char *)a + key->offset);
    const char *other = *(char *const *)((const char *)b + key->offset);
    return strcmp(one ? one : "", other ? other : "") == 0;
}

/* By what is shown of them: but for headers, and for texts that are not shown whole. */
static bool are_equal(const void *a, const void *b, const struct config_key *key)
{
    char one[CONFIG_SHOW_BYTES], other[CONFIG_SHOW_BYTES];
    bool has_one = true;
    if (key->type == CONFIG_HEADERS)
        return are_headers_equal(a, b);
    if (key->type == CONFIG_USERS || key->type == CONFIG_GROUPS)
        return are_ids_equal((const struct config_ids *)((const char *)a + key->offset),
                             (const struct config_ids *)((const char *)b + key->offset));
    if (key->type == CONFIG_PROXY || key->type == CONFIG_PATH)
        return are_texts_equal(a, b, key);
    for (size_t i = 0; has_one; i++) {
        has_one = config_show_item(one, sizeof one, a, key, i);
        bool has_other = config_show_item(other, sizeof other, b, key, i);
        if (has_one != has_other || (has_one && strcmp(one, other) != 0))
            return false;
    }
    return true;
}

static void compare_key(struct comparing *comparing, const void *before, const void *after,
                        const struct config_key *key, bool is_fixed)
{
    char one[CONFIG_SHOW_BYTES], other[CONFIG_SHOW_BYTES], what[CHANGE_BYTES];
    if (are_equal(before, after, key))
        return;
    if (config_key_is_list(key) || key->type == CONFIG_PATH) { /* whose query may be secret */
        snprintf(what, sizeof what, "%s: changed", key->name);
    } else {
        config_show_value(one, sizeof one, before, key);
        config_show_value(other, sizeof other, after, key);
        snprintf(what, sizeof what, "%.60s: %.*s -> %.*s", key->name, VALUE_MOST_CHARS,
                 *one ? one : "(default)", VALUE_MOST_CHARS, *other ? other : "(default)");
    }
    say(comparing, what, is_fixed);
}

static void compare_keys(struct comparing *comparing, const void *before, const void *after,
                         const struct config_key *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        compare_key(comparing, before, after, &keys[i], false);
}

/* ---- Sections ------------------------------------------------------------------------------- */

static void compare_sections(struct comparing *comparing, const struct config *before,
                             const struct config *after)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        snprintf(comparing->section, sizeof comparing->section, "[%s]", key->section);
        compare_key(comparing, before, after, key, config_key_is_fixed(key));
    }
}

static const struct config_origin *find_origin(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->origin_count; i++) {
        if (strcasecmp(config->origins[i].name, name) == 0)
            return &config->origins[i];
    }
    return NULL;
}

static void compare_origins(struct comparing *comparing, const struct config *before,
                            const struct config *after)
{
    for (size_t i = 0; i < before->origin_count; i++) {
        const struct config_origin *origin = &before->origins[i];
        const struct config_origin *now = find_origin(after, origin->name);
        snprintf(comparing->section, sizeof comparing->section, "[origin \"%.120s\"]",
                 origin->name);
        if (now)
            compare_keys(comparing, origin, now, config_origin_keys, config_origin_key_count);
        else
            say(comparing, ": removed", false);
    }
    for (size_t i = 0; i < after->origin_count; i++) {
        snprintf(comparing->section, sizeof comparing->section, "[origin \"%.120s\"]",
                 after->origins[i].name);
        if (!find_origin(before, after->origins[i].name))
            say(comparing, ": added", false);
    }
}

static const struct config_policy *find_policy(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->policy_count; i++) {
        if (strcmp(config->policies[i].name, name) == 0)
            return &config->policies[i];
    }
    return NULL;
}

/* The first one that names somebody holds. */
static bool are_in_order(const struct config *before, const struct config *after)
{
    size_t last = 0;
    for (size_t i = 0; i < before->policy_count; i++) {
        const struct config_policy *now = find_policy(after, before->policies[i].name);
        if (now && (size_t)(now - after->policies) < last)
            return false;
        last = now ? (size_t)(now - after->policies) : last;
    }
    return true;
}

static void compare_policies(struct comparing *comparing, const struct config *before,
                             const struct config *after)
{
    for (size_t i = 0; i < before->policy_count; i++) {
        const struct config_policy *policy = &before->policies[i];
        const struct config_policy *now = find_policy(after, policy->name);
        snprintf(comparing->section, sizeof comparing->section, "[policy \"%s\"]", policy->name);
        if (now)
            compare_keys(comparing, policy, now, config_policy_keys, config_policy_key_count);
        else
            say(comparing, ": removed", false);
    }
    for (size_t i = 0; i < after->policy_count; i++) {
        snprintf(comparing->section, sizeof comparing->section, "[policy \"%s\"]",
                 after->policies[i].name);
        if (!find_policy(before, after->policies[i].name))
            say(comparing, ": added", false);
    }
    snprintf(comparing->section, sizeof comparing->section, "[policy]");
    if (!are_in_order(before, after))
        say(comparing, "sections: in another order", false);
}

int config_compare(const struct config *before, const struct config *after,
                   struct config_changes *out_changes)
{
    struct comparing comparing = {.changes = out_changes};
    *out_changes = (struct config_changes){0};
    compare_sections(&comparing, before, after);
    compare_origins(&comparing, before, after);
    compare_policies(&comparing, before, after);
    return comparing.result;
}

static void finish(char **texts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(texts[i]);
    free(texts);
}

void config_changes_finish(struct config_changes *changes)
{
    finish(changes->taken, changes->taken_count);
    finish(changes->fixed, changes->fixed_count);
    *changes = (struct config_changes){0};
}
