/*
 * fields: the header fields of a request: those of -H, and those that we send like curl where -H
 * does not speak of them.
 *
 * A line is "Name: value"; "Name:" takes a default field away; "Name;" sends it empty. A line
 * without either is passed over, as curl does.
 */
#pragma once

#include "fetchpool.h"

#include <stdbool.h>
#include <stddef.h>

struct fields {
    char **lines; /* owned, and so is each */
    size_t count;
};

void fields_finish(struct fields *fields);

/* One -H: a line, or the lines of @file. 0 or a negative errno. */
int fields_add(struct fields *fields, const char *argument);

/* Puts the lines into the request, which remembers a failure. */
void fields_put(const struct fields *fields, struct fetchpool_request *request);

/* Puts a field of ours into the request, unless a line speaks of it, or value is NULL or "". */
void fields_put_default(const struct fields *fields, struct fetchpool_request *request,
                        const char *name, const char *value);

/* As that, the value of Authorization for -u. */
void fields_put_basic(const struct fields *fields, struct fetchpool_request *request,
                      const char *user);
