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
