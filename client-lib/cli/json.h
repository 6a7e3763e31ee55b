/* json: a value of the daemon's as JSON, by jansson. */
#pragma once

#include "buffer.h"
#include "fetchpool.h"

/*
 * Appends the value as indented JSON and a line end. A string's bytes that are no UTF-8 become '?'.
 * What did not fit or could not be allocated is in the buffer's `error`.
 */
void json_render(struct buffer *buffer, const struct fetchpool_value *value);
