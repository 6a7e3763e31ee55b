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
    "*fetchpoold*(8) reads the file that *--config* names; without that option "
    "/etc/fetchpool/fetchpool.conf where root starts it, else "
    "$XDG_CONFIG_HOME/fetchpool/fetchpool.conf (~/.config where that is not set). Without a file "
    "every key has its default. The file consists of sections in brackets and of lines _name_ = "
    "_value_. Lines that "
    "begin with ; or # are comments; behind a value, a comment begins with a space and ;, while # "
    "is part of the value. A line may be indented, and has no more than 198 bytes. A section or "
    "key that is unknown, a key given twice (unless it is said to add up) and a value out of "
    "its range are errors: the daemon says file, line and what was expected, and does not start. "
    "*fetchpoold --config FILE --check* prints what is in force.\n\n"
    "At *SIGHUP*, and when *fetchpool reload* asks for it, the daemon reads the file again, and "
    "the files of certificates and credentials with it. It takes all of it or, if anything is "
    "wrong, nothing, and says which keys have changed. What a client may ask for holds at once, "
    "also for those that are connected, but for *max\\_message* and *max\\_line*, which hold for "
    "those that come; requests that wait are asked about again. Keys of which "
    "it is said here that they hold from the next start on stay as they were. The daemon serves "
    "nobody while it reads: names of users should not take long to look up.\n\n"
    "Sizes are in bytes, or have one of the suffixes KiB, MiB and GiB. Durations have one of the "
    "suffixes ms, s, m, h and d.\n\n";

static const char origins[] =
    "# [origin]\n\n"
    "A section *[origin \"https://HOST\"]* for each origin of which more is to be said, named by "
    "scheme, host and, if it is not the scheme's own, port.\n\n"
    "A file that *header* names must be readable by the daemon's user, and should be by nobody "
    "else. If it cannot be read, the daemon does not start, and stays with what it has at SIGHUP; "
    "*--check* says so, too. Line ends at its end do not count. These fields are not sent "
    "with TRACE, where a redirect of another origin leads here, or if the client brings a proxy, "
    "authorities or a server name of its own, or asks not to verify.\n\n";

static const char policies[] =
    "# [policy]\n\n"
    "A section *[policy \"NAME\"]* says what some users may ask for, and what they may cost. The "
    "first one in the file that names a user, or a group of the user's, holds for all that this "
    "user asks; each names somebody. Only *[policy \"default\"]* names nobody: it holds for "
    "everybody else, and is there even if the file has none, with all keys at their defaults. "
    "Users, groups, networks, rules, proxies and credentials may be given often, and add up.\n\n"
    "Methods in rules are compared as they are sent: in capitals. Host names are ASCII, others in "
    "their xn-- form. A policy that has *networks\\_allow* denies all that no network of it "
    "holds, IPv6 included: an exception to *networks\\_deny* takes 0.0.0.0/0 and ::/0 beside "
    "it.\n\n"
    "*mode* = _report_ allows all that the policy would deny: the built-in networks, certificates "
    "that are not verified and proxies of the client's included. It is for a trial, with users "
    "who are trusted.\n\n"
    "*fetchpool check* _URL_ tells a user what holds for a request, and by which rule.\n\n";

static const char foot[] = "# EXAMPLE\n\n"
                           "```\n"
                           "[tls]\n"
                           "ca_file = /etc/ssl/certs/our-ca.pem\n\n"
                           "[limits]\n"
                           "max_body = 64MiB\n\n"
                           "[origin \"https://api.example.com\"]\n"
                           "warm = 2\n"
                           "header = Authorization: Bearer @/etc/fetchpool/api.token\n\n"
                           "[policy \"deploy\"]\n"
                           "users = deploy\n"
                           "allow = GET HEAD https://*.example.com\n"
                           "networks_deny = 10.0.0.0/8\n"
                           "credentials = https://api.example.com\n"
                           "```\n\n"
                           "# SEE ALSO\n\n"
                           "*fetchpoold*(8), *fetchpool*(1), *libfetchpool*(3), "
                           "*fetchpool-protocol*(7)\n";

/* scdoc reads '_' between words, '*', '\\' and a leading '.' as its own. */
static void put_escaped(const char *text)
{
    for (; *text; text++) {
        if (strchr("_*\\`#~", *text))
            putchar('\\');
        putchar(*text);
    }
}

static bool is_number(const struct config_key *key)
{
    return key->type == CONFIG_COUNT || key->type == CONFIG_BYTES || key->type == CONFIG_DURATION;
}

static void put_bounds(const struct config_key *key)
{
    char least[32], most[32];
    if (!is_number(key))
        return;
    config_value_print(least, sizeof least, key->type == CONFIG_BYTES, key->type == CONFIG_DURATION,
                       key->least);
    config_value_print(most, sizeof most, key->type == CONFIG_BYTES, key->type == CONFIG_DURATION,
                       key->most);
    printf(", %s to %s", least, most);
}

/* What stands behind the = */
static const char *value_word(const struct config_key *key)
{
    switch (key->type) {
    case CONFIG_TEXT:
        return "text";
    case CONFIG_PEM_FILE:
    case CONFIG_FILE:
        return "file";
    case CONFIG_PROXY:
        return "URL";
    case CONFIG_PATH:
        return "path";
    case CONFIG_LEVEL:
        return "error|warning|notice|info|debug";
    case CONFIG_URLS:
        return "origin|path|full";
    case CONFIG_BOOLEAN:
        return "yes|no";
    case CONFIG_MODE:
        return "enforce|report";
    case CONFIG_ISOLATION:
        return "no|user";
    case CONFIG_COUNT:
        return "number";
    case CONFIG_BYTES:
        return "size";
    case CONFIG_DURATION:
        return "duration";
    case CONFIG_HEADERS:
        return "NAME: VALUE";
    case CONFIG_USERS:
        return "users";
    case CONFIG_GROUPS:
        return "groups";
    case CONFIG_NETWORKS:
        return "networks";
    case CONFIG_ALLOW_RULES:
    case CONFIG_DENY_RULES:
        return "rule";
    case CONFIG_PROXY_RULES:
        return "proxy";
    case CONFIG_ORIGIN_RULES:
        return "origin";
    }
    return "";
}

static void put_key(const struct config_key *key)
{
    printf("*");
    put_escaped(key->name);
    printf("* = _");
    put_escaped(value_word(key));
    printf("_\n\t");
    put_escaped(key->summary);
    if (key->preset || is_number(key)) {
        printf(" Default: ");
        put_escaped(key->preset ? key->preset : "as there");
        put_bounds(key);
        putchar('.');
    }
    if (strcmp(key->section, "origin") != 0 && strcmp(key->section, "policy") != 0 &&
        config_key_is_fixed(key))
        printf(" Holds from the next start on.");
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
    fputs(policies, stdout);
    for (size_t i = 0; i < config_policy_key_count; i++)
        put_key(&config_policy_keys[i]);
    fputs(foot, stdout);
    return ferror(stdout) || fflush(stdout) != 0;
}
