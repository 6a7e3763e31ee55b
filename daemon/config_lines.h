/*
 * config_lines: a configuration file line by line. Lines are whole or said not to be: what is cut
 * means something else. What has been read may be secret: all of it is wiped at the end.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "config_internal.h"

/* The file is read by as much. */
#define CONFIG_LINES_BUFFER_BYTES 4096

struct config_lines {
    FILE *file;                   /* NULL: it could not be opened */
    int number;                   /* of the line, from 1 */
    char line[CONFIG_LINE_BYTES]; /* without the blanks around it, and its end */
    bool is_cut;                  /* there was more */
    bool has_nul;
    char buffer[CONFIG_LINES_BUFFER_BYTES];
};

/* 0 or a negative errno. In both cases it must be closed; it must not be moved meanwhile. */
int config_lines_open(struct config_lines *lines, const char *path);
void config_lines_close(struct config_lines *lines);

/* False at the end of the file, or if it cannot be read: see ferror(). */
bool config_lines_next(struct config_lines *lines);
