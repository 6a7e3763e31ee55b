/* url: see url.h. */
#include "url.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <curl/curl.h>

/* Percent-encode bytes above 0x7f, host names to their xn-- form, and judge schemes ourselves. */
#define PARSE_FLAGS (CURLU_URLENCODE | CURLU_NON_SUPPORT_SCHEME)
#ifdef CURLU_GET_EMPTY /* since 8.8: keeps the question mark of an empty query */
#define TEXT_FLAGS (CURLU_PUNYCODE | CURLU_GET_EMPTY)
#else
#define TEXT_FLAGS (CURLU_PUNYCODE)
#endif

static int check_bytes(struct wire_str text, size_t max_bytes, struct wire_why *why)
{
    if (text.length > max_bytes)
        return wire_why_set(why, "url is %zu bytes long; at most %zu are allowed", text.length,
                            max_bytes);
    for (size_t i = 0; i < text.length; i++) {
        unsigned char byte = (unsigned char)text.data[i];
        if (byte <= 0x20 || byte == 0x7f || byte == '\\')
            return wire_why_set(why,
                                "url holds the byte 0x%02x at position %zu, which must be "
                                "percent-encoded",
                                byte, i);
    }
    return 0;
}

/* Looked at before libcurl's parser, so that "file:/x" is refused for what it is. A NUL follows. */
static int check_scheme(struct wire_str text, struct wire_why *why)
{
    size_t length = 0;
    while (length < text.length && (isalnum((unsigned char)text.data[length]) ||
                                    (text.data[length] && strchr("+-.", text.data[length]))))
        length++;
    bool has_scheme = length > 0 && length < text.length && text.data[length] == ':' &&
                      isalpha((unsigned char)text.data[0]);
    if (!has_scheme)
        return wire_why_set(why,
                            "url \"%.80s\" is not absolute: it must begin with http:// or "
                            "https://",
                            text.data);
    if ((length == 4 && strncasecmp(text.data, "http", 4) == 0) ||
        (length == 5 && strncasecmp(text.data, "https", 5) == 0)) {
        if (text.length < length + 3 || strncmp(text.data + length, "://", 3) != 0)
            return wire_why_set(why, "url must have // behind its scheme");
        if (text.data[length + 3] == '/') /* libcurl would take the path for the host */
            return wire_why_set(why, "url has no host");
        return 0;
    }
    return wire_why_set(why, "the scheme \"%.*s\" is not supported: only http and https are",
                        (int)(length < 40 ? length : 40), text.data);
}

/* What libcurl's parser finds, each in memory of its own. */
struct parts {
    char *text, *origin, *host;
    uint16_t port;
    bool is_tls;
};

static void parts_finish(struct parts *parts)
{
    free(parts->text);
    free(parts->origin);
    free(parts->host);
    *parts = (struct parts){0};
}

static int refuse(CURLUcode code, struct wire_why *why)
{
    if (code == CURLUE_OUT_OF_MEMORY)
        return -ENOMEM;
    wire_why_set(why, "url cannot be understood: %s", curl_url_strerror(code));
    return -EINVAL;
}

static int copy_part(char **out_text, CURLU *handle, CURLUPart part, unsigned flags,
                     struct wire_why *why)
{
    char *foreign = NULL;
    CURLUcode code = curl_url_get(handle, part, &foreign, flags);
    if (code)
        return refuse(code, why);
    char *copy = strdup(foreign);
    curl_free(foreign);
    if (!copy)
        return -ENOMEM;
    *out_text = copy;
    return 0;
}

static int check_no_user(CURLU *handle, struct wire_why *why)
{
    char *user = NULL, *password = NULL;
    bool has_user = curl_url_get(handle, CURLUPART_USER, &user, 0) == CURLUE_OK;
    bool has_password = curl_url_get(handle, CURLUPART_PASSWORD, &password, 0) == CURLUE_OK;
    curl_free(user);
    curl_free(password);
    if (has_user || has_password)
        return wire_why_set(why, "url must not carry a user name or password: send an "
                                 "Authorization field");
    return 0;
}

static int read_port(struct parts *parts, CURLU *handle, struct wire_why *why)
{
    char *port = NULL;
    int result = copy_part(&port, handle, CURLUPART_PORT, CURLU_DEFAULT_PORT, why);
    if (result < 0)
        return result;
    parts->port = (uint16_t)strtoul(port, NULL, 10);
    free(port);
    return parts->port ? 0 : wire_why_set(why, "url has port 0");
}

static uint16_t default_port(bool is_tls)
{
    return is_tls ? 443 : 80;
}

static int build_origin(struct parts *parts)
{
    const char *scheme = parts->is_tls ? "https" : "http";
    int length = parts->port == default_port(parts->is_tls)
                     ? asprintf(&parts->origin, "%s://%s", scheme, parts->host)
                     : asprintf(&parts->origin, "%s://%s:%u", scheme, parts->host, parts->port);
    if (length < 0)
        parts->origin = NULL;
    return length < 0 ? -ENOMEM : 0;
}

static int take_apart(struct parts *parts, CURLU *handle, struct wire_why *why)
{
    char *scheme = NULL;
    int result = check_no_user(handle, why);
    if (result == 0)
        result = copy_part(&scheme, handle, CURLUPART_SCHEME, 0, why);
    if (result != 0)
        return result;
    assert(scheme);
    parts->is_tls = strcasecmp(scheme, "https") == 0;
    free(scheme);
    /* The URL first: for a host that has no xn-- form, libcurl 8.14 leaks when asked for the host.
     */
    result = copy_part(&parts->text, handle, CURLUPART_URL, TEXT_FLAGS, why);
    if (result == 0)
        result = copy_part(&parts->host, handle, CURLUPART_HOST, TEXT_FLAGS, why);
    if (result == 0)
        result = read_port(parts, handle, why);
    if (result != 0)
        return result;
    assert(parts->host && parts->text);
    for (const char *c = parts->text; *c; c++) {
        if (*c <= 0x20 || *c > 0x7e) /* percent-encoded in the host, which libcurl decodes */
            return wire_why_set(why, "url holds the byte 0x%02x in its host", (unsigned char)*c);
    }
    for (char *c = parts->host; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return build_origin(parts);
}

/* Sets the text on the handle, relative to what it holds already, and takes the outcome apart. */
static int parse_on(struct parts *out_parts, CURLU *handle, const char *text, unsigned more_flags,
                    struct wire_why *why)
{
    struct parts parts = {0};
    CURLUcode code = curl_url_set(handle, CURLUPART_URL, text, PARSE_FLAGS | more_flags);
    if (code == CURLUE_OK)
        code = curl_url_set(handle, CURLUPART_FRAGMENT, NULL, 0);
    if (code)
        return refuse(code, why);
    int result = take_apart(&parts, handle, why);
    if (result < 0)
        parts_finish(&parts);
    else
        *out_parts = parts;
    return result;
}

/* Of one text libcurl's parser makes another, of that perhaps a third, and then no more. */
#define MOST_PARSES 4

/*
 * libcurl is given the outcome, and parses it again. Host names are decoded after numbers were
 * sought in them: "%356" is 56, which then is 0.0.0.56. What is judged must be what is connected
 * to, so it is parsed until nothing changes.
 */
static int parse_to_rest(struct parts *out_parts, CURLU *handle, const char *text,
                         struct wire_why *why)
{
    struct parts parts = {0}, next;
    int result = parse_on(&parts, handle, text, CURLU_PATH_AS_IS, why);
    bool is_at_rest = result == 0 && strcmp(parts.text, text) == 0;
    for (int i = 1; result == 0 && !is_at_rest && i < MOST_PARSES; i++) {
        result = parse_on(&next, handle, parts.text, CURLU_PATH_AS_IS, why);
        if (result == 0) {
            is_at_rest = strcmp(next.text, parts.text) == 0;
            parts_finish(&parts);
            parts = next;
        }
    }
    if (result == 0 && !is_at_rest)
        result = wire_why_set(why, "url means something else each time it is read");
    if (result == 0)
        *out_parts = parts;
    else
        parts_finish(&parts);
    return result;
}

static char *put(char *at, const char *text, size_t length)
{
    memcpy(at, text, length);
    at[length] = '\0';
    return at + length + 1;
}

int url_copy(struct url *out_url, const struct url *like, struct wire_str text)
{
    size_t origin_length = strlen(like->origin), host_length = strlen(like->host);
    char *memory = malloc(text.length + origin_length + host_length + 3);
    if (!memory)
        return -ENOMEM;
    char *origin = put(memory, text.data, text.length);
    char *host = put(origin, like->origin, origin_length);
    put(host, like->host, host_length);
    *out_url = (struct url){
        .text = memory,
        .origin = origin,
        .host = host,
        .port = like->port,
        .is_tls = like->is_tls,
    };
    return 0;
}

/* Takes the parts. */
static int join(struct url *out_url, struct parts *parts)
{
    struct url url = {
        .origin = parts->origin,
        .host = parts->host,
        .port = parts->port,
        .is_tls = parts->is_tls,
    };
    int result = url_copy(out_url, &url, wire_str_of(parts->text));
    parts_finish(parts);
    return result;
}

int url_parse(struct url *out_url, struct wire_str text, size_t max_bytes, struct wire_why *why)
{
    struct parts parts;
    int result = check_bytes(text, max_bytes, why);
    char *copy = result == 0 ? strndup(text.data, text.length) : NULL;
    CURLU *handle = curl_url();
    if (result == 0)
        result = copy && handle ? 0 : -ENOMEM;
    if (result == 0)
        result = check_scheme((struct wire_str){copy, text.length}, why);
    if (result == 0)
        result = parse_to_rest(&parts, handle, copy, why);
    if (result == 0)
        result = join(out_url, &parts);
    curl_url_cleanup(handle);
    free(copy);
    return result;
}

/* What a Location resolves to has to pass the checks of any URL. */
static int resolved_text(char **out_text, CURLU *handle, const char *base, const char *location,
                         struct wire_why *why)
{
    CURLUcode code = curl_url_set(handle, CURLUPART_URL, base, PARSE_FLAGS);
    if (code == CURLUE_OK)
        code = curl_url_set(handle, CURLUPART_URL, location, PARSE_FLAGS | CURLU_ALLOW_SPACE);
    if (code)
        return refuse(code, why);
    return copy_part(out_text, handle, CURLUPART_URL, TEXT_FLAGS, why);
}

int url_resolve(struct url *out_url, const struct url *base, struct wire_str location,
                size_t max_bytes, struct wire_why *why)
{
    char *text = NULL;
    char *copy = strndup(location.data ? location.data : "", location.length);
    CURLU *handle = curl_url();
    int result = copy && handle ? resolved_text(&text, handle, base->text, copy, why) : -ENOMEM;
    if (result == 0)
        result = url_parse(out_url, wire_str_of(text), max_bytes, why);
    curl_url_cleanup(handle);
    free(copy);
    free(text);
    return result;
}

int url_with_host(char **out_text, const struct url *url, const char *host)
{
    struct wire_why why;
    CURLU *handle = curl_url();
    if (!handle)
        return -ENOMEM;
    CURLUcode code = curl_url_set(handle, CURLUPART_URL, url->text, PARSE_FLAGS | CURLU_PATH_AS_IS);
    if (code == CURLUE_OK)
        code = curl_url_set(handle, CURLUPART_HOST, host, 0);
    int result = code ? refuse(code, &why)
                      : copy_part(out_text, handle, CURLUPART_URL, TEXT_FLAGS, &why);
    curl_url_cleanup(handle);
    return result;
}

int url_proxy_authority(const char *proxy, char *out_text, size_t size)
{
    char *host = NULL, *port = NULL;
    struct wire_why why;
    CURLU *handle = curl_url();
    if (!handle)
        return -ENOMEM;
    CURLUcode code = curl_url_set(handle, CURLUPART_URL, proxy, CURLU_NON_SUPPORT_SCHEME);
    int result = code ? refuse(code, &why) : copy_part(&host, handle, CURLUPART_HOST, 0, &why);
    if (result == 0 && curl_url_get(handle, CURLUPART_PORT, &port, 0) != CURLUE_OK)
        port = NULL;
    const char *preset = strncasecmp(proxy, "https:", 6) == 0 ? "443" : "1080"; /* libcurl's */
    if (result == 0)
        snprintf(out_text, size, "%s:%s", host, port ? port : preset);
    free(host);
    curl_free(port);
    curl_url_cleanup(handle);
    return result;
}

bool url_host_agrees(const struct url *url, struct wire_str host)
{
    char with_port[16];
    size_t length = strlen(url->host);
    if (host.length < length || strncasecmp(host.data, url->host, length) != 0)
        return false;
    if (host.length == length)
        return url->port == default_port(url->is_tls);
    snprintf(with_port, sizeof with_port, ":%u", url->port);
    return wire_str_is((struct wire_str){host.data + length, host.length - length}, with_port);
}

void url_finish(struct url *url)
{
    free(url->text);
    *url = (struct url){0};
}
