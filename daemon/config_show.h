/*
 * config_show: a configuration as a file would have it, every key with the value in force, but for
 * header fields, whose values may be secret.
 */
#pragma once

#include <stdio.h>

#include "config.h"

/* `built_in`: networks that every policy denies. */
void config_show(FILE *out, const struct config *config, const struct network_list *built_in);

/* One value of a record (config.h) as one would write it; "" for a text that is absent, and
 * for lists. */
void config_show_value(char *out_text, size_t size, const void *record,
                       const struct config_key *key);
