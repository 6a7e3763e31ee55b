/*
 * output: where bytes go: standard output, or a file that appears under its name when it is whole.
 *
 * A regular file is written under a temporary name beside its own and then renamed, so that a full
 * disk, a signal or an answer cut short leaves either the old file or the new one, never a piece.
 * What is no regular file (/dev/null, a FIFO, a terminal) is written directly. It owns the
 * descriptor and the temporary file.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct output {
    int fd;
    char *path;      /* the final name; NULL: nothing to rename */
    char *temporary; /* the name until then */
};

/* path NULL or "-": standard output. 0 or a negative errno. */
int output_open(struct output *out_output, const char *path);

/* All of the bytes. 0 or a negative errno. */
int output_write(struct output *output, const void *bytes, size_t length);

bool output_is_terminal(const struct output *output);

/* The file takes its name. 0 or a negative errno, after which the old file is as it was. */
int output_finish(struct output *output);

/* Nothing happened: the temporary file goes. */
void output_abandon(struct output *output);

/* All of the bytes to a descriptor, without stdio. 0 or a negative errno. */
int output_write_to(int fd, const void *bytes, size_t length);
