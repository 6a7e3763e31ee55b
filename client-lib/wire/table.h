/*
 * table: values as text for people: a list of maps becomes an aligned table, a map becomes lines
 * of a name and a value, anything else a line. The daemon's text dialect and the fetchpool command
 * show the same values with it, so that both look alike. Control characters, and what is not UTF-8,
 * are shown as '?': a name that a client chose must not steer somebody's terminal.
 *
 * A map in a cell is "CLOSED=3 TIMEOUT=1", a map of maps "queue=0/12/40 total=800/1200/9000", and
 * an empty one "-".
 */
#pragma once

#include "fetchpool.h"

struct buffer;

/* Appends to the buffer; what did not fit or could not be allocated is in its `error`. */
void table_render(struct buffer *out, const struct fetchpool_value *value);
