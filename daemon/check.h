/* check: fetchpoold --check: could a daemon start with this configuration, and what holds then? */
#pragma once

#include "config.h"

/* Prints all that is in force, or says what is wrong with the files that it names. `path`: where it
 * was read, "" if nowhere. Returns the process's exit status. */
int check_run(const struct config *config, const char *path);
