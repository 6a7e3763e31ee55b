/* What the files of config share. */
#pragma once

#include "config.h"

/* No fewer than there are keys of an origin. */
#define CONFIG_ORIGIN_KEYS_MOST 16

/*
 * Sets the key's member of a record, a struct config or config_origin. 0, -EINVAL (no value of its
 * type), -ERANGE (out of its bounds) or -ENOMEM; unchanged then.
 */
int config_set_value(void *record, const struct config_key *key, const char *text);

/* All keys at their defaults. */
int config_set_presets(void *record, const struct config_key *keys, size_t count);
