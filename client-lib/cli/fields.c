/* fields: see fields.h. */
#include "fields.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "data.h"

/* More header fields than any origin takes; it bounds what @file may be. */
#define FIELDS_MAX_FILE_BYTES ((size_t)1 << 20)

#define BLANKS " \t"

void fields_finish(struct fields *fields)
{
    for (size_t i = 0; i < fields->count; i++)
        free(fields->lines[i]);
    free(fields->lines);
    *fields = (struct fields){0};
}

static int add_line(struct fields *fields, const char *text, size_t length)
{
    char **lines = reallocarray(fields->lines, fields->count + 1, sizeof *lines);
    if (!lines)
        return -ENOMEM;
    fields->lines = lines;
    lines[fields->count] = strndup(text, length);
    if (!lines[fields->count])
        return -ENOMEM;
    fields->count++;
    return 0;
}

static int add_lines(struct fields *fields, const struct buffer *text)
{
    const char *at = (const char *)text->data;
    const char *end = at + text->length;
    int result = 0;
    while (at < end && result == 0) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t length = (size_t)((line_end ? line_end : end) - at);
        const char *next = at + length + (line_end != NULL);
        while (length > 0 && at[length - 1] == '\r')
            length--;
        if (length > 0)
            result = add_line(fields, at, length);
        at = next;
    }
    return result;
}

int fields_add(struct fields *fields, const char *argument)
{
    if (*argument != '@')
        return add_line(fields, argument, strlen(argument));
    struct buffer text;
    buffer_init(&text, FIELDS_MAX_FILE_BYTES);
    int result = data_read_file(&text, argument + 1);
    if (result == 0 && text.length > 0)
        result = add_lines(fields, &text);
    buffer_finish(&text);
    return result;
}

/* The length of a line's name, and where its value begins: NULL where it takes a default away. A
 * line that means nothing has no name. */
static size_t split(const char *line, const char **out_value)
{
    size_t length = strcspn(line, ":");
    if (line[length] == ':') {
        const char *value = line + length + 1;
        value += strspn(value, BLANKS);
        *out_value = *value ? value : NULL;
        return length;
    }
    length = strcspn(line, ";");
    bool is_empty = line[length] == ';' &&
                    line[length + 1 + strspn(line + length + 1, BLANKS)] == 0;
    *out_value = is_empty ? "" : NULL;
    return is_empty ? length : 0;
}

static bool speak_of(const struct fields *fields, const char *name)
{
    for (size_t i = 0; i < fields->count; i++) {
        const char *value;
        size_t length = split(fields->lines[i], &value);
        if (length == strlen(name) && strncasecmp(fields->lines[i], name, length) == 0)
            return true;
    }
    return false;
}

void fields_put(const struct fields *fields, struct fetchpool_request *request)
{
    for (size_t i = 0; i < fields->count; i++) {
        const char *value;
        size_t length = split(fields->lines[i], &value);
        if (length == 0 || !value)
            continue;
        char *name = strndup(fields->lines[i], length);
        fetchpool_request_add_header(request, name, value);
        free(name);
    }
}

void fields_put_default(const struct fields *fields, struct fetchpool_request *request,
                        const char *name, const char *value)
{
    if (value && *value && !speak_of(fields, name))
        fetchpool_request_add_header(request, name, value);
}

/* Three bytes become four letters; what is missing of the last three becomes '='. */
static void write_base64(char *out, const char *text)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t left = strlen(text);
    for (const unsigned char *in = (const unsigned char *)text; left > 0; in += 3) {
        unsigned bits = (unsigned)in[0] << 16;
        bits |= left > 1 ? (unsigned)in[1] << 8 : 0;
        bits |= left > 2 ? in[2] : 0;
        *out++ = letters[bits >> 18];
        *out++ = letters[bits >> 12 & 63];
        *out++ = left > 1 ? letters[bits >> 6 & 63] : '=';
        *out++ = left > 2 ? letters[bits & 63] : '=';
        left -= left < 3 ? left : 3;
    }
    *out = '\0';
}

void fields_put_basic(const struct fields *fields, struct fetchpool_request *request,
                      const char *user)
{
    static const char scheme[] = "Basic ";
    char *pair = NULL;
    char *value = NULL;
    if (asprintf(&pair, strchr(user, ':') ? "%s" : "%s:", user) >= 0)
        value = malloc(sizeof scheme + (strlen(pair) + 2) / 3 * 4);
    if (value) {
        strcpy(value, scheme);
        write_base64(value + strlen(scheme), pair);
        fields_put_default(fields, request, "Authorization", value);
    } else {
        fetchpool_request_add_header(request, NULL, NULL); /* remembered: it will not be sent */
    }
    free(value);
    free(pair);
}
