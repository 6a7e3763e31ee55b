/* head: an answer's status line and header fields, as -i shows them and size_header counts them. */
#pragma once

#include "buffer.h"
#include "fetchpool.h"

/* Appends the head and its empty line. What did not fit is in the buffer's `error`. */
void head_render(struct buffer *buffer, const struct fetchpool_response *response);
