/*
 * url: one absolute http or https URL, taken apart and checked. The parser is libcurl's, so that
 * what was checked is what libcurl connects to; a second parser would be a way round the checks.
 *
 * Refused, with a sentence: other schemes, user information, white space, control bytes and
 * backslashes, a missing host, port 0. A fragment is dropped; the path is left as it is, dots and
 * all. Pure but for memory; host names that
 * are not ASCII need a process with LC_CTYPE in UTF-8.
 */
#pragma once

#include "fetchpool_wire.h"

struct url {
    char *text;         /* normalized, pure ASCII: what is requested; the memory of all three */
    const char *origin; /* "https://example.com" or "https://example.com:8443", in lower case */
    const char *host;   /* as in the origin; an IPv6 address keeps its brackets */
    uint16_t port;
    bool is_tls;
};

/* 0, -ENOMEM, or -EINVAL with the reason. The output is owned: url_finish(). */
int url_parse(struct url *out_url, struct wire_str text, size_t max_bytes, struct wire_why *why);

/* The URL that a Location field means, seen from `base`. Same results. */
int url_resolve(struct url *out_url, const struct url *base, struct wire_str location,
                size_t max_bytes, struct wire_why *why);

/* Like that one, but with this text. 0 or -ENOMEM. The output is owned, as above. */
int url_copy(struct url *out_url, const struct url *like, struct wire_str text);

/* The same URL with another host: for a TLS server name that is not the URL's. */
int url_with_host(char **out_text, const struct url *url, const char *host);

/*
 * "host:port" of a proxy's http://, https:// or socks5h:// URL, without its user and password. 0,
 * or -EINVAL if it is none, -ENOMEM.
 */
int url_proxy_authority(const char *proxy, char *out_text, size_t size);

/* Is this Host field value the URL's own host and port? A default port may be left out. */
bool url_host_agrees(const struct url *url, struct wire_str host);

void url_finish(struct url *url);
