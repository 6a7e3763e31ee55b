/*
 * report: ping, stats, connections, origins, clients, and for who runs it config, reload and drain:
 * what the daemon says of itself, shown.
 */
#pragma once

#include "options.h"

/* Asks, shows the answer as a table or as JSON, says what went wrong. Returns the exit code. */
int report_run(struct fetchpool *client, const struct options *options);

/* Writes an answer as a person reads it. */
typedef void (*report_render)(const void *ctx, struct buffer *out,
                              const struct fetchpool_value *answer);

/* Shows any answer to a question, so or as JSON, or says what went wrong. Returns the exit code. */
int report_answer(const struct fetchpool *client, const struct options *options,
                  const struct fetchpool_response *response, report_render render, const void *ctx);
