/*
 * server: the daemon: the loop, and everything that lives on it. It opens, runs, drains and ends.
 *
 *     SERVER_RUNNING --SIGTERM, SIGINT--> SERVER_DRAINING --nothing runs, deadline, 2nd signal-->
 *     SERVER_CLOSING --every client gone--> SERVER_ENDED
 */
#pragma once

#include "config.h"

/*
 * Runs until a signal ends it. Returns the process's exit status: 0 after an orderly end, 1 if it
 * could not start (a log line says why). The path is where to listen; both are borrowed.
 */
int server_run(const struct config *config, const char *socket_path);
