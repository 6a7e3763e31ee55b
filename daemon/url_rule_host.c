/*
 * url_rule_host: hosts and their patterns. An address can be written in many ways; before it is
 * compared, it gets the one that inet_ntop() writes.
 */
#include "url_rule_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>

/* What libcurl takes for a host has none of these. */
#define NOT_IN_HOST "[]:/?#@!{}\\$'\"^`<>=;,+&()%|"

static bool parse_literal(struct in6_addr *out_address, const char *text, size_t length)
{
    char inside[INET6_ADDRSTRLEN];
    if (length < 2 || length - 2 >= sizeof inside || text[0] != '[' || text[length - 1] != ']')
        return false;
    memcpy(inside, text + 1, length - 2);
    inside[length - 2] = '\0';
    return inet_pton(AF_INET6, inside, out_address) == 1;
}

static void print_literal(char *out_text, size_t size, const struct in6_addr *address)
{
    char inside[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, address, inside, sizeof inside);
    snprintf(out_text, size, "[%s]", inside);
}

static size_t length_without_dots(const char *text, size_t length)
{
    while (length > 0 && text[length - 1] == '.')
        length--;
    return length;
}

void url_rule_host_init(struct url_rule_host *host, const char *text)
{
    struct in_addr ipv4;
    struct in6_addr ipv6;
    *host = (struct url_rule_host){.text = text};
    host->length = length_without_dots(text, strlen(text));
    if (inet_aton(text, &ipv4)) { /* 127.1 and 0x7f000001 as well */
        inet_ntop(AF_INET, &ipv4, host->literal, sizeof host->literal);
    } else if (parse_literal(&ipv6, text, host->length)) {
        print_literal(host->literal, sizeof host->literal, &ipv6);
        if (IN6_IS_ADDR_V4MAPPED(&ipv6))
            inet_ntop(AF_INET, &ipv6.s6_addr[12], host->inner, sizeof host->inner);
    }
    if (host->literal[0]) {
        host->text = host->literal;
        host->length = strlen(host->literal);
    }
}

/* Where it fails behind a *, that * takes one byte more: only the last one ever has to. */
static bool matches(const char *pattern, const char *text, size_t length)
{
    const char *end = text + length, *star = NULL, *star_text = NULL;
    while (text < end) {
        if (*pattern == '*') {
            star = pattern++;
            star_text = text;
        } else if (*pattern && *pattern == tolower((unsigned char)*text)) {
            pattern++;
            text++;
        } else if (star) {
            pattern = star + 1;
            text = ++star_text;
        } else {
            return false;
        }
    }
    return pattern[strspn(pattern, "*")] == '\0';
}

bool url_rule_host_matches(const char *pattern, const struct url_rule_host *host, bool is_any_form)
{
    return matches(pattern, host->text, host->length) ||
           (is_any_form && host->inner[0] && matches(pattern, host->inner, strlen(host->inner)));
}

static int check_name(const char *pattern, char *out_why)
{
    struct in_addr ipv4;
    char normal[INET_ADDRSTRLEN];
    for (const char *c = pattern; *c; c++) {
        if ((unsigned char)*c >= 0x80)
            return url_rule_refuse(out_why, "the host \"%.80s\" must be in its xn-- form", pattern);
        if (*c <= 0x20 || *c == 0x7f || strchr(NOT_IN_HOST, *c))
            return url_rule_refuse(out_why, "the host \"%.80s\" holds the byte 0x%02x", pattern,
                                   (unsigned)*c);
    }
    if (!inet_aton(pattern, &ipv4))
        return 0;
    inet_ntop(AF_INET, &ipv4, normal, sizeof normal);
    return strcmp(pattern, normal) == 0 ? 0
                                        : url_rule_refuse(out_why,
                                                          "the address \"%.80s\" must be written "
                                                          "as %s",
                                                          pattern, normal);
}

/* An address becomes its one form; one with a * stays as it is. */
static int check_literal(char **pattern, char *out_why)
{
    struct in6_addr address;
    char normal[INET6_ADDRSTRLEN + sizeof "[]"];
    size_t length = strlen(*pattern);
    if (strchr(*pattern, '*') && (*pattern)[length - 1] == ']' &&
        strspn(*pattern + 1, "0123456789abcdef:.*") == length - 2)
        return 0;
    if (!parse_literal(&address, *pattern, length))
        return url_rule_refuse(out_why, "\"%.80s\" is not an IPv6 address in brackets", *pattern);
    if (IN6_IS_ADDR_V4MAPPED(&address)) {
        inet_ntop(AF_INET, &address.s6_addr[12], normal, sizeof normal);
        return url_rule_refuse(out_why, "the address \"%.80s\" must be written as %s", *pattern,
                               normal);
    }
    print_literal(normal, sizeof normal, &address);
    char *copy = strdup(normal);
    if (!copy)
        return -ENOMEM;
    free(*pattern);
    *pattern = copy;
    return 0;
}

int url_rule_host_parse(char **out_pattern, const char *text, size_t length, char *out_why)
{
    length = length_without_dots(text, length);
    if (length == 0)
        return url_rule_refuse(out_why, "the host is missing");
    char *pattern = strndup(text, length);
    if (!pattern)
        return -ENOMEM;
    for (char *c = pattern; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    int result = pattern[0] == '[' ? check_literal(&pattern, out_why)
                                   : check_name(pattern, out_why);
    if (result < 0)
        free(pattern);
    else
        *out_pattern = pattern;
    return result;
}
