/* options_check: see options_check.h. */
#include "options_check.h"

#include <stdio.h>
#include <string.h>

#include "exitcode.h"
#include "usage.h"

/* ---- Questions about the daemon -------------------------------------------------------------- */

static bool is_word(const struct options *options, const char *word)
{
    return options->url_count > 0 && strcmp(options->urls[0], word) == 0;
}

static bool is_report(const struct options *options)
{
    static const char *const subjects[] = {"ping",    "stats",  "connections", "origins",
                                           "clients", "config", "reload",      "drain"};
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++) {
        if (is_word(options, subjects[i]))
            return true;
    }
    return false;
}

static int check_alone(const struct options *options)
{
    if (options->url_count > 1)
        return usage_wrong("%s takes no argument, but there is '%s'", options->urls[0],
                           options->urls[1]);
    return EXIT_CODE_OK;
}

static bool is_for_top(const struct options *options)
{
    return options->interval_ms > 0 || options->frame_count > 0;
}

/* Options that only one subcommand has, and no other may be given. */
static int check_foreign(const struct options *options)
{
    if (is_for_top(options) && options->action != ACTION_TOP)
        return usage_wrong("--interval and --count are for top");
    if (options->is_full && options->action != ACTION_DECODE)
        return usage_wrong("--full is for decode");
    return EXIT_CODE_OK;
}

static int check_report(struct options *options)
{
    options->subject = options->urls[0];
    return check_alone(options);
}

static int check_check(struct options *options)
{
    options->subject = options->urls[1]; /* or the NULL behind the arguments */
    if (options->url_count < 2 || !*options->subject)
        return usage_wrong("check takes a URL");
    if (options->url_count > 2)
        return usage_wrong("check takes one URL, but there is '%s'", options->urls[2]);
    return EXIT_CODE_OK;
}

static int check_top(struct options *options)
{
    if (options->is_json)
        return usage_wrong("--json is not for top: see 'fetchpool origins --json'");
    if (options->interval_ms == 0)
        options->interval_ms = INTERVAL_DEFAULT_MS;
    return check_alone(options);
}

/* Its files are the words behind the first; it shows nothing but JSON. */
static int check_decode(const struct options *options)
{
    for (size_t i = 1; i < options->url_count; i++) {
        if (!*options->urls[i])
            return usage_wrong("decode: the name of a file is empty");
    }
    return EXIT_CODE_OK;
}

/* ---- Fetches --------------------------------------------------------------------------------- */

/* curl warns, too, and goes on: the fetches that have a URL are as they were asked for. */
static void warn_of_surplus(const struct options *options, size_t count, const char *what)
{
    if (count > options->url_count && options_allow_complaints(options))
        fprintf(stderr, "fetchpool: warning: more %s than URLs: the last %zu not used\n", what,
                count - options->url_count);
}

static int check_bodies(const struct options *options)
{
    if (options->is_head && (options->body.exists || options->upload_count > 0))
        return usage_wrong("-I and data cannot go together: a HEAD request has none");
    if (options->body.exists && options->upload_count > 0)
        return usage_wrong("-d and -T cannot go together: a request has one body");
    return EXIT_CODE_OK;
}

static int check_fetch(const struct options *options)
{
    if (options->url_count == 0)
        return usage_wrong("no URL given");
    if (options->is_json)
        return usage_wrong("--json is for check, decode and what asks the daemon about itself");
    for (size_t i = 0; i < options->url_count; i++) {
        if (!*options->urls[i])
            return usage_wrong("a URL is empty");
    }
    int result = check_bodies(options);
    if (result == EXIT_CODE_OK) {
        warn_of_surplus(options, options->target_count, "-o and -O");
        warn_of_surplus(options, options->upload_count, "-T");
    }
    return result;
}

/* ---- The whole ------------------------------------------------------------------------------- */

static enum action action_of(const struct options *options)
{
    if (is_report(options))
        return ACTION_REPORT;
    if (is_word(options, "check"))
        return ACTION_CHECK;
    if (is_word(options, "top"))
        return ACTION_TOP;
    return is_word(options, "decode") ? ACTION_DECODE : ACTION_FETCH;
}

static int check_action(struct options *options)
{
    switch (options->action) {
    case ACTION_FETCH:
        return check_fetch(options);
    case ACTION_REPORT:
        return check_report(options);
    case ACTION_CHECK:
        return check_check(options);
    case ACTION_TOP:
        return check_top(options);
    case ACTION_DECODE:
        return check_decode(options);
    case ACTION_HELP:
    case ACTION_VERSION:
        break;
    }
    return EXIT_CODE_OK;
}

int options_check(struct options *options)
{
    if (options->action != ACTION_FETCH)
        return EXIT_CODE_OK;
    options->action = action_of(options);
    int result = check_foreign(options);
    return result == EXIT_CODE_OK ? check_action(options) : result;
}
