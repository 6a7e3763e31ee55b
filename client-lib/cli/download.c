/* download: see download.h. */
#include "download.h"

#include <errno.h>
#include <stdlib.h>

#include "fetchpool_wire.h"
#include "head.h"
#include "progress.h"

/*
 * The body of an error that -f refuses is thrown away as it comes if it is no longer than this:
 * to cancel it would cost the pool an HTTP/1.1 connection.
 */
#define THROWN_AWAY_BYTES 65536

/* What tells the library to cancel. */
#define GO_ON 0
#define STOP  1

static int fail(struct download *download, int error)
{
    download->error = error;
    return STOP;
}

/* The Content-Length, if that is what will be counted. */
static uint64_t length_of(const struct download *download, const struct fetchpool_response *head)
{
    const char *value = fetchpool_header(head, "Content-Length");
    bool is_decoded = download->options->is_compressed &&
                      fetchpool_header(head, "Content-Encoding");
    if (!value || is_decoded)
        return PROGRESS_TOTAL_UNKNOWN;
    char *end;
    errno = 0;
    unsigned long long length = strtoull(value, &end, 10);
    return errno || end == value || *end ? PROGRESS_TOTAL_UNKNOWN : length;
}

static bool shows_head(const struct download *download)
{
    return download->options->shows_head || download->options->is_head;
}

static int show_head(struct download *download, const struct fetchpool_response *response)
{
    struct buffer head;
    buffer_init(&head, WIRE_MAX_REPLY_BYTES);
    head_render(&head, response);
    int result = head.error;
    if (result == 0)
        result = output_write(&download->output, head.data, head.length);
    buffer_finish(&head);
    return result;
}

/* No line is drawn over a body that goes to a terminal: that may be the same one. */
static int open_output(struct download *download, uint64_t length)
{
    int result = output_open(&download->output, download->file);
    if (result < 0)
        return result;
    download->is_open = true;
    bool is_seen = output_is_terminal(&download->output);
    progress_enter(download->progress, is_seen ? PROGRESS_HIDDEN : PROGRESS_RECEIVING, length);
    return 0;
}

int download_head(void *ctx, const struct fetchpool_response *head)
{
    struct download *download = ctx;
    uint64_t length = length_of(download, head);
    download->is_refused = download->options->fails_on_error_status &&
                           fetchpool_status(head) >= 400;
    progress_enter(download->progress, PROGRESS_HIDDEN, length);
    int result = 0;
    if (!download->is_refused || shows_head(download))
        result = open_output(download, length);
    if (result == 0 && shows_head(download))
        result = show_head(download, head);
    if (result < 0)
        return fail(download, result);
    bool is_stopped = download->is_refused && !download->is_bodiless && length > THROWN_AWAY_BYTES;
    return is_stopped ? STOP : GO_ON;
}

int download_body(void *ctx, const void *bytes, size_t length)
{
    struct download *download = ctx;
    if (download->is_refused)
        return GO_ON;
    int result = output_write(&download->output, bytes, length);
    if (result < 0)
        return fail(download, result);
    download->body_bytes += length;
    progress_add(download->progress, PROGRESS_RECEIVING, length);
    return GO_ON;
}

void download_end(struct download *download, bool is_whole)
{
    if (!download->is_open)
        return;
    download->is_open = false;
    if (!is_whole || download->error < 0)
        output_abandon(&download->output);
    else
        download->error = output_finish(&download->output);
}
