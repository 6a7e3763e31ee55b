/* config_lines: see config_lines.h. */
#include "config_lines.h"

#include <errno.h>
#include <string.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

int config_lines_open(struct config_lines *lines, const char *path)
{
    *lines = (struct config_lines){.file = fopen(path, "re")};
    if (!lines->file)
        return -errno;
    setvbuf(lines->file, lines->buffer, _IOFBF, sizeof lines->buffer);
    return 0;
}

void config_lines_close(struct config_lines *lines)
{
    if (lines->file)
        fclose(lines->file);
    explicit_bzero(lines, sizeof *lines);
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

/* Up to its end, or that of the file, which is true. */
static bool read_line(struct config_lines *lines, size_t *out_length)
{
    size_t length = 0;
    int byte;
    lines->is_cut = lines->has_nul = false;
    while ((byte = getc(lines->file)) != EOF && byte != '\n') {
        /* For inih an indented line continues the one before it: a rule would be another key's. */
        if (length == 0 && (byte == ' ' || byte == '\t'))
            continue;
        lines->has_nul |= byte == '\0';
        lines->is_cut |= length == sizeof lines->line - 1;
        if (!lines->is_cut)
            lines->line[length++] = (char)byte;
    }
    *out_length = length;
    return byte == EOF;
}

bool config_lines_next(struct config_lines *lines)
{
    size_t length, mark = strlen(BYTE_ORDER_MARK);
    bool is_end = read_line(lines, &length);
    if (is_end && length == 0)
        return false;
    while (length > 0 && is_blank(lines->line[length - 1]))
        length--;
    lines->line[length] = '\0';
    lines->number++;
    if (lines->number == 1 && strncmp(lines->line, BYTE_ORDER_MARK, mark) == 0)
        memmove(lines->line, lines->line + mark, length - mark + 1);
    return true;
}
