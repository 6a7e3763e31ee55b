/*
 * config_show: a configuration as a file would have it, every key with the value in force.
 */
#pragma once

#include <stdio.h>

#include "config.h"

void config_show(FILE *out, const struct config *config);

/* One value of a record (config.h) as one would write it; "" for a text that is absent. */
void config_show_value(char *out_text, size_t size, const void *record,
                       const struct config_key *key);
