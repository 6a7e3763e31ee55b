/* transfer_lines: see transfer_lines.h. */
#include "transfer_lines.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int transfer_lines_init(struct transfer_lines *lines, size_t most, size_t text_bytes)
{
    size_t bytes = most * sizeof *lines->first + text_bytes;
    struct curl_slist *first = malloc(bytes);
    if (!first)
        return -ENOMEM;
    *lines = (struct transfer_lines){
        .first = first,
        .bytes = bytes,
        .most = most,
        .end = (char *)(first + most),
    };
    return 0;
}

void transfer_lines_finish(struct transfer_lines *lines)
{
    if (lines->first)
        explicit_bzero(lines->first, lines->bytes);
    free(lines->first);
    *lines = (struct transfer_lines){0};
}

static char *put(char *at, struct wire_str str)
{
    if (str.length > 0)
        memcpy(at, str.data, str.length);
    return at + str.length;
}

void transfer_lines_add(struct transfer_lines *lines, struct wire_str name, const char *mark,
                        struct wire_str value)
{
    struct curl_slist *line = lines->first + lines->count++;
    *line = (struct curl_slist){.data = lines->end};
    if (lines->count > 1)
        line[-1].next = line;
    lines->end = put(lines->end, name);
    lines->end = put(lines->end, wire_str_of(mark));
    lines->end = put(lines->end, value);
    *lines->end++ = '\0';
    assert(lines->count <= lines->most &&
           (size_t)(lines->end - (char *)lines->first) <= lines->bytes);
}
