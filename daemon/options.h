/*
 * options: fetchpoold's command line. Borrows its strings from argv.
 */
#pragma once

#include <stdbool.h>

#include "log.h"

struct options {
    const char *config_file; /* NULL: defaults only */
    const char *socket;      /* NULL: the configuration's, or the default path */
    bool has_log_level;
    enum log_level log_level;
    bool is_check;
};

/*
 * Reads the command line. -1 to go on, or the status to exit with: 0 after --version and --help,
 * 2 after saying what is wrong.
 */
int options_read(struct options *out_options, int argc, char **argv);
