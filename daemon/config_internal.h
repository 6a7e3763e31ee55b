/* What the files of config share. */
#pragma once

#include "config.h"
#include "fetchpool_wire.h"

#define CONFIG_KIB ((uint64_t)1 << 10)
#define CONFIG_MIB ((uint64_t)1 << 20)
#define CONFIG_GIB ((uint64_t)1 << 30)

/* Least and most of the keys that stand in [limits] and in policies. */
#define CONFIG_BOUNDS_CLIENTS_PER_USER    1, 1000000
#define CONFIG_BOUNDS_RUNNING_PER_USER    1, 1000000
#define CONFIG_BOUNDS_QUEUE               1, 10000000
#define CONFIG_BOUNDS_REQUESTS_PER_CLIENT 1, 100000
#define CONFIG_BOUNDS_PAUSED_MEMORY       CONFIG_MIB, 64 * CONFIG_GIB

/*
 * Sets the key's member of a record, a struct config, config_origin or config_policy. 0, -EINVAL
 * (no value of its type), -ERANGE (out of its bounds) or -ENOMEM; unchanged then. Not for lists.
 */
int config_set_value(void *record, const struct config_key *key, const char *text);

/* Every key at its default, and the policy "default" without what it inherits. 0 or -ENOMEM. */
int config_preset(struct config *config);

/* All keys that have a default at it. */
int config_set_presets(void *record, const struct config_key *keys, size_t count);

/* Frees what the members own. */
void config_free_values(void *record, const struct config_key *keys, size_t count);

/* NULL: there is none. */
const struct config_key *config_key_find(const struct config_key *keys, size_t count,
                                         const char *section, const char *name);

/* ---- Sentences about what is wrong ---------------------------------------------------------- */

#define CONFIG_ORIGIN_FORM "origin \"https://HOST\""
#define CONFIG_POLICY_FORM "policy \"NAME\""

/* To a list with commas. What finds no room is cut. */
void config_append_name(char *list, size_t size, const char *name);

/* All that there may be. */
void config_list_sections(char *out_list, size_t size);

/* What stands in brackets, or `otherwise` if it looks like a URL with a password or a token. */
const char *config_unless_secret(const char *text, const char *otherwise);

/* A value that its key does not take, as it may be repeated. */
const char *config_shown_value(const struct config_key *key, const char *text);

/* ---- Lists ---------------------------------------------------------------------------------- */

/* Longest sentence about what is wrong with a value. */
#define CONFIG_WHY_BYTES 512

/* Adds what one line says. 0, -ENOMEM, or -EINVAL with a sentence about what is wrong. */
int config_list_add(void *record, const struct config_key *key, const char *text, char *out_why);
void config_list_finish(void *record, const struct config_key *key);

/* The same for users and groups, in config_ids.c: commas or blanks stand between them. */
int config_ids_add(struct config_ids *ids, enum config_type type, const char *text, char *out_why);

/* The name of a user or group; false if it has none. */
bool config_id_name(char *out_name, size_t size, enum config_type type, uint32_t id);

/* Room for any line of a file; one with a value is bounded by inih, too. */
#define CONFIG_LINE_BYTES 1024

/* The next word of a list at `*text`, which is moved behind it; false if there is none. */
bool config_next_word(const char **text, char out_word[CONFIG_LINE_BYTES]);

/* ---- Sections of origins and policies ------------------------------------------------------- */

/* Is it an origin that can be asked? 0, -ENOMEM, or -EINVAL with the reason. */
int config_origin_check(const char *name, struct wire_why *why);
/* The one of this name, added if there is none. NULL: out of memory. */
struct config_origin *config_origin_get(struct config *config, const char *name);
void config_origin_finish(struct config_origin *origin);

/* One line `header = NAME: VALUE`. As config_list_add(); the sentence has nothing of the value. */
int config_header_add(struct config_origin *origin, const char *text, char *out_why);
void config_headers_finish(struct config_origin *origin);

#define CONFIG_POLICY_DEFAULT         "default"
#define CONFIG_POLICY_NAME_MOST_BYTES 64

/* 0 or -ENOMEM. */
int config_policy_add_default(struct config *config);

/* The one of this name, added before "default" if there is none. NULL: out of memory. */
struct config_policy *config_policy_get(struct config *config, const char *name);
void config_policy_finish(struct config_policy *policy);

/* Printable and not too long? */
bool config_policy_is_name(const char *name);

/* What is wrong with it as a whole; NULL: nothing. */
const char *config_policy_fault(const struct config_policy *policy);

/* Once, when all has been read: what policies leave out becomes as the rest of the configuration
 * says. 0 or -ENOMEM. */
int config_policies_inherit(struct config *config);
