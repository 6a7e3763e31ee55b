/*
 * log_output: a descriptor that whole lines are written to, by one thread, which waits as long as
 * it takes. It may be blocking or not. Another thread may put another descriptor in its place.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct log_output {
    int fd;
    atomic_int next_fd; /* to be used from the next line on; -1: none */
    bool is_torn;       /* the last line is there in part */
};

/* Takes the descriptor. */
void log_output_init(struct log_output *output, int fd);

/* All of it. 0 or a negative errno: it is lost, perhaps not without trace. */
int log_output_write(struct log_output *output, const char *line, size_t length);

/* Takes the descriptor; closes the one before when that is no longer written to. From any thread.
 */
void log_output_replace(struct log_output *output, int fd);

/* Closes what it has. */
void log_output_finish(struct log_output *output);
