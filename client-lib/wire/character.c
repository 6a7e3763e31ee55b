/* character: see character.h. */
#include "character.h"

#include <stdbool.h>

static bool is_between(unsigned char byte, unsigned char least, unsigned char most)
{
    return byte >= least && byte <= most;
}

size_t character_length(const char *bytes, size_t length)
{
    const unsigned char *at = (const unsigned char *)bytes;
    size_t count = at[0] < 0x80 ? 1 : at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    unsigned char least = at[0] == 0xc2 || at[0] == 0xe0 ? 0xa0 : at[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char most = at[0] == 0xed ? 0x9f : at[0] == 0xf4 ? 0x8f : 0xbf;
    if (count == 1)
        return is_between(at[0], 0x20, 0x7e) ? 1 : 0;
    if (!is_between(at[0], 0xc2, 0xf4) || count > length || !is_between(at[1], least, most))
        return 0;
    for (size_t i = 2; i < count; i++) {
        if (!is_between(at[i], 0x80, 0xbf))
            return 0;
    }
    return count;
}
