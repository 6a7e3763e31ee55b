/*
 * variable: the words of -w's language that stand for something about a transfer: curl's, and ours
 * for the connection (connection_id, reused, connection_requests, connection_age) and for the error
 * (error_code, error_class): curl's exit codes do not say whether sending again can do harm.
 *
 * size_header is the size of the head as -i shows it: nearly the size of what an origin sent over
 * HTTP/1.1, and, as with curl, a size that nobody sent over HTTP/2.
 */
#pragma once

#include "buffer.h"
#include "transfer.h"

#include <stdbool.h>

/* Appends a variable's value. False, and nothing appended, if there is none of that name. */
bool variable_put(struct buffer *text, const struct transfer *transfer, const char *name);
