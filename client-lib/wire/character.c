/* character: see character.h. */
#include "character.h"

#include <stdbool.h>

#include "buffer.h"
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

void character_put_all(struct buffer *out, const char *bytes, size_t length)
{
    while (length > 0 && out->error == 0) {
        size_t count = character_length(bytes, length);
        if (count > 0)
            buffer_append(out, bytes, count);
        else
            buffer_append(out, "?", 1);
        count = count > 0 ? count : 1;
        bytes += count;
        length -= count;
    }
}
