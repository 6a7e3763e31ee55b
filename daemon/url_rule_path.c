/*
 * url_rule_path: is a path below another one? An origin's reading of a path is a stack of segments:
 * some are pushed, ".." pops one. Of all readings together two things are kept while the path is
 * passed once: how many of the rule's segments may stand at the bottom of the stack, and the least
 * depth that the stack can have. Where that is not above the rule's next segment, it may be pushed
 * right there; where it never falls below the rule's own depth, that is never left.
 */
#include "url_rule_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Bytes between two things that may be slashes. */
struct segment {
    const char *text;
    size_t length;
    bool begins_surely, ends_surely; /* at a plain slash, or an end of the path */
};

struct reader {
    const char *next; /* NULL: all was read */
    const char *end;
    bool begins_surely;
};

static void start_reading(struct reader *reader, const char *path)
{
    if (!path)
        path = "/";
    *reader = (struct reader){.next = path + (*path == '/'),
                              .end = path + strcspn(path, "?#"),
                              .begins_surely = true};
}

static unsigned hex_value(char digit)
{
    return isdigit((unsigned char)digit) ? (unsigned)(digit - '0')
                                         : (unsigned)(tolower((unsigned char)digit) - 'a' + 10);
}

static bool is_encoded(const char *text, size_t length)
{
    return length >= 3 && text[0] == '%' && isxdigit((unsigned char)text[1]) &&
           isxdigit((unsigned char)text[2]);
}

/* One byte, decoded: takes 1 or 3 of at least one. What looks like %xx and is not, is itself. */
static size_t decode(unsigned char *out_byte, const char *text, size_t length)
{
    if (is_encoded(text, length)) {
        *out_byte = (unsigned char)(hex_value(text[1]) << 4 | hex_value(text[2]));
        return 3;
    }
    *out_byte = (unsigned char)*text;
    return 1;
}

/* The length of what may be a slash, or 0. */
static size_t separator_length(const char *text, const char *end)
{
    unsigned char byte;
    size_t length = decode(&byte, text, (size_t)(end - text));
    return byte == '/' || byte == '\\' ? length : 0;
}

static bool read_segment(struct reader *reader, struct segment *out_segment)
{
    const char *begin = reader->next;
    if (!begin)
        return false;
    const char *c = begin;
    size_t separator = 0;
    while (c < reader->end && (separator = separator_length(c, reader->end)) == 0)
        c++;
    *out_segment = (struct segment){.text = begin,
                                    .length = (size_t)(c - begin),
                                    .begins_surely = reader->begins_surely,
                                    .ends_surely = c == reader->end || *c == '/'};
    reader->begins_surely = out_segment->ends_surely;
    reader->next = c < reader->end ? c + separator : NULL;
    return true;
}

/* If `is_cut`, without what some origins leave out: parameters, and all from a NUL. */
static bool reads_as(const struct segment *segment, bool is_cut, const char *text)
{
    for (size_t i = 0; i < segment->length;) {
        unsigned char byte;
        i += decode(&byte, segment->text + i, segment->length - i);
        if (is_cut && (byte == ';' || byte == '\0'))
            break;
        if (byte == '\0' || byte != (unsigned char)*text)
            return false;
        text++;
    }
    return *text == '\0';
}

/* Only what begins so can be a dot segment, or nothing at all. */
static bool may_vanish(const struct segment *segment)
{
    return segment->length == 0 || strchr(".;%", *segment->text);
}

/* The least depth behind this segment, over all readings. */
static size_t least_depth(size_t depth, const struct segment *segment)
{
    if (!may_vanish(segment))
        return depth + segment->begins_surely;
    if (reads_as(segment, true, ".."))
        return depth > 0 ? depth - 1 : 0;
    bool is_pushed_by_all = segment->begins_surely && !reads_as(segment, true, "") &&
                            !reads_as(segment, true, ".");
    return depth + is_pushed_by_all;
}

bool url_rule_path_surely_holds(const struct url_rule_path *path, const char *asked)
{
    struct reader reader;
    struct segment segment;
    const char *wanted = path->segments;
    size_t seen = 0, depth = 0;
    start_reading(&reader, asked);
    while (read_segment(&reader, &segment)) {
        if (seen < path->count) {
            if (!segment.begins_surely || !segment.ends_surely ||
                !reads_as(&segment, false, wanted))
                return false;
            wanted += strlen(wanted) + 1;
        }
        depth = least_depth(depth, &segment);
        if (++seen > path->count && depth < path->count)
            return false;
    }
    return seen > path->count || (seen == path->count && !path->is_directory);
}

bool url_rule_path_may_hold(const struct url_rule_path *path, const char *asked)
{
    struct reader reader;
    struct segment segment;
    const char *wanted = path->segments;
    size_t matched = 0, depth = 0;
    start_reading(&reader, asked);
    while (matched < path->count && read_segment(&reader, &segment)) {
        if (depth <= matched && reads_as(&segment, true, wanted)) {
            wanted += strlen(wanted) + 1;
            matched++;
        }
        depth = least_depth(depth, &segment);
    }
    return matched == path->count;
}

/* ---- What is written in a rule -------------------------------------------------------------- */

static int check_byte(char byte, char *out_why)
{
    if (byte == '?' || byte == '#')
        return url_rule_refuse(out_why, "the path must end before its %c: that does not count",
                               byte);
    if (byte == '*')
        return url_rule_refuse(out_why, "the path holds a *: it is a prefix (%%2a is that byte)");
    if (byte <= 0x20 || byte >= 0x7f) /* char may be signed: covers all above */
        return url_rule_refuse(out_why,
                               "the path holds the byte 0x%02x: it must be "
                               "percent-encoded",
                               (unsigned char)byte);
    return 0;
}

/* Writes the segment, decoded, and its NUL. A rule's path has one reading only. */
static int take_segment(char **to, const char *text, size_t length, char *out_why)
{
    const char *begin = *to;
    for (size_t i = 0; i < length;) {
        unsigned char byte;
        int result = check_byte(text[i], out_why);
        if (result < 0)
            return result;
        if (text[i] == '%' && !is_encoded(text + i, length - i))
            return url_rule_refuse(out_why, "the path holds a %% without two hexadecimal digits");
        i += decode(&byte, text + i, length - i);
        if (byte == '/' || byte == '\\' || byte == ';' || byte == '\0')
            return url_rule_refuse(out_why,
                                   "the path holds a slash, backslash, semicolon or NUL in a "
                                   "segment: origins read these differently");
        *(*to)++ = (char)byte;
    }
    *(*to)++ = '\0';
    if (strcmp(begin, ".") == 0 || strcmp(begin, "..") == 0 || !*begin)
        return url_rule_refuse(out_why, "the path must not hold empty, . or .. segments");
    return 0;
}

int url_rule_path_parse(struct url_rule_path *out_path, const char *text, char *out_why)
{
    struct url_rule_path path = {.segments = malloc(strlen(text) + 1)};
    if (!path.segments)
        return -ENOMEM;
    char *to = path.segments;
    int result = 0;
    while (result == 0 && *text == '/' && text[1]) {
        size_t length = strcspn(text + 1, "/");
        result = take_segment(&to, text + 1, length, out_why);
        text += 1 + length;
        path.count++;
    }
    path.is_directory = *text == '/' && path.count > 0;
    if (result < 0)
        free(path.segments);
    else
        *out_path = path;
    return result;
}
