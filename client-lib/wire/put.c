/*
 * put: MessagePack values, written straight into a buffer: each in the shortest form that holds it,
 * head and body with one look at the room that there is. Everything that goes out is put together
 * from these.
 */
#include "internal.h"

#include <string.h>

/* What comes before a value's own bytes: its form, and in so many bytes its number, or how long or
 * large it is. */
struct head {
    uint64_t number;
    uint8_t form;
    uint8_t bytes;
};

static void put(struct buffer *buffer, struct head head, const void *body, size_t length)
{
    uint8_t *at = buffer_extend(buffer, 1 + head.bytes + length);
    if (!at)
        return;
    *at++ = head.form;
    for (unsigned i = head.bytes; i > 0; head.number >>= 8)
        at[--i] = (uint8_t)head.number;
    if (length > 0)
        memcpy(at + head.bytes, body, length);
}

static void put_head(struct buffer *buffer, struct head head)
{
    put(buffer, head, NULL, 0);
}

/* ---- Arrays and maps ------------------------------------------------------------------------ */

static struct head count_head(uint8_t fixed, uint8_t form_16, size_t count)
{
    if (count < 16)
        return (struct head){.form = (uint8_t)(fixed | count)};
    return count <= UINT16_MAX ? (struct head){count, form_16, 2}
                               : (struct head){count, form_16 + 1, 4};
}

void wire_put_array(struct buffer *buffer, size_t count)
{
    put_head(buffer, count_head(0x90, 0xdc, count));
}

void wire_put_map(struct buffer *buffer, size_t count)
{
    put_head(buffer, count_head(0x80, 0xde, count));
}

/* ---- Strings and bytes ---------------------------------------------------------------------- */

static struct head length_head(uint8_t form_8, size_t length)
{
    if (length <= UINT8_MAX)
        return (struct head){length, form_8, 1};
    return length <= UINT16_MAX ? (struct head){length, form_8 + 1, 2}
                                : (struct head){length, form_8 + 2, 4};
}

/* Of less than 32 bytes, which most are: every key is. */
static void put_short_str(struct buffer *buffer, struct wire_str str)
{
    uint8_t *at = buffer_extend(buffer, 1 + str.length);
    if (!at)
        return;
    *at = (uint8_t)(0xa0 | str.length);
    if (str.length > 0)
        memcpy(at + 1, str.data, str.length);
}

void wire_put_str(struct buffer *buffer, struct wire_str str)
{
    if (str.length < 32)
        put_short_str(buffer, str);
    else
        put(buffer, length_head(0xd9, str.length), str.data, str.length);
}

void wire_put_bin_head(struct buffer *buffer, size_t length)
{
    put_head(buffer, length_head(0xc4, length));
}

void wire_put_bin(struct buffer *buffer, struct wire_str bytes)
{
    put(buffer, length_head(0xc4, bytes.length), bytes.data, bytes.length);
}

/* Origins send Latin-1 or worse; as str it would make many libraries refuse the whole message, as
 * bin it costs nobody anything. */
void wire_put_any(struct buffer *buffer, struct wire_str bytes)
{
    if (wire_is_utf8(bytes))
        wire_put_str(buffer, bytes);
    else
        wire_put_bin(buffer, bytes);
}

/* ---- Numbers and the rest ------------------------------------------------------------------- */

static struct head number_head(uint64_t number)
{
    if (number < 0x80)
        return (struct head){.form = (uint8_t)number};
    if (number <= UINT8_MAX)
        return (struct head){number, 0xcc, 1};
    if (number <= UINT16_MAX)
        return (struct head){number, 0xcd, 2};
    return number <= UINT32_MAX ? (struct head){number, 0xce, 4} : (struct head){number, 0xcf, 8};
}

void wire_put_unsigned(struct buffer *buffer, uint64_t number)
{
    put_head(buffer, number_head(number));
}

void wire_put_real(struct buffer *buffer, double number)
{
    uint64_t bits;
    memcpy(&bits, &number, sizeof bits);
    put_head(buffer, (struct head){bits, 0xcb, 8});
}

static void put_byte(struct buffer *buffer, uint8_t byte)
{
    put_head(buffer, (struct head){.form = byte});
}

void wire_put_nil(struct buffer *buffer)
{
    put_byte(buffer, 0xc0);
}

void wire_put_boolean(struct buffer *buffer, bool boolean)
{
    put_byte(buffer, boolean ? 0xc3 : 0xc2);
}
