/*
 * main: fetchpoold's command line. What it does with it is in server; what it was told is in
 * config.
 */
#include <fcntl.h>
#include <getopt.h>
#include <locale.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config.h"
#include "config_show.h"
#include "listener.h"
#include "log.h"
#include "pool.h"
#include "server.h"

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

struct options {
    const char *config_file;
    const char *socket;
    bool has_log_level;
    enum log_level log_level;
    bool is_check;
};

/*
 * Descriptors 0 to 2 that whoever started us has closed: the next ones opened would get their
 * numbers, and a log line would go into a client's socket.
 */
static void fill_standard_descriptors(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO)
        close(fd);
}

/* -1 to go on, or the status to exit with. */
static int read_options(struct options *options, int argc, char **argv)
{
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
        default:
            fputs(usage, stderr);
            return EXIT_USAGE;
        }
    }
    if (optind == argc)
        return -1;
    fprintf(stderr, "fetchpoold: unexpected argument \"%s\"\n%s", argv[optind], usage);
    return EXIT_USAGE;
}

/* 0, or -1 after saying what is wrong. */
static int read_config(struct config *config, const struct options *options)
{
    struct config_error error;
    if (config_init(config) < 0) {
        log_write(LOG_LEVEL_ERROR, "out of memory");
        return -1;
    }
    if (options->config_file && config_load(config, options->config_file, &error) < 0) {
        log_write(LOG_LEVEL_ERROR, "%s", error.text);
        return -1;
    }
    if (options->has_log_level)
        config->log_level = (int)options->log_level;
    log_set_level((enum log_level)config->log_level);
    return 0;
}

static int run(const struct config *config, const struct options *options)
{
    char *preset = listener_default_path();
    const char *path = options->socket ? options->socket : config->socket ? config->socket : preset;
    int status = EXIT_FAILURE;
    if (path)
        status = server_run(config, path);
    else
        log_write(LOG_LEVEL_ERROR, "out of memory");
    free(preset);
    return status;
}

int main(int argc, char **argv)
{
    struct options options = {0};
    struct config config;
    fill_standard_descriptors();
    setlocale(LC_CTYPE, "C.UTF-8"); /* libidn2 reads host names in it, whoever started us */
    int status = read_options(&options, argc, argv);
    if (status >= 0)
        return status;
    status = EXIT_FAILURE;
    if (read_config(&config, &options) == 0) {
        if (options.is_check) {
            config_show(stdout, &config);
            status = EXIT_SUCCESS;
        } else {
            status = run(&config, &options);
        }
    }
    config_finish(&config);
    return status;
}
