/*
 * credential: the header fields that the daemon adds to requests to an origin ([origin] header), so
 * that its users' jobs hold no secrets. What is written as @/path is the content of that file, read
 * at start and at SIGHUP. Who gets them is policy's to say.
 *
 * The values are secret: they are wiped when they are replaced, and never said in an error.
 */
#pragma once

#include "config.h"
#include "fetchpool_wire.h"
#include "field_list.h"

struct credential_table;

/* The largest file: as large as all header fields of a request together may be ([limits]
 * max_header_bytes) at the most. */
#define CREDENTIAL_MOST_BYTES 65536

/* 0 and a table that owns what it holds; -ENOMEM; or -EINVAL with a sentence that names the origin
 * and the file. Reads files: blocks as long as they do. */
int credential_table_read(struct credential_table **out_table, const struct config *config,
                          struct wire_why *why);
void credential_table_destroy(struct credential_table *table);

/* The fields for an origin as in struct url; NULL if there are none. As long as the table. */
const struct field_list *credential_find(const struct credential_table *table, const char *origin);
