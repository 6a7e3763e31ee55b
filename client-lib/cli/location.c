/* location: see location.h. Resolving is RFC 3986, section 5.2, without its rarer corners. */
#include "location.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What -O calls a file whose URL ends in no name. */
#define NAMELESS "fetchpool_response"

static bool has_scheme(const char *url)
{
    if (!isalpha((unsigned char)*url))
        return false;
    while (isalnum((unsigned char)*url) || *url == '+' || *url == '-' || *url == '.')
        url++;
    return strncmp(url, "://", 3) == 0;
}

char *location_complete(const char *url)
{
    char *complete;
    if (asprintf(&complete, "%s%s", has_scheme(url) ? "" : "http://", url) < 0)
        return NULL;
    return complete;
}

/* Where the path begins: behind the authority, at '/', '?', '#' or the end. */
static const char *path_of(const char *url)
{
    const char *authority = strstr(url, "://");
    authority = authority ? authority + 3 : url;
    return authority + strcspn(authority, "/?#");
}

/* Takes "." and ".." out of a path, in place. What is behind '?' or '#' stays. */
static void remove_dots(char *path)
{
    char *out = path;
    const char *in = path;
    while (*in == '/') {
        size_t length = 1 + strcspn(in + 1, "/?#");
        bool is_dot = length == 2 && in[1] == '.';
        bool is_up = length == 3 && in[1] == '.' && in[2] == '.';
        bool is_last = in[length] != '/';
        if (is_up) {
            while (out > path && *--out != '/')
                ;
        }
        if (!is_dot && !is_up) {
            memmove(out, in, length);
            out += length;
        } else if (is_last) {
            *out++ = '/';
        }
        in += length;
    }
    memmove(out, in, strlen(in) + 1);
}

/* How much of the base stands before the reference. */
static size_t kept_of(const char *base, const char *reference)
{
    const char *path = path_of(base);
    size_t path_end = strcspn(path, "?#");
    switch (*reference) {
    case '/':
        return (size_t)(path - base);
    case '?':
        return (size_t)(path - base) + path_end;
    case '#':
        return (size_t)(path - base) + strcspn(path, "#");
    default:
        while (path_end > 0 && path[path_end - 1] != '/')
            path_end--;
        return (size_t)(path - base) + path_end;
    }
}

char *location_resolve(const char *base, const char *reference)
{
    char *url;
    int result;
    if (has_scheme(reference)) {
        return strdup(reference);
    } else if (strncmp(reference, "//", 2) == 0) {
        result = asprintf(&url, "%.*s%s", (int)strcspn(base, "/"), base, reference);
    } else {
        size_t kept = kept_of(base, reference);
        bool needs_slash = *path_of(base) != '/' && !strchr("/?#", *reference);
        result = asprintf(&url, "%.*s%s%s", (int)kept, base, needs_slash ? "/" : "", reference);
    }
    if (result < 0)
        return NULL;
    remove_dots(url + (path_of(url) - url));
    return url;
}

char *location_file_name(const char *url)
{
    const char *path = path_of(url);
    size_t end = strcspn(path, "?#");
    while (end > 0 && path[end - 1] == '/')
        end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/')
        begin--;
    return end > begin ? strndup(path + begin, end - begin) : strdup(NAMELESS);
}

/* What RFC 3986 calls unreserved stays; anything else is written as %XX. */
static char *escape(const char *name)
{
    char *escaped = malloc(3 * strlen(name) + 1);
    char *out = escaped;
    for (; escaped && *name; name++) {
        if (isalnum((unsigned char)*name) || strchr("-._~", *name))
            *out++ = *name;
        else
            out += sprintf(out, "%%%02x", (unsigned char)*name);
    }
    if (escaped)
        *out = '\0';
    return escaped;
}

char *location_append(const char *url, const char *file)
{
    const char *path = path_of(url);
    size_t end = strcspn(path, "?#");
    if (path[end] == '?' || (end > 0 && path[end - 1] != '/'))
        return strdup(url);
    const char *slash = strrchr(file, '/');
    char *name = escape(slash ? slash + 1 : file);
    char *complete;
    int length = (int)(path - url) + (int)end;
    if (!name ||
        asprintf(&complete, "%.*s%s%s%s", length, url, end ? "" : "/", name, path + end) < 0)
        complete = NULL;
    free(name);
    return complete;
}
