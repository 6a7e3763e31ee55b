/*
 * server: the daemon: the loop, and everything that lives on it. It opens, runs, drains and ends.
 *
 *     SERVER_RUNNING --SIGTERM, SIGINT, drain--> SERVER_DRAINING --nothing runs, deadline, 2nd
 *     signal--> SERVER_CLOSING --every client gone--> SERVER_ENDED
 *
 * SIGHUP, or the method reload, has it read its configuration again, all or nothing.
 */
#pragma once

#include "config.h"
#include "log.h"

/* Borrowed, as what it points to. */
struct server_setup {
    struct config *config;   /* is another one after a reload */
    const char *config_file; /* to be read again; NULL: the default one */
    const char *socket_path;
    bool has_log_level; /* by the command line, whatever the configuration says */
    enum log_level log_level;
};

/*
 * Runs until a signal ends it. Returns the process's exit status: 0 after an orderly end, 1 if it
 * could not start (a log line says why).
 */
int server_run(const struct server_setup *setup);
