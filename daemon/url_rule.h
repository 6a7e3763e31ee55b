/*
 * url_rule: a pattern for requests, as it stands in the configuration:
 *
 *     [METHOD …] SCHEME://HOST[:PORT][/PATH]        any         none
 *
 *     https://api.example.com                GET HEAD https://api-*.example.com:8443/v1/
 *
 * SCHEME  http, https or *
 * HOST    in any case; each * stands for any bytes, dots included: *.example.com is each host below
 *         example.com, and not that itself. An IPv6 address in brackets; it may be written in any
 *         of its ways, and an IPv4 address inside (::ffff:a.b.c.d) is also matched by rules that
 *         deny that one. A dot at the end of a host does not count.
 * PORT    a number or *. Where it is left out, it is the scheme's own for a rule that allows, and
 *         any for one that denies: what a rule leaves open never lets more through.
 * PATH    begins the path, at whole segments: /v1 is /v1 and /v1/x, not /v10. /v1/ is only what is
 *         below for a rule that allows, and as /v1 for one that denies. The query does not count.
 *
 * Origins read one path in several ways: with . and .. segments taken away or not, doubled slashes
 * as one or not, segments with or without their ;parameters, %2f and %5c as slashes or not, %00 as
 * the end of a segment or not; all decode %xx once. A rule that denies matches if one such reading
 * could match, a rule that allows if every reading does. So /v1/a/../b is below /v1 for both, but
 * //v1, /x/../v1 and /v1/..%2fx only for one that denies. Either is one pass over the path.
 *
 * Methods are compared as they are by a rule that allows, in any case by one that denies.
 *
 * "any" matches every request, "none" no request. Pure but for memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct url_rule;

struct url_rule_list {
    struct url_rule **items;
    size_t count;
};

/* What is asked. Borrowed. */
struct url_rule_subject {
    bool is_tls;
    const char *host; /* lower case; an IPv6 address in brackets */
    uint16_t port;
    const char *path;   /* as it would be sent, perhaps with a query; NULL counts as "/" */
    const char *method; /* NULL: of no rule with methods */
};

/* The form of what a rule may be about: how its error is said and what it may hold. */
enum url_rule_use {
    URL_RULE_ALLOWS,
    URL_RULE_DENIES,
    URL_RULE_PROXY, /* allows; SCHEME is http, https, socks5h or *; neither methods nor path; the
                       port of its own is libcurl's for proxies: https 443, the others 1080 */
    URL_RULE_ORIGIN /* allows; neither methods nor path */
};

/* Longest sentence about what is wrong with one. */
#define URL_RULE_WHY_BYTES 200

/*
 * Adds one rule to the list. 0; -EINVAL with a sentence that names what is wrong; -ENOMEM.
 */
int url_rule_list_add(struct url_rule_list *list, const char *text, enum url_rule_use use,
                      char *out_why);
void url_rule_list_finish(struct url_rule_list *list);

/* The first that matches, or NULL. */
const struct url_rule *url_rule_list_find(const struct url_rule_list *list,
                                          const struct url_rule_subject *subject);

/* The same for a proxy: `scheme` "http", "https" or "socks5h". */
const struct url_rule *url_rule_list_find_proxy(const struct url_rule_list *list,
                                                const char *scheme, const char *host,
                                                uint16_t port);

/* As it was written. */
const char *url_rule_text(const struct url_rule *rule);
