/* transfer: see transfer.h. */
#include "transfer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "exitcode.h"
#include "location.h"
#include "loop.h"
#include "outgoing.h"
#include "progress.h"
#include "writeout.h"

/*
 * What the daemon may send ahead. Four times the default: in a large body, fewer grants and fewer
 * waits for them. None of it is memory of ours, for each piece is written as it comes.
 */
#define WINDOW_BYTES ((uint64_t)1 << 20)

/* ---- The end --------------------------------------------------------------------------------- */

/* -L --max-redirs 0 makes a redirect an error; to the library, no redirects means not to follow. */
static bool is_redirect_too_many(const struct transfer *transfer)
{
    const struct options *options = transfer->options;
    int status = fetchpool_status(transfer->response);
    return options->follows_redirects && options->max_redirects == 0 && status >= 300 &&
           status <= 399 && fetchpool_header(transfer->response, "Location");
}

/* What ended it. A failure of ours goes before what the library makes of it (STOPPED). */
static void judge(struct transfer *transfer, const struct fetchpool *client)
{
    const struct fetchpool_response *response = transfer->response;
    struct complaint *complaint = &transfer->complaint;
    int exit_code = exitcode_of(response);
    if (transfer->upload.complaint.exit_code != EXIT_CODE_OK) {
        *complaint = transfer->upload.complaint;
        transfer->upload.complaint = (struct complaint){0};
    } else if (transfer->download.is_refused) {
        complaint_set(complaint, EXIT_CODE_STATUS, "The requested URL returned error: %d",
                      fetchpool_status(response));
    } else if (exit_code != EXIT_CODE_OK) {
        complaint->exit_code = exit_code;
        complaint->sentence = complaint_of(client, exit_code, fetchpool_error_message(response));
    }
}

/* The output has its name after a success, and a head that was asked for is one even with -f. */
static void end_output(struct transfer *transfer)
{
    struct download *download = &transfer->download;
    int exit_code = transfer->complaint.exit_code;
    download_end(download, exit_code == EXIT_CODE_OK || exit_code == EXIT_CODE_STATUS);
    if (download->error < 0)
        complaint_set(&transfer->complaint, EXIT_CODE_WRITE, "cannot write to %s: %s",
                      transfer->file ? transfer->file : "standard output",
                      strerror(-download->error));
    else if (exit_code == EXIT_CODE_OK && is_redirect_too_many(transfer))
        complaint_set(&transfer->complaint, EXIT_CODE_REDIRECTS, "Maximum (0) redirects followed");
}

/* ---- The middle ------------------------------------------------------------------------------ */

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static bool wants_progress(const struct transfer *transfer)
{
    const struct options *options = transfer->options;
    return !options->is_silent && !options->hides_progress && isatty(STDERR_FILENO) &&
           !upload_is_typed(&transfer->upload);
}

static void exchange(struct transfer *transfer, struct fetchpool *client,
                     struct fetchpool_request *request)
{
    struct progress progress;
    progress_start(&progress, wants_progress(transfer));
    transfer->upload.progress = transfer->download.progress = &progress;
    if (transfer->upload.exists)
        progress_enter(&progress, PROGRESS_SENDING, transfer->upload.size);
    fetchpool_request_set_on_headers(request, download_head, &transfer->download);
    fetchpool_request_set_on_body(request, download_body, &transfer->download);
    fetchpool_request_set_window(request, WINDOW_BYTES);
    uint64_t started = now_us();
    transfer->response = transfer->upload.may_be_late
                             ? loop_fetch(client, request, &transfer->upload)
                             : fetchpool_fetch(client, request);
    transfer->elapsed_us = now_us() - started;
    progress_stop(&progress);
    judge(transfer, client);
    end_output(transfer);
}

static void fetch(struct transfer *transfer, struct fetchpool *client)
{
    struct outgoing outgoing = {
        .options = transfer->options,
        .url = transfer->url,
        .file = options_upload(transfer->options, transfer->index),
        .upload = &transfer->upload,
    };
    transfer->method = outgoing_method(&outgoing);
    transfer->download.is_bodiless = strcmp(transfer->method, "HEAD") == 0;
    transfer->download.file = transfer->file;
    struct fetchpool_request *request = outgoing_make(&outgoing, client, &transfer->complaint);
    if (transfer->complaint.exit_code == EXIT_CODE_OK)
        exchange(transfer, client, request);
    fetchpool_request_free(request);
}

/* ---- The beginning --------------------------------------------------------------------------- */

/* With a scheme, and with the name of -T's file where it names none. 0 or -ENOMEM. */
static int choose_url(struct transfer *transfer)
{
    const char *file = options_upload(transfer->options, transfer->index);
    char *url = location_complete(transfer->options->urls[transfer->index]);
    transfer->url = url;
    if (!url || !file || strcmp(file, "-") == 0)
        return url ? 0 : -ENOMEM;
    transfer->url = location_append(url, file);
    free(url);
    return transfer->url ? 0 : -ENOMEM;
}

/* Where this URL's body goes: `file` stays NULL for standard output. 0 or -ENOMEM. */
static int choose_file(struct transfer *transfer)
{
    const struct options *options = transfer->options;
    if (transfer->index >= options->target_count)
        return 0;
    const struct target *target = &options->targets[transfer->index];
    if (!target->is_named_by_url && strcmp(target->path, "-") == 0)
        return 0;
    transfer->file = target->is_named_by_url ? location_file_name(transfer->url)
                                             : strdup(target->path);
    return transfer->file ? 0 : -ENOMEM;
}

static void transfer_finish(struct transfer *transfer)
{
    fetchpool_response_free(transfer->response);
    upload_close(&transfer->upload);
    complaint_finish(&transfer->complaint);
    free(transfer->url);
    free(transfer->file);
}

int transfer_run(struct fetchpool *client, const struct options *options, size_t index)
{
    struct transfer transfer = {
        .options = options,
        .index = index,
        .upload = {.fd = -1},
        .download = {.options = options},
    };
    if (choose_url(&transfer) == 0 && choose_file(&transfer) == 0)
        fetch(&transfer, client);
    else
        complaint_set(&transfer.complaint, EXIT_CODE_MEMORY, "out of memory");
    int exit_code = transfer.complaint.exit_code;
    if (exit_code != EXIT_CODE_OK && options_allow_complaints(options))
        complaint_show(exit_code,
                       transfer.complaint.sentence ? transfer.complaint.sentence : "out of memory");
    writeout_show(&transfer);
    transfer_finish(&transfer);
    return exit_code;
}
