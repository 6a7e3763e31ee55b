/* report: see report.h. */
#include "report.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "admin.h"
#include "complaint.h"
#include "exitcode.h"
#include "json.h"
#include "output.h"
#include "table.h"

static void render_table(const void *ctx, struct buffer *out, const struct fetchpool_value *answer)
{
    (void)ctx;
    table_render(out, answer);
}

static int show(const struct options *options, const struct fetchpool_response *response,
                report_render render, const void *ctx)
{
    const struct fetchpool_value *value = fetchpool_result(response);
    struct buffer text;
    buffer_init(&text, SIZE_MAX / 2);
    if (options->is_json)
        json_render(&text, value);
    else
        render(ctx, &text, value);
    int result = text.error;
    if (result == 0)
        result = output_write_to(STDOUT_FILENO, text.data, text.length);
    buffer_finish(&text);
    return result;
}

static void complain(const struct options *options, int exit_code, const char *sentence)
{
    if (options_allow_complaints(options))
        complaint_show(exit_code, sentence ? sentence : "out of memory");
}

int report_answer(const struct fetchpool *client, const struct options *options,
                  const struct fetchpool_response *response, report_render render, const void *ctx)
{
    int exit_code = exitcode_of(response);
    if (exit_code != EXIT_CODE_OK) {
        char *sentence = complaint_of(client, exit_code, fetchpool_error_message(response));
        complain(options, exit_code, sentence);
        free(sentence);
    } else {
        int result = show(options, response, render, ctx);
        if (result < 0) {
            exit_code = EXIT_CODE_WRITE;
            complain(options, exit_code, strerror(-result));
        }
    }
    return exit_code;
}

int report_run(struct fetchpool *client, const struct options *options)
{
    struct fetchpool_response *response = fetchpool_query(client, options->subject,
                                                          options->timeout_ms);
    report_render render = admin_render_of(options->subject);
    int exit_code = report_answer(client, options, response, render ? render : render_table, NULL);
    fetchpool_response_free(response);
    return exit_code;
}
