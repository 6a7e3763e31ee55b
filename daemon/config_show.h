/*
 * config_show: a configuration as a file would have it, every key with the value in force, but for
 * header fields and the proxy's password, which are secret.
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

/* Room for any value: the longest are paths. */
#define CONFIG_SHOW_BYTES 4352

/*
 * The same of the item `index` of a list, or of any other key as its only item; false if there are
 * no more. Of a header, the name. Behind " ; " stands what is not part of the value.
 */
bool config_show_item(char *out_text, size_t size, const void *record, const struct config_key *key,
                      size_t index);
