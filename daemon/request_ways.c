/* request_ways: by which way a request goes, and whom it trusts: its proxy, and its keys of TLS. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "request.h"
#include "request_internal.h"

/* RFC 1035, 2.3.4, without the dot at its end. */
#define MOST_HOST_BYTES 253

static void lower(char *host)
{
    for (; host && *host; host++)
        *host = (char)tolower((unsigned char)*host);
}

static int refuse(int code, struct wire_why *why, const char *sentence)
{
    wire_why_set(why, "%s", sentence);
    return code;
}

static int check_pem(struct wire_str pem, const char *key, const struct config *config,
                     struct wire_why *why)
{
    if (pem.length > config->max_pem_bytes)
        wire_why_set(why, "%s is %zu bytes long; at most %zu are allowed", key, pem.length,
                     (size_t)config->max_pem_bytes);
    else if (pem.data && memchr(pem.data, '\0', pem.length))
        wire_why_set(why, "%s must be PEM text", key);
    else
        return 0;
    return FETCHPOOL_BAD_REQUEST;
}

static int check_server_name(struct wire_str name, struct wire_why *why)
{
    bool is_name = name.length > 0 && name.length <= MOST_HOST_BYTES && name.data[0] != '.';
    for (size_t i = 0; i < name.length; i++) {
        unsigned char byte = (unsigned char)name.data[i];
        is_name &= isalnum(byte) || byte == '.' || byte == '-' || byte == '_';
    }
    if (!name.data || is_name)
        return 0;
    return refuse(FETCHPOOL_BAD_REQUEST, why, "tls.server_name is not a host name");
}

int request_check_tls(const struct wire_tls *tls, const struct config *config, struct wire_why *why)
{
    if (!tls->cert.data != !tls->key.data)
        return refuse(FETCHPOOL_BAD_REQUEST, why, "tls.cert and tls.key are needed together");
    int code = check_pem(tls->ca, "tls.ca", config, why);
    if (code == 0)
        code = check_pem(tls->cert, "tls.cert", config, why);
    if (code == 0)
        code = check_pem(tls->key, "tls.key", config, why);
    return code == 0 ? check_server_name(tls->server_name, why) : code;
}

int request_copy_tls(struct request *request, const struct wire_tls *tls)
{
    request->is_tls_unverified = tls->no_verify;
    int result = request_copy_str(&request->tls_ca, tls->ca);
    if (result == 0)
        result = request_copy_str(&request->tls_cert, tls->cert);
    if (result == 0)
        result = request_copy_str(&request->tls_key, tls->key);
    if (result == 0)
        result = request_copy_str(&request->tls_server_name, tls->server_name);
    lower(request->tls_server_name);
    return result;
}

/* Longer than any host name with its port. */
#define AUTHORITY_BYTES 300

/* The static name of its scheme; NULL if it is none that a proxy may have. */
static const char *proxy_scheme_of(struct wire_str proxy)
{
    static const char *const schemes[] = {"http", "https", "socks5h"};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t length = strlen(schemes[i]);
        if (proxy.length > length + 3 && strncasecmp(proxy.data, schemes[i], length) == 0 &&
            memcmp(proxy.data + length, "://", 3) == 0)
            return schemes[i];
    }
    return NULL;
}

/* 0; -EINVAL if it is no proxy's URL; -ENOMEM. */
static int take_proxy_parts(struct request *request, struct wire_str proxy)
{
    char authority[AUTHORITY_BYTES];
    for (size_t i = 0; i < proxy.length; i++) {
        if ((unsigned char)proxy.data[i] <= 0x20 || proxy.data[i] == 0x7f)
            return -EINVAL;
    }
    request->proxy_scheme = proxy_scheme_of(proxy);
    if (!request->proxy_scheme)
        return -EINVAL;
    int result = url_proxy_authority(request->proxy, authority, sizeof authority);
    char *colon = result == 0 ? strrchr(authority, ':') : NULL;
    if (!colon)
        return result == 0 ? -EINVAL : result;
    *colon = '\0';
    lower(authority);
    request->proxy_port = (uint16_t)strtoul(colon + 1, NULL, 10);
    request->proxy_host = strdup(authority);
    return request->proxy_host ? 0 : -ENOMEM;
}

int request_take_proxy(struct request *request, struct wire_str proxy, const struct config *config,
                       struct wire_why *why)
{
    if (!proxy.data)
        return request_code_of(request_copy_str(&request->proxy, wire_str_of(config->proxy_url)));
    request->is_proxy_clients = true;
    if (request_copy_str(&request->proxy, proxy) < 0)
        return FETCHPOOL_BUSY;
    int result = take_proxy_parts(request, proxy);
    if (result == -EINVAL)
        return refuse(FETCHPOOL_BAD_REQUEST, why,
                      "proxy must be an http://, https:// or socks5h:// URL");
    return request_code_of(result);
}
