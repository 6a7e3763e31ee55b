/* request_field: see request_field.h. */
#include "request_field.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

/* Names in messages are cut to this. */
#define SHOWN_NAME_BYTES 80

#define NAME(literal)                                                                              \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

static const struct wire_str daemons_own[] = {
    NAME("Connection"),
    NAME("Content-Length"),
    NAME("Expect"),
    NAME("Keep-Alive"),
    NAME("TE"),
    NAME("Trailer"),
    NAME("Upgrade"),
    NAME("Transfer-Encoding"),
    NAME("HTTP2-Settings"), /* an upgrade to h2c */
};

static int shown(struct wire_str name)
{
    return (int)(name.length < SHOWN_NAME_BYTES ? name.length : SHOWN_NAME_BYTES);
}

/* RFC 9110, 5.6.2. */
static const bool is_token_byte[UCHAR_MAX + 1] = {
    ['!'] = true,         ['#'] = true,         ['$'] = true,         ['%'] = true, ['&'] = true,
    ['\''] = true,        ['*'] = true,         ['+'] = true,         ['-'] = true, ['.'] = true,
    ['^'] = true,         ['_'] = true,         ['`'] = true,         ['|'] = true, ['~'] = true,
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
};

bool request_field_is_token(struct wire_str str)
{
    for (size_t i = 0; i < str.length; i++) {
        if (!is_token_byte[(unsigned char)str.data[i]])
            return false;
    }
    return str.length > 0;
}

struct wire_str request_field_trim(struct wire_str value)
{
    while (value.length > 0 && (value.data[0] == ' ' || value.data[0] == '\t')) {
        value.data++;
        value.length--;
    }
    while (value.length > 0 &&
           (value.data[value.length - 1] == ' ' || value.data[value.length - 1] == '\t'))
        value.length--;
    return value;
}

static bool is_daemons_own(struct wire_str name)
{
    if (name.length >= 6 && strncasecmp(name.data, "Proxy-", 6) == 0)
        return true;
    for (size_t i = 0; i < sizeof daemons_own / sizeof daemons_own[0]; i++) {
        if (daemons_own[i].length == name.length &&
            strncasecmp(name.data, daemons_own[i].data, name.length) == 0)
            return true;
    }
    return false;
}

static bool begins_with_scheme(struct wire_str value, const char *scheme)
{
    size_t length = strlen(scheme);
    return value.length >= length && strncasecmp(value.data, scheme, length) == 0 &&
           (value.length == length || value.data[length] == ' ' || value.data[length] == '\t');
}

bool request_field_binds_connection(struct wire_str name, struct wire_str value)
{
    static const char field[] = "Authorization";
    return name.length == sizeof field - 1 && strncasecmp(name.data, field, name.length) == 0 &&
           (begins_with_scheme(value, "NTLM") || begins_with_scheme(value, "Negotiate") ||
            begins_with_scheme(value, "Kerberos"));
}

int request_field_check(struct wire_str name, struct wire_str value, struct wire_why *why)
{
    if (!request_field_is_token(name))
        return wire_why_set(why, "header name \"%.*s\" is not a token", shown(name), name.data);
    if (is_daemons_own(name))
        return wire_why_set(why,
                            "header %.*s is not allowed: framing and connections are the "
                            "daemon's own",
                            shown(name), name.data);
    for (size_t i = 0; i < value.length; i++) {
        unsigned char byte = (unsigned char)value.data[i];
        if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
            return wire_why_set(why,
                                "header %.*s holds the byte 0x%02x at position %zu of its "
                                "value",
                                shown(name), name.data, byte, i);
    }
    return 0;
}
