/*
 * main: the fetchpool command. Reads the options and does what they say, one URL after the other
 * over one client; the exit code is the last one's, as with curl.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"
#include "complaint.h"
#include "decode.h"
#include "exitcode.h"
#include "interrupt.h"
#include "options.h"
#include "report.h"
#include "top.h"
#include "transfer.h"
#include "usage.h"

static int fetch_all(struct fetchpool *client, const struct options *options)
{
    int exit_code = EXIT_CODE_OK;
    for (size_t i = 0; i < options->url_count; i++)
        exit_code = transfer_run(client, options, i);
    return exit_code;
}

static int run(const struct options *options)
{
    struct fetchpool *client = fetchpool_open(options->socket);
    if (!client) {
        complaint_show(EXIT_CODE_MEMORY, "out of memory");
        return EXIT_CODE_MEMORY;
    }
    int exit_code;
    if (options->action == ACTION_REPORT)
        exit_code = report_run(client, options);
    else if (options->action == ACTION_CHECK)
        exit_code = check_run(client, options);
    else if (options->action == ACTION_TOP)
        exit_code = top_run(client, options);
    else
        exit_code = fetch_all(client, options);
    fetchpool_close(client);
    return exit_code;
}

static int act(const struct options *options)
{
    switch (options->action) {
    case ACTION_HELP:
        return fputs(usage_text, stdout) < 0 || fflush(stdout) ? EXIT_CODE_WRITE : EXIT_CODE_OK;
    case ACTION_VERSION:
        return printf("fetchpool %s\n", fetchpool_version()) < 0 || fflush(stdout) ? EXIT_CODE_WRITE
                                                                                   : EXIT_CODE_OK;
    case ACTION_FETCH:
    case ACTION_REPORT:
    case ACTION_CHECK:
    case ACTION_TOP:
        return run(options);
    case ACTION_DECODE:
        return decode_run(options);
    }
    return EXIT_CODE_USAGE;
}

int main(int argc, char **argv)
{
    struct options options;
    /* A closed pipe, a file at its limit: write errors, with their number and their sentence. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    interrupt_install();
    int exit_code = options_read(&options, argc, argv);
    if (exit_code == EXIT_CODE_OK)
        exit_code = act(&options);
    options_finish(&options);
    return exit_code;
}
