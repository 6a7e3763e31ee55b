/*
 * character: which bytes are a character that may be shown to a person. What clients, origins and
 * files say is shown on terminals; none of it may steer one.
 */
#pragma once

#include <stddef.h>

struct buffer;

/*
 * How many bytes a character has that begins here and may be shown; 0 for none. Control characters
 * may not, those of 8 bits (U+0080 to U+009F) included: to some terminals U+009B is ESC [. Nor may
 * what is not UTF-8, for who reads it leniently may find one in it.
 */
size_t character_length(const char *bytes, size_t length);

/* Appends these bytes: characters that may be shown as they are, any other byte as '?'. */
void character_put_all(struct buffer *out, const char *bytes, size_t length);
