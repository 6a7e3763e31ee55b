/* config_origin: sections [origin "https://HOST"], and the header fields that they hold. */
#include "config_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "request_field.h"
#include "url.h"

#define OF(member) offsetof(struct config_origin, member)

const struct config_key config_origin_keys[] = {
    {"origin", "warm", CONFIG_COUNT, OF(warm), "0", 0, 100,
     "Connections to it that are open at any time, from start-up on, so that a request finds one. "
     "They are opened, and kept from lying idle for too long, by HEAD requests of warm_path. No "
     "more than connections_per_origin."},
    {"origin", "warm_path", CONFIG_PATH, OF(warm_path), "/", 0, 0,
     "What these requests ask for. An answer of any status will do."},
    {"origin", "header", CONFIG_HEADERS, OF(headers), NULL, 0, 0,
     "NAME: VALUE, a header field that the daemon adds to the requests of users whose policy has "
     "this origin among its credentials, unless they send one of that name. May be given often. If "
     "the last word of the value is @/path, it stands for the content of that file, which is read "
     "at start and at SIGHUP. Values are never shown."},
};

const size_t config_origin_key_count = sizeof config_origin_keys / sizeof config_origin_keys[0];

_Static_assert(sizeof config_origin_keys / sizeof config_origin_keys[0] <= CONFIG_SECTION_KEYS_MOST,
               "is_given has room for each");

/* ---- Sections ------------------------------------------------------------------------------- */

int config_origin_check(const char *name, struct wire_why *why)
{
    struct url url;
    int result = url_parse(&url, wire_str_of(name), CONFIG_LINE_BYTES, why);
    if (result == 0)
        url_finish(&url);
    return result;
}

static struct config_origin *find(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->origin_count; i++) {
        if (strcasecmp(config->origins[i].name, name) == 0)
            return &config->origins[i];
    }
    return NULL;
}

static struct config_origin *add(struct config *config, const char *name)
{
    size_t count = config->origin_count;
    struct config_origin *origins = reallocarray(config->origins, count + 1, sizeof *origins);
    if (!origins)
        return NULL;
    config->origins = origins;
    origins[count] = (struct config_origin){.name = strdup(name)};
    if (!origins[count].name)
        return NULL;
    config->origin_count++;
    if (config_set_presets(&origins[count], config_origin_keys, config_origin_key_count) < 0)
        return NULL;
    return &origins[count];
}

struct config_origin *config_origin_get(struct config *config, const char *name)
{
    struct config_origin *origin = find(config, name);
    return origin ? origin : add(config, name);
}

void config_origin_finish(struct config_origin *origin)
{
    free(origin->name);
    config_free_values(origin, config_origin_keys, config_origin_key_count);
}

/* ---- Headers -------------------------------------------------------------------------------- */

static void wipe(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

static void finish_header(struct config_header *header)
{
    free(header->name);
    wipe(header->text);
    free(header->file_path);
}

void config_headers_finish(struct config_origin *origin)
{
    for (size_t i = 0; i < origin->header_count; i++)
        finish_header(&origin->headers[i]);
    free(origin->headers);
    origin->headers = NULL;
    origin->header_count = 0;
}

static int refuse(char *out_why, const char *sentence)
{
    snprintf(out_why, CONFIG_WHY_BYTES, "%s", sentence);
    return -EINVAL;
}

/* The path in @/path, up to the end of the value, if a word of it begins so; else empty. */
static struct wire_str find_path(struct wire_str value)
{
    for (size_t i = 0; i + 1 < value.length; i++) {
        bool is_begin = i == 0 || value.data[i - 1] == ' ' || value.data[i - 1] == '\t';
        if (is_begin && value.data[i] == '@' && value.data[i + 1] == '/')
            return (struct wire_str){&value.data[i + 1], value.length - i - 1};
    }
    return (struct wire_str){NULL, 0};
}

/* Says nothing of what may be secret: before the colon stands a name, if that is a token. */
static int check(const struct config_origin *origin, struct wire_str name, struct wire_str value,
                 char *out_why)
{
    struct wire_why why;
    if (!request_field_is_token(name))
        return refuse(out_why, "what stands before the colon is no name of a header field");
    for (size_t i = 0; i < origin->header_count; i++) {
        if (strlen(origin->headers[i].name) == name.length &&
            strncasecmp(origin->headers[i].name, name.data, name.length) == 0) {
            snprintf(out_why, CONFIG_WHY_BYTES, "%.*s is given twice", (int)name.length, name.data);
            return -EINVAL;
        }
    }
    if (name.length == 4 && strncasecmp(name.data, "Host", 4) == 0)
        return refuse(out_why, "Host is not allowed: it is the origin's own");
    if (value.length == 0)
        return refuse(out_why, "the value is empty; expected NAME: VALUE");
    if (request_field_check(name, value, &why) < 0)
        return refuse(out_why, why.text);
    return 0;
}

static int append(struct config_origin *origin, struct config_header *header)
{
    struct config_header *headers = reallocarray(origin->headers, origin->header_count + 1,
                                                 sizeof *headers);
    if (!headers)
        return -ENOMEM;
    origin->headers = headers;
    origin->headers[origin->header_count++] = *header;
    return 0;
}

static int add_header(struct config_origin *origin, struct wire_str name, struct wire_str text,
                      struct wire_str path)
{
    struct config_header header = {
        .name = strndup(name.data, name.length),
        .text = strndup(text.data, text.length),
        .file_path = path.data ? strndup(path.data, path.length) : NULL,
    };
    bool is_whole = header.name && header.text && (header.file_path || !path.data);
    int result = is_whole ? append(origin, &header) : -ENOMEM;
    if (result < 0)
        finish_header(&header);
    return result;
}

int config_header_add(struct config_origin *origin, const char *text, char *out_why)
{
    const char *colon = strchr(text, ':');
    if (!colon)
        return refuse(out_why, "expected NAME: VALUE");
    struct wire_str name = {text, (size_t)(colon - text)};
    struct wire_str value = request_field_trim(wire_str_of(colon + 1));
    int result = check(origin, name, value, out_why);
    if (result < 0)
        return result;
    struct wire_str path = find_path(value);
    for (size_t i = 0; i < path.length; i++) {
        if (path.data[i] == ' ' || path.data[i] == '\t')
            return refuse(out_why, "a file, as @/path, is the last word of the value");
    }
    if (path.data)
        value.length -= path.length + 1;
    return add_header(origin, name, value, path);
}
