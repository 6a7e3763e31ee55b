/* top: what the daemon does, live: the head and a list, drawn anew each second. */
#pragma once

#include "options.h"

/* Until the user, --count or an error ends it. Says what went wrong. Returns the exit code. */
int top_run(struct fetchpool *client, const struct options *options);
