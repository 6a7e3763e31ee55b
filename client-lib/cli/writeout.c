/*
 * writeout: see writeout.h. The language is %{variable}, %header{name}, %%, \n, \r, \t, and
 * %{stdout} and %{stderr}, which say where the rest goes. What it does not know stands for itself.
 */
#include "writeout.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output.h"
#include "variable.h"

/* The text so far, and where it goes when it is whole or the descriptor changes. */
struct writeout {
    const struct transfer *transfer;
    struct buffer text;
    int fd;
};

/* A failure has nobody left to be told to: this is the last that a transfer does. */
static void flush(struct writeout *writeout)
{
    output_write_to(writeout->fd, writeout->text.data, writeout->text.length);
    buffer_truncate(&writeout->text, 0);
}

static void redirect(struct writeout *writeout, int fd)
{
    flush(writeout);
    writeout->fd = fd;
}

static void put_variable(struct writeout *writeout, const char *name)
{
    if (strcmp(name, "stdout") == 0)
        redirect(writeout, STDOUT_FILENO);
    else if (strcmp(name, "stderr") == 0)
        redirect(writeout, STDERR_FILENO);
    else if (!variable_put(&writeout->text, writeout->transfer, name))
        fprintf(stderr, "fetchpool: unknown --write-out variable: '%s'\n", name);
}

static void put_header(struct writeout *writeout, const char *name)
{
    const struct fetchpool_response *response = writeout->transfer->response;
    const char *value = response ? fetchpool_header(response, name) : NULL;
    if (value)
        buffer_append_text(&writeout->text, value);
}

/* If the format goes on with this opening and a name up to '}': says that name and returns where
 * the format goes on behind it. NULL if it does not. */
static const char *put_named(struct writeout *writeout, const char *at, const char *opening,
                             void (*put)(struct writeout *writeout, const char *name))
{
    size_t length = strlen(opening);
    if (strncmp(at, opening, length) != 0 || !strchr(at + length, '}'))
        return NULL;
    size_t name_length = strcspn(at + length, "}");
    char *name = strndup(at + length, name_length);
    if (name)
        put(writeout, name);
    free(name);
    return at + length + name_length + 1;
}

static const char *put_percent(struct writeout *writeout, const char *at)
{
    const char *next = put_named(writeout, at, "%{", put_variable);
    if (!next)
        next = put_named(writeout, at, "%header{", put_header);
    if (next)
        return next;
    buffer_append(&writeout->text, at, 1);
    return at[1] == '%' ? at + 2 : at + 1;
}

static const char *put_backslash(struct writeout *writeout, const char *at)
{
    static const char letters[] = "nrt";
    static const char bytes[] = "\n\r\t";
    const char *letter = at[1] ? strchr(letters, at[1]) : NULL;
    if (letter)
        buffer_append(&writeout->text, &bytes[letter - letters], 1);
    else
        buffer_append(&writeout->text, at, at[1] ? 2 : 1);
    return at + (at[1] ? 2 : 1);
}

static const char *put_plain(struct writeout *writeout, const char *at)
{
    size_t length = strcspn(at, "%\\");
    buffer_append(&writeout->text, at, length);
    return at + length;
}

void writeout_show(const struct transfer *transfer)
{
    const struct buffer *format = &transfer->options->write_out;
    const char *at = format->length > 0 ? (const char *)format->data : "";
    struct writeout writeout = {.transfer = transfer, .fd = STDOUT_FILENO};
    buffer_init(&writeout.text, SIZE_MAX / 2);
    while (*at) {
        if (*at == '%')
            at = put_percent(&writeout, at);
        else if (*at == '\\')
            at = put_backslash(&writeout, at);
        else
            at = put_plain(&writeout, at);
    }
    flush(&writeout);
    buffer_finish(&writeout.text);
}
