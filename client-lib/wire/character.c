/* character: see character.h. */
#include "character.h"

#include <stdbool.h>

#include "fetchpool_wire.h"

static bool is_control(const unsigned char *at, size_t length)
{
    if (length == 1)
        return at[0] < 0x20 || at[0] == 0x7f;
    return length == 2 && at[0] == 0xc2 && at[1] < 0xa0;
}

size_t character_length(const char *bytes, size_t length)
{
    size_t count = wire_utf8_length((struct wire_str){bytes, length});
    return is_control((const unsigned char *)bytes, count) ? 0 : count;
}
