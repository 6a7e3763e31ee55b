/*
 * main: what fetchpoold does, in order. The command line is read in options, the configuration in
 * config; server runs, or check says what it would run with.
 */
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "config.h"
#include "listener.h"
#include "log.h"
#include "options.h"
#include "server.h"
#include "supervisor.h"

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

/* 0, or -1 after saying what is wrong. `*out_path`: the file that was read; owned. */
static int read_config(struct config *config, const struct options *options, char **out_path)
{
    struct config_error error;
    if (config_init(config) < 0) {
        log_write(LOG_LEVEL_ERROR, "out of memory");
        return -1;
    }
    if (config_read(config, options->config_file, out_path, &error) < 0) {
        log_write(LOG_LEVEL_ERROR, "%s", error.text);
        return -1;
    }
    if (options->has_log_level)
        config->log_level = (int)options->log_level;
    log_set_level((enum log_level)config->log_level);
    log_set_urls((enum log_urls)config->log_urls);
    return 0;
}

static int run(struct config *config, const struct options *options)
{
    char *preset = listener_default_path();
    struct server_setup setup = {
        .config = config,
        .config_file = options->config_file,
        .socket_path = options->socket  ? options->socket
                       : config->socket ? config->socket
                                        : preset,
        .has_log_level = options->has_log_level,
        .log_level = options->log_level,
    };
    int status = EXIT_FAILURE;
    if (setup.socket_path)
        status = server_run(&setup);
    else
        log_write(LOG_LEVEL_ERROR, "out of memory");
    free(preset);
    return status;
}

int main(int argc, char **argv)
{
    struct options options;
    struct config config;
    fill_standard_descriptors();
    setlocale(LC_CTYPE, "C.UTF-8"); /* libidn2 reads host names in it, whoever started us */
    int status = options_read(&options, argc, argv);
    if (status >= 0)
        return status;
    char *path = NULL;
    status = EXIT_FAILURE;
    if (read_config(&config, &options, &path) == 0)
        status = options.is_check ? check_run(&config, path) : run(&config, &options);
    if (status != EXIT_SUCCESS && !options.is_check)
        supervisor_put_off_failure();
    free(path);
    config_finish(&config);
    return status;
}
