/* request_field: see request_field.h. */
#include "request_field.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Names in messages are cut to this. */
#define SHOWN_NAME_BYTES 80

static const char *const daemons_own[] = {
    "Connection", "Content-Length",    "Expect",         "Keep-Alive", "TE", "Trailer",
    "Upgrade",    "Transfer-Encoding", "HTTP2-Settings", /* of an upgrade to h2c */
};

static int shown(struct wire_str name)
{
    return (int)(name.length < SHOWN_NAME_BYTES ? name.length : SHOWN_NAME_BYTES);
}

bool request_field_is_token(struct wire_str str)
{
    if (str.length == 0)
        return false;
    for (size_t i = 0; i < str.length; i++) {
        unsigned char byte = (unsigned char)str.data[i];
        if (byte > 0x7e || (!isalnum(byte) && !(byte && strchr("!#$%&'*+-.^_`|~", byte))))
            return false;
    }
    return true;
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
        if (strlen(daemons_own[i]) == name.length &&
            strncasecmp(name.data, daemons_own[i], name.length) == 0)
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
