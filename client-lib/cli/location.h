/*
 * location: URLs as far as the command has to understand them, which is little: the daemon reads
 * them for good. Pure functions on text.
 */
#pragma once

/* Returns owned: the URL with http:// before it if it has no scheme. NULL without memory. */
char *location_complete(const char *url);

/* Returns owned: where a Location field of the answer from `base` leads. NULL without memory. */
char *location_resolve(const char *base, const char *reference);

/* Returns owned: the file name that -O takes from a URL. NULL without memory. */
char *location_file_name(const char *url);

/*
 * Returns owned: the URL, with the name of a local file behind it if it ends in no name of its own,
 * as curl's -T does: at a '/', or at the authority, and without a query. NULL without memory.
 */
char *location_append(const char *url, const char *file);
