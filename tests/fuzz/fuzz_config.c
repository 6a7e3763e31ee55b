/* The configuration: whatever is taken is whole, can be shown, and has all that policy relies on.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"
#include "config_show.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_policy(const struct config_policy *policy, bool is_last)
{
    bool is_default = strcmp(policy->name, "default") == 0;
    bool names_somebody = policy->users.count + policy->groups.count > 0;
    if (is_default != is_last || names_somebody == is_default)
        abort();
    if (policy->proxies.count == 0 || policy->queue == 0 || policy->paused_memory_bytes == 0)
        abort(); /* is given or inherited */
}

static void check_origin(const struct config_origin *origin)
{
    for (size_t i = 0; i < origin->header_count; i++) {
        const struct config_header *header = &origin->headers[i];
        if (!*header->name || strpbrk(header->name, " :\r\n") || strpbrk(header->text, "\r\n"))
            abort();
        if (header->file_path ? *header->file_path != '/' : !*header->text)
            abort();
    }
}

static void check(const struct config *config)
{
    if (config->policy_count == 0)
        abort();
    for (size_t i = 0; i < config->policy_count; i++)
        check_policy(&config->policies[i], i + 1 == config->policy_count);
    for (size_t i = 0; i < config->origin_count; i++)
        check_origin(&config->origins[i]);
}

static void show(const struct config *config)
{
    static const struct network_list built_in;
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    if (!out)
        abort();
    config_show(out, config, &built_in);
    fclose(out);
    free(text);
}

/* Errors begin with the file's name and say something behind it. */
static void check_error(const char *text, const char *path)
{
    size_t length = strlen(path);
    if (strncmp(text, path, length) != 0 || strlen(text) < length + 10)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    struct config config;
    struct config_error error;
    char path[40];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, length) != (ssize_t)length || config_init(&config) < 0)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (config_load(&config, path, &error) < 0)
        check_error(error.text, path);
    check(&config); /* the defaults, after an error */
    show(&config);
    config_finish(&config);
    close(fd);
    return 0;
}
