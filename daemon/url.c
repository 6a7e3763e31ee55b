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

static int read_port(struct url *url, CURLU *handle, struct wire_why *why)
{
    char *port = NULL;
    int result = copy_part(&port, handle, CURLUPART_PORT, CURLU_DEFAULT_PORT, why);
    if (result < 0)
        return result;
    url->port = (uint16_t)strtoul(port, NULL, 10);
    free(port);
    return url->port ? 0 : wire_why_set(why, "url has port 0");
}

static uint16_t default_port(const struct url *url)
{
    return url->is_tls ? 443 : 80;
}

static int build_origin(struct url *url)
{
    const char *scheme = url->is_tls ? "https" : "http";
    int length = url->port == default_port(url)
                     ? asprintf(&url->origin, "%s://%s", scheme, url->host)
                     : asprintf(&url->origin, "%s://%s:%u", scheme, url->host, url->port);
    if (length < 0)
        url->origin = NULL;
    return length < 0 ? -ENOMEM : 0;
}

static int take_apart(struct url *url, CURLU *handle, struct wire_why *why)
{
    char *scheme = NULL;
    int result = check_no_user(handle, why);
    if (result == 0)
        result = copy_part(&scheme, handle, CURLUPART_SCHEME, 0, why);
    if (result != 0)
        return result;
    assert(scheme);
    url->is_tls = strcasecmp(scheme, "https") == 0;
    free(scheme);
    /* The URL first: for a host that has no xn-- form, libcurl 8.14 leaks when asked for the host.
     */
    result = copy_part(&url->text, handle, CURLUPART_URL, TEXT_FLAGS, why);
    if (result == 0)
        result = copy_part(&url->host, handle, CURLUPART_HOST, TEXT_FLAGS, why);
    if (result == 0)
        result = read_port(url, handle, why);
    if (result != 0)
        return result;
    assert(url->host && url->text);
    for (const char *c = url->text; *c; c++) {
        if (*c <= 0x20 || *c > 0x7e) /* percent-encoded in the host, which libcurl decodes */
            return wire_why_set(why, "url holds the byte 0x%02x in its host", (unsigned char)*c);
    }
    for (char *c = url->host; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return build_origin(url);
}

/* Sets the text on the handle, relative to what it holds already, and takes the outcome apart. */
static int parse_on(struct url *out_url, CURLU *handle, const char *text, unsigned more_flags,
                    struct wire_why *why)
{
    struct url url = {0};
    CURLUcode code = curl_url_set(handle, CURLUPART_URL, text, PARSE_FLAGS | more_flags);
    if (code == CURLUE_OK)
        code = curl_url_set(handle, CURLUPART_FRAGMENT, NULL, 0);
    if (code)
        return refuse(code, why);
    int result = take_apart(&url, handle, why);
    if (result < 0)
        url_finish(&url);
    else
        *out_url = url;
    return result;
}

/* Of one text libcurl's parser makes another, of that perhaps a third, and then no more. */
#define MOST_PARSES 4

/*
 * libcurl is given the outcome, and parses it again. Host names are decoded after numbers were
 * sought in them: "%356" is 56, which then is 0.0.0.56. What is judged must be what is connected
 * to, so it is parsed until nothing changes.
 */
static int parse_to_rest(struct url *out_url, CURLU *handle, const char *text, struct wire_why *why)
{
    struct url url = {0}, next;
    int result = parse_on(&url, handle, text, CURLU_PATH_AS_IS, why);
    bool is_at_rest = result == 0 && strcmp(url.text, text) == 0;
    for (int i = 1; result == 0 && !is_at_rest && i < MOST_PARSES; i++) {
        result = parse_on(&next, handle, url.text, CURLU_PATH_AS_IS, why);
        if (result == 0) {
            is_at_rest = strcmp(next.text, url.text) == 0;
            url_finish(&url);
            url = next;
        }
    }
    if (result == 0 && !is_at_rest)
        result = wire_why_set(why, "url means something else each time it is read");
    if (result == 0)
        *out_url = url;
    else
        url_finish(&url);
    return result;
}

int url_parse(struct url *out_url, struct wire_str text, size_t max_bytes, struct wire_why *why)
{
    int result = check_bytes(text, max_bytes, why);
    char *copy = result == 0 ? strndup(text.data, text.length) : NULL;
    CURLU *handle = curl_url();
    if (result == 0)
        result = copy && handle ? 0 : -ENOMEM;
    if (result == 0)
        result = check_scheme((struct wire_str){copy, text.length}, why);
    if (result == 0)
        result = parse_to_rest(out_url, handle, copy, why);
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
        return url->port == default_port(url);
    snprintf(with_port, sizeof with_port, ":%u", url->port);
    return wire_str_is((struct wire_str){host.data + length, host.length - length}, with_port);
}

void url_finish(struct url *url)
{
    free(url->text);
    free(url->origin);
    free(url->host);
    *url = (struct url){0};
}
