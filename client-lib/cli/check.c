/* check: see check.h. */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "complaint.h"
#include "exitcode.h"
#include "location.h"
#include "outgoing.h"
#include "report.h"

/* An IPv6 address in full, and a bound to what a daemon may make of one. */
#define ADDRESS_MAX_COLUMNS 45

/* ---- The verdict, for reading ---------------------------------------------------------------- */

/* A text within an answer; not ended by a NUL. */
struct text {
    const char *bytes;
    int length;
};

static struct text text_in(const struct fetchpool_value *map, const char *key)
{
    const struct fetchpool_value *value = fetchpool_value_get(map, key);
    const char *bytes = fetchpool_value_string(value);
    return (struct text){bytes ? bytes : "", bytes ? (int)fetchpool_value_length(value) : 0};
}

static bool text_is(struct text text, const char *word)
{
    return (size_t)text.length == strlen(word) && memcmp(text.bytes, word, strlen(word)) == 0;
}

static int widest_address(const struct fetchpool_value *addresses)
{
    int widest = 0;
    for (size_t i = 0; i < fetchpool_value_length(addresses); i++) {
        int length = text_in(fetchpool_value_at(addresses, i), "address").length;
        if (length > widest)
            widest = length < ADDRESS_MAX_COLUMNS ? length : ADDRESS_MAX_COLUMNS;
    }
    return widest;
}

static void render_address(struct buffer *out, const struct fetchpool_value *row, int columns)
{
    struct text address = text_in(row, "address");
    struct text verdict = text_in(row, "verdict");
    struct text rule = text_in(row, "rule");
    buffer_append_format(out, "  %-*.*s  %.*s%s%.*s\n", columns, address.length, address.bytes,
                         verdict.length, verdict.bytes, rule.length ? ": " : "", rule.length,
                         rule.bytes);
}

static void render(const void *ctx, struct buffer *out, const struct fetchpool_value *answer)
{
    const struct outgoing *outgoing = ctx;
    struct text verdict = text_in(answer, "verdict");
    struct text policy = text_in(answer, "policy");
    struct text rule = text_in(answer, "rule");
    const struct fetchpool_value *addresses = fetchpool_value_get(answer, "addresses");
    int columns = widest_address(addresses);
    buffer_append_format(out, "%.*s  %s %s  by policy \"%.*s\"%s%.*s\n", verdict.length,
                         verdict.bytes, outgoing_method(outgoing), outgoing->url, policy.length,
                         policy.bytes, rule.length ? ": " : "", rule.length, rule.bytes);
    for (size_t i = 0; i < fetchpool_value_length(addresses); i++)
        render_address(out, fetchpool_value_at(addresses, i), columns);
}

/* ---- The question ---------------------------------------------------------------------------- */

static int ask(struct fetchpool *client, const struct outgoing *outgoing,
               const struct fetchpool_request *request)
{
    struct fetchpool_response *response = fetchpool_check(client, request);
    int exit_code = report_answer(client, outgoing->options, response, render, outgoing);
    struct text verdict = text_in(fetchpool_result(response), "verdict");
    if (exit_code == EXIT_CODE_OK && !text_is(verdict, "allowed") && !text_is(verdict, "reported"))
        exit_code = EXIT_CODE_DENIED;
    fetchpool_response_free(response);
    return exit_code;
}

int check_run(struct fetchpool *client, const struct options *options)
{
    struct complaint complaint = {0};
    struct fetchpool_request *request = NULL;
    char *url = location_complete(options->subject);
    struct outgoing outgoing = {.options = options, .url = url, .file = options_upload(options, 0)};
    if (url)
        request = outgoing_make_bodiless(&outgoing, client, &complaint);
    else
        complaint_set(&complaint, EXIT_CODE_MEMORY, "out of memory");
    int exit_code = complaint.exit_code;
    if (exit_code == EXIT_CODE_OK)
        exit_code = ask(client, &outgoing, request);
    else if (options_allow_complaints(options))
        complaint_show(exit_code, complaint.sentence ? complaint.sentence : "out of memory");
    fetchpool_request_free(request);
    complaint_finish(&complaint);
    free(url);
    return exit_code;
}
