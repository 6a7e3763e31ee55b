/*
 * config_manual: writes fetchpool.conf(5) in scdoc, from the table that the daemon reads its
 * configuration with. A program of the build, not installed.
 */
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "config_value.h"

static const char head[] =
    "fetchpool.conf(5) \"fetchpool " FETCHPOOL_VERSION "\"\n\n"
    "# NAME\n\n"
    "fetchpool.conf - configuration of fetchpoold\n\n"
    "# DESCRIPTION\n\n"
    "*fetchpoold*(8) reads the file that *--config* names; without that option every key has its "
    "default. The file consists of sections in brackets and of lines _name_ = _value_. Lines that "
    "begin with ; or # are comments; behind a value, a comment begins with a space and ;, while # "
    "is part of the value. A section or key that is unknown, a key given twice and a value out of "
    "its range are errors: the daemon says file, line and what was expected, and does not start. "
    "*fetchpoold --config FILE --check* prints what is in force.\n\n"
    "Sizes are in bytes, or have one of the suffixes KiB, MiB and GiB. Durations have one of the "
    "suffixes ms, s, m, h and d.\n\n";

static const char origins[] =
    "# [origin \"https://HOST\"]\n\n"
    "One section for each origin of which more is to be said, named by scheme, host and, if it is "
    "not the scheme's own, port.\n\n";

static const char foot[] = "# EXAMPLE\n\n"
                           "```\n"
                           "[tls]\n"
                           "ca_file = /etc/ssl/certs/our-ca.pem\n\n"
                           "[limits]\n"
                           "max_body = 64MiB\n\n"
                           "[origin \"https://api.example.com\"]\n"
                           "warm = 2\n"
                           "```\n\n"
                           "# SEE ALSO\n\n"
                           "*fetchpoold*(8), *fetchpool*(1), *libfetchpool*(3)\n";

/* scdoc reads '_' between words, '*', '\\' and a leading '.' as its own. */
static void put_escaped(const char *text)
{
    for (; *text; text++) {
        if (strchr("_*\\`#~", *text))
            putchar('\\');
        putchar(*text);
    }
}

static void put_bounds(const struct config_key *key)
{
    char least[32], most[32];
    bool is_number = key->type == CONFIG_COUNT || key->type == CONFIG_BYTES ||
                     key->type == CONFIG_DURATION;
    if (!is_number)
        return;
    config_value_print(least, sizeof least, key->type == CONFIG_BYTES, key->type == CONFIG_DURATION,
                       key->least);
    config_value_print(most, sizeof most, key->type == CONFIG_BYTES, key->type == CONFIG_DURATION,
                       key->most);
    printf(", %s to %s", least, most);
}

static void put_key(const struct config_key *key)
{
    printf("*%s* = _%s_", key->name,
           key->type == CONFIG_DURATION   ? "duration"
           : key->type == CONFIG_BYTES    ? "size"
           : key->type == CONFIG_COUNT    ? "number"
           : key->type == CONFIG_BOOLEAN  ? "yes|no"
           : key->type == CONFIG_PEM_FILE ? "file"
           : key->type == CONFIG_PROXY    ? "URL"
           : key->type == CONFIG_PATH     ? "path"
           : key->type == CONFIG_LEVEL    ? "error|warning|notice|info|debug"
                                          : "text");
    printf("\n\t");
    put_escaped(key->summary);
    if (key->preset) {
        printf(" Default: ");
        put_escaped(key->preset);
        put_bounds(key);
        putchar('.');
    }
    printf("\n\n");
}

int main(void)
{
    const char *section = "";
    fputs(head, stdout);
    for (size_t i = 0; i < config_key_count; i++) {
        if (strcmp(section, config_keys[i].section) != 0)
            printf("# [%s]\n\n", config_keys[i].section);
        section = config_keys[i].section;
        put_key(&config_keys[i]);
    }
    fputs(origins, stdout);
    for (size_t i = 0; i < config_origin_key_count; i++)
        put_key(&config_origin_keys[i]);
    fputs(foot, stdout);
    return ferror(stdout) || fflush(stdout) != 0;
}
