/* data: whole files in memory, as options name them (@file, PEM files). "-" is standard input. */
#pragma once

#include "buffer.h"

/* Appends a whole file. 0 or a negative errno; -EFBIG for more than fits the buffer. */
int data_read_file(struct buffer *buffer, const char *path);
int data_read_fd(struct buffer *buffer, int fd);

/* So that the bytes can be used as a string; the NUL does not count. 0 or -ENOMEM. */
int data_end_string(struct buffer *buffer);
