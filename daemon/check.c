/* check: see check.h. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "config_show.h"
#include "credential.h"
#include "log.h"
#include "policy.h"

/* 0 or a negative errno, after a line that says what is wrong. */
static int try_credentials(const struct config *config)
{
    struct credential_table *credentials;
    struct wire_why why;
    int result = credential_table_read(&credentials, config, &why);
    if (result < 0)
        log_write(LOG_LEVEL_ERROR, "%s", why.text);
    else
        credential_table_destroy(credentials);
    return result;
}

static int try_access_log(const struct config *config)
{
    int result = config->access_log ? access_log_probe(config->access_log) : 0;
    if (result < 0)
        log_write(LOG_LEVEL_ERROR, "[daemon] access_log %s: %s", config->access_log,
                  strerror(-result));
    return result;
}

int check_run(const struct config *config, const char *path)
{
    if (try_credentials(config) < 0 || try_access_log(config) < 0)
        return EXIT_FAILURE;
    printf("; read from %s\n\n", *path ? path : "no file: every key has its default");
    config_show(stdout, config, policy_built_in_networks());
    return EXIT_SUCCESS;
}
