/* options: see options.h. */
#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "config.h"
#include "pool.h"

#define EXIT_USAGE 2

static const char usage[] =
    "usage: fetchpoold [--config FILE] [--socket PATH] [--log-level LEVEL] [--check]\n"
    "       fetchpoold --version | --help\n"
    "\n"
    "Keeps one pool of HTTP connections for all processes of this host and fetches for them.\n"
    "\n"
    "  --config FILE      read FILE over the defaults, see fetchpool.conf(5)\n"
    "  --socket PATH      listen at PATH\n"
    "  --log-level LEVEL  error, warning, notice, info or debug\n"
    "  --check            read the configuration, print what is in force, and exit\n"
    "  --version          print versions and exit\n"
    "  --help             print this and exit\n";

int options_read(struct options *out_options, int argc, char **argv)
{
    struct options *options = out_options;
    *options = (struct options){0};
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'},
        {"socket", required_argument, NULL, 's'},
        {"log-level", required_argument, NULL, 'l'},
        {"check", no_argument, NULL, 'k'},
        {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", known, NULL)) != -1) {
        switch (option) {
        case 'c':
            options->config_file = optarg;
            break;
        case 's':
            options->socket = optarg;
            break;
        case 'l':
            if (!log_level_parse(optarg, &options->log_level)) {
                fprintf(stderr, "fetchpoold: --log-level %s: expected %s\n", optarg,
                        config_type_description(CONFIG_LEVEL));
                return EXIT_USAGE;
            }
            options->has_log_level = true;
            break;
        case 'k':
            options->is_check = true;
            break;
        case 'v':
            printf("fetchpoold %s\n%s\n", FETCHPOOL_VERSION, pool_library_version());
            return EXIT_SUCCESS;
        case 'h':
            fputs(usage, stdout);
            return EXIT_SUCCESS;
        default: /* getopt has said what is wrong */
            fputs("try fetchpoold --help\n", stderr);
            return EXIT_USAGE;
        }
    }
    if (optind == argc)
        return -1;
    fprintf(stderr, "fetchpoold: unexpected argument \"%s\"\ntry fetchpoold --help\n",
            argv[optind]);
    return EXIT_USAGE;
}
