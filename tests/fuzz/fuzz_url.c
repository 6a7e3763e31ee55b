/*
 * URLs from clients, Location fields from origins, Host fields and proxies. The input is four
 * lines: a URL, a Location, a Host field, a proxy; what is missing is empty.
 */
#include <ctype.h>
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "url.h"
#include "url_memo.h"

/* Far more than the input, which percent-encoding makes three times as long, and once more. */
#define MOST_URL_BYTES 65536

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    setlocale(LC_CTYPE, "C.UTF-8");
    return 0;
}

static void must(int is_so)
{
    if (!is_so)
        abort();
}

static void check_pure(const char *text)
{
    for (; *text; text++)
        must(*text > 0x20 && *text < 0x7f && *text != '\\');
}

static void check_origin(const struct url *url)
{
    const char *authority = url->is_tls ? url->origin + 8 : url->origin + 7;
    must(strncmp(url->origin, url->is_tls ? "https://" : "http://", url->is_tls ? 8 : 7) == 0);
    must(strncmp(authority, url->host, strlen(url->host)) == 0);
    for (const char *c = url->origin; *c; c++)
        must(!isupper((unsigned char)*c));
    must(url_host_agrees(url, wire_str_of(authority)));
}

static void check_parts(const struct url *url)
{
    const char *authority = strstr(url->text, "://");
    must(authority != NULL);
    must(!memchr(authority + 3, '@', strcspn(authority + 3, "/?#")));
    must(!strchr(url->text, '#'));
    must(url->port != 0 && url->host[0] != '\0');
    must(!strpbrk(url->host, "@/?#"));
}

/* What is sent to an origin or shown is read there again: it must mean the same. */
static void check_again(const struct url *url)
{
    struct url again;
    struct wire_why why;
    must(url_parse(&again, wire_str_of(url->text), MOST_URL_BYTES, &why) == 0);
    must(strcmp(again.text, url->text) == 0);
    must(strcmp(again.origin, url->origin) == 0);
    must(strcmp(again.host, url->host) == 0);
    must(again.port == url->port && again.is_tls == url->is_tls);
    url_finish(&again);
}

static void check(const struct url *url)
{
    check_pure(url->text);
    check_pure(url->origin);
    check_origin(url);
    check_parts(url);
    check_again(url);
}

/* A Host field that agrees names this host and no other, letter case aside. */
static void check_host(const struct url *url, struct wire_str host)
{
    if (!url_host_agrees(url, host))
        return;
    for (size_t i = 0; i < host.length; i++)
        must(host.data[i] > 0x20 && host.data[i] < 0x7f);
    must(host.length <= strlen(url->host) + strlen(":65535"));
}

static void check_proxy(struct wire_str proxy)
{
    char authority[MOST_URL_BYTES];
    char *text = strndup(proxy.data, proxy.length);
    must(text != NULL);
    if (url_proxy_authority(text, authority, sizeof authority) == 0) {
        const char *port = strrchr(authority, ':');
        must(!strpbrk(authority, "@/?#\r\n"));
        must(port && strlen(port) > 1 && strspn(port + 1, "0123456789") == strlen(port + 1));
    }
    free(text);
}

static struct wire_str take_line(struct wire_str *rest)
{
    const char *end = rest->length ? memchr(rest->data, '\n', rest->length) : NULL;
    size_t length = end ? (size_t)(end - rest->data) : rest->length;
    struct wire_str line = {rest->data, length};
    rest->data += end ? length + 1 : length;
    rest->length -= end ? length + 1 : length;
    return line;
}

static void resolve(const struct url *base, struct wire_str location)
{
    struct url url;
    struct wire_why why;
    if (url_resolve(&url, base, location, MOST_URL_BYTES, &why) < 0)
        return;
    check(&url);
    url_finish(&url);
}

/* What was found of the URLs before must change nothing. */
static void check_memo(struct wire_str text, const struct url *url)
{
    static struct url_memo memo;
    struct url again;
    struct wire_why why;
    int result = url_memo_parse(&memo, &again, text, MOST_URL_BYTES, &why);
    must((result == 0) == (url != NULL));
    if (!url)
        return;
    must(strcmp(again.text, url->text) == 0);
    must(strcmp(again.origin, url->origin) == 0);
    must(strcmp(again.host, url->host) == 0);
    must(again.port == url->port && again.is_tls == url->is_tls);
    url_finish(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct wire_str rest = {length ? (const char *)bytes : "", length};
    struct wire_str text = take_line(&rest), location = take_line(&rest), host = take_line(&rest);
    struct wire_why why;
    struct url url;
    check_proxy(take_line(&rest));
    int result = url_parse(&url, text, MOST_URL_BYTES, &why);
    check_memo(text, result == 0 ? &url : NULL);
    if (result < 0)
        return 0;
    check(&url);
    check_host(&url, host);
    resolve(&url, location);
    url_finish(&url);
    return 0;
}
