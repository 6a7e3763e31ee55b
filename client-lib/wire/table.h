/*
 * table: values as text for people: a list of maps becomes an aligned table, a map becomes lines
 * of a name and a value, anything else a line. The daemon's text dialect and the fetchpool command
 * show the same values with it, so that both look alike. Control bytes are shown as '?': a name
 * that a client chose must not steer somebody's terminal.
 */
#pragma once

#include "fetchpool.h"

struct buffer;

/* Appends to the buffer; what did not fit or could not be allocated is in its `error`. */
void table_render(struct buffer *out, const struct fetchpool_value *value);
