/* report: ping, stats, connections, origins and clients: what the daemon says of itself, shown. */
#pragma once

#include "options.h"

/* Asks, shows the answer as a table or as JSON, says what went wrong. Returns the exit code. */
int report_run(struct fetchpool *client, const struct options *options);
