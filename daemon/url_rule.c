/* url_rule: see url_rule.h. */
#include "url_rule_internal.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BLANKS           " \t"
#define MOST_PORT        65535
#define MOST_DIGITS      5 /* of a port */
#define HTTP_PORT        80
#define HTTPS_PORT       443
#define PLAIN_PROXY_PORT 1080 /* libcurl's */
#define METHOD_BYTES     "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

enum rule_kind { RULE_ANY, RULE_NONE, RULE_PATTERN };
enum rule_port { PORT_OWN, PORT_ANY, PORT_ONE };

struct url_rule {
    char *text;
    enum rule_kind kind;
    enum url_rule_use use;
    char *methods; /* each with its NUL, then one more; NULL: every method */
    const char *scheme;
    char *host;
    enum rule_port port_kind;
    uint16_t port;
    struct url_rule_path path;
};

/* A request or a proxy, as all rules of a list are compared with it. */
struct asked {
    const char *scheme;
    struct url_rule_host host;
    uint16_t port;
    const char *path, *method;
};

int url_rule_refuse(char *out_why, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(out_why, URL_RULE_WHY_BYTES, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

static bool is_for_denying(const struct url_rule *rule)
{
    return rule->use == URL_RULE_DENIES;
}

/* ---- Matching ------------------------------------------------------------------------------- */

static uint16_t own_port(const struct url_rule *rule, const char *scheme)
{
    if (strcasecmp(scheme, "https") == 0)
        return HTTPS_PORT;
    return rule->use == URL_RULE_PROXY ? PLAIN_PROXY_PORT : HTTP_PORT;
}

static bool port_matches(const struct url_rule *rule, const struct asked *asked)
{
    switch (rule->port_kind) {
    case PORT_ANY:
        return true;
    case PORT_ONE:
        return rule->port == asked->port;
    case PORT_OWN:
        return is_for_denying(rule) || own_port(rule, asked->scheme) == asked->port;
    }
    return false;
}

static bool method_matches(const struct url_rule *rule, const char *method)
{
    if (!rule->methods)
        return true;
    for (const char *own = rule->methods; method && *own; own += strlen(own) + 1) {
        if ((is_for_denying(rule) ? strcasecmp(own, method) : strcmp(own, method)) == 0)
            return true;
    }
    return false;
}

static bool path_matches(const struct url_rule *rule, const char *path)
{
    return is_for_denying(rule) ? url_rule_path_may_hold(&rule->path, path)
                                : url_rule_path_surely_holds(&rule->path, path);
}

static bool rule_matches(const struct url_rule *rule, const struct asked *asked)
{
    if (rule->kind != RULE_PATTERN)
        return rule->kind == RULE_ANY;
    return (strcmp(rule->scheme, "*") == 0 || strcasecmp(rule->scheme, asked->scheme) == 0) &&
           port_matches(rule, asked) && method_matches(rule, asked->method) &&
           url_rule_host_matches(rule->host, &asked->host, is_for_denying(rule)) &&
           (rule->path.count == 0 || path_matches(rule, asked->path));
}

static const struct url_rule *find(const struct url_rule_list *list, const struct asked *asked)
{
    for (size_t i = 0; i < list->count; i++) {
        if (rule_matches(list->items[i], asked))
            return list->items[i];
    }
    return NULL;
}

const struct url_rule *url_rule_list_find(const struct url_rule_list *list,
                                          const struct url_rule_subject *subject)
{
    struct asked asked = {.scheme = subject->is_tls ? "https" : "http",
                          .port = subject->port,
                          .path = subject->path,
                          .method = subject->method};
    url_rule_host_init(&asked.host, subject->host);
    return find(list, &asked);
}

const struct url_rule *url_rule_list_find_proxy(const struct url_rule_list *list,
                                                const char *scheme, const char *host, uint16_t port)
{
    struct asked asked = {.scheme = scheme, .port = port};
    url_rule_host_init(&asked.host, host);
    return find(list, &asked);
}

const char *url_rule_text(const struct url_rule *rule)
{
    return rule->text;
}

/* ---- Parsing -------------------------------------------------------------------------------- */

static bool may_have_methods_and_path(const struct url_rule *rule)
{
    return rule->use == URL_RULE_ALLOWS || rule->use == URL_RULE_DENIES;
}

/* The words before the URL, which is returned; NULL if there is none, with why. */
static int parse_methods(struct url_rule *rule, const char **text, char *out_why)
{
    const char *c = *text;
    char *to = NULL;
    for (size_t length; c[length = strcspn(c, BLANKS)]; c += strspn(c, BLANKS)) {
        if (!may_have_methods_and_path(rule))
            return url_rule_refuse(out_why, "\"%.80s\" must be one pattern, without methods",
                                   *text);
        if (strspn(c, METHOD_BYTES) != length)
            return url_rule_refuse(out_why, "\"%.*s\" is not an HTTP method",
                                   (int)(length < 80 ? length : 80), c);
        if (strcspn(c, "abcdefghijklmnopqrstuvwxyz") < length)
            return url_rule_refuse(out_why, "\"%.*s\": methods are written in capitals",
                                   (int)(length < 80 ? length : 80), c);
        if (!rule->methods)
            rule->methods = to = calloc(1, strlen(c) + 1);
        if (!to)
            return -ENOMEM;
        memcpy(to, c, length);
        to += length + 1;
        c += length;
    }
    *text = c;
    return 0;
}

static int parse_scheme(struct url_rule *rule, const char **text, char *out_why)
{
    static const char *const schemes[] = {"*", "http", "https", "socks5h"};
    size_t count = rule->use == URL_RULE_PROXY ? 4 : 3;
    const char *end = strstr(*text, "://");
    if (!end)
        return url_rule_refuse(out_why, "\"%.80s\" is not SCHEME://HOST, any or none", *text);
    size_t length = (size_t)(end - *text);
    for (size_t i = 0; i < count; i++) {
        if (strlen(schemes[i]) == length && strncasecmp(schemes[i], *text, length) == 0)
            rule->scheme = schemes[i];
    }
    if (!rule->scheme)
        return url_rule_refuse(out_why, "the scheme \"%.*s\" is none of http, https%s and *",
                               (int)(length < 40 ? length : 40), *text,
                               rule->use == URL_RULE_PROXY ? ", socks5h" : "");
    *text = end + strlen("://");
    return 0;
}

static int parse_host(struct url_rule *rule, const char **text, char *out_why)
{
    size_t length = strcspn(*text, ":/?#");
    if (memchr(*text, '@', strcspn(*text, "/?#")))
        return url_rule_refuse(out_why, "a pattern must not hold a user or a password");
    if (**text == '[') {
        length = strcspn(*text, "]");
        length += (*text)[length] == ']';
    }
    int result = url_rule_host_parse(&rule->host, *text, length, out_why);
    *text += length;
    return result;
}

static int parse_port(struct url_rule *rule, const char **text, char *out_why)
{
    if (**text != ':')
        return 0;
    const char *port = *text + 1;
    size_t length = strcspn(port, "/?#");
    *text = port + length;
    if (length == 1 && *port == '*') {
        rule->port_kind = PORT_ANY;
        return 0;
    }
    unsigned long number = length <= MOST_DIGITS && strspn(port, "0123456789") == length
                               ? strtoul(port, NULL, 10)
                               : 0;
    if (number == 0 || number > MOST_PORT)
        return url_rule_refuse(out_why, "the port \"%.*s\" is neither 1 to 65535 nor *",
                               (int)(length < 40 ? length : 40), port);
    rule->port_kind = PORT_ONE;
    rule->port = (uint16_t)number;
    return 0;
}

static int parse_path(struct url_rule *rule, const char *text, char *out_why)
{
    if (*text && *text != '/')
        return url_rule_refuse(out_why, "\"%.80s\" must not follow the host: only a path may",
                               text);
    if (!may_have_methods_and_path(rule) && *text && text[1])
        return url_rule_refuse(out_why, "a path is not allowed here: \"%.80s\"", text);
    return url_rule_path_parse(&rule->path, text, out_why);
}

/* Methods, then a URL; each part moves the text on. */
static int parse_pattern(struct url_rule *rule, const char *text, char *out_why)
{
    rule->kind = RULE_PATTERN;
    int result = parse_methods(rule, &text, out_why);
    if (result == 0)
        result = parse_scheme(rule, &text, out_why);
    if (result == 0)
        result = parse_host(rule, &text, out_why);
    if (result == 0)
        result = parse_port(rule, &text, out_why);
    if (result == 0)
        result = parse_path(rule, text, out_why);
    return result;
}

static int parse(struct url_rule *rule, char *out_why)
{
    if (strcasecmp(rule->text, "none") == 0)
        rule->kind = RULE_NONE;
    else if (strcasecmp(rule->text, "any") == 0)
        rule->kind = RULE_ANY;
    else
        return parse_pattern(rule, rule->text, out_why);
    return 0;
}

/* ---- Lists ---------------------------------------------------------------------------------- */

static void destroy(struct url_rule *rule)
{
    if (!rule)
        return;
    free(rule->text);
    free(rule->methods);
    free(rule->host);
    free(rule->path.segments);
    free(rule);
}

static char *copy_trimmed(const char *text)
{
    text += strspn(text, BLANKS);
    size_t length = strlen(text);
    while (length > 0 && strchr(BLANKS, text[length - 1]))
        length--;
    return strndup(text, length);
}

static int append(struct url_rule_list *list, struct url_rule *rule)
{
    struct url_rule **items = reallocarray(list->items, list->count + 1, sizeof(struct url_rule *));
    if (!items)
        return -ENOMEM;
    list->items = items;
    items[list->count++] = rule;
    return 0;
}

int url_rule_list_add(struct url_rule_list *list, const char *text, enum url_rule_use use,
                      char *out_why)
{
    struct url_rule *rule = calloc(1, sizeof *rule);
    if (!rule)
        return -ENOMEM;
    rule->use = use;
    rule->text = copy_trimmed(text);
    int result = rule->text ? parse(rule, out_why) : -ENOMEM;
    if (result == 0)
        result = append(list, rule);
    if (result < 0)
        destroy(rule);
    return result;
}

void url_rule_list_finish(struct url_rule_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        destroy(list->items[i]);
    free((void *)list->items);
    *list = (struct url_rule_list){0};
}
