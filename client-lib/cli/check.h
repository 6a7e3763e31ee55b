/*
 * check: `fetchpool check URL`: what the daemon's policy would say to a fetch of it, and which rule
 * decides. Nothing of the fetch is sent.
 */
#pragma once

#include "options.h"

/* Asks, shows the verdict, says what went wrong. Returns the exit code: EXIT_CODE_DENIED if the
 * fetch would be denied. */
int check_run(struct fetchpool *client, const struct options *options);
