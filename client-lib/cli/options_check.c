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
    static const char *const subjects[] = {"ping", "stats", "connections", "origins", "clients"};
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

static int check_report(struct options *options)
{
    options->action = ACTION_REPORT;
    options->subject = options->urls[0];
    if (is_for_top(options))
        return usage_wrong("--interval and --count are for top");
    return check_alone(options);
}

static int check_check(struct options *options)
{
    options->action = ACTION_CHECK;
    options->subject = options->urls[1]; /* or the NULL behind the arguments */
    if (is_for_top(options))
        return usage_wrong("--interval and --count are for top");
    if (options->url_count < 2 || !*options->subject)
        return usage_wrong("check takes a URL");
    if (options->url_count > 2)
        return usage_wrong("check takes one URL, but there is '%s'", options->urls[2]);
    return EXIT_CODE_OK;
}

static int check_top(struct options *options)
{
    options->action = ACTION_TOP;
    if (options->is_json)
        return usage_wrong("--json is not for top: see 'fetchpool origins --json'");
    if (options->interval_ms == 0)
        options->interval_ms = INTERVAL_DEFAULT_MS;
    return check_alone(options);
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
        return usage_wrong("--json is for ping, stats, connections, origins, clients and check");
    if (is_for_top(options))
        return usage_wrong("--interval and --count are for top");
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

int options_check(struct options *options)
{
    if (options->action != ACTION_FETCH)
        return EXIT_CODE_OK;
    if (is_report(options))
        return check_report(options);
    if (is_word(options, "check"))
        return check_check(options);
    if (is_word(options, "top"))
        return check_top(options);
    return check_fetch(options);
}
