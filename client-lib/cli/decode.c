/* decode: see decode.h. What has been read is shown before more is read: `tail -f | decode`. */
#include "decode.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture.h"
#include "complaint.h"
#include "exitcode.h"
#include "output.h"
#include "transcript.h"

/* Read at a time. */
#define CHUNK_BYTES 65536

/* Lines that wait for each other, so that small messages do not cost a write each. */
#define LINES_BYTES 65536

/* Of each text and each bytes, without --full. */
#define SHOWN_BYTES 1024

/* One file. */
struct decode {
    const struct options *options;
    const char *name;
    bool shows_name;
    struct buffer lines; /* owned: not yet written */
    struct capture capture;
    int exit_code;
};

/* ---- What is wrong --------------------------------------------------------------------------- */

/* Lines first: on a terminal, what is wrong comes after what is right. */
static int flush(struct decode *decode)
{
    int result = output_write_to(STDOUT_FILENO, decode->lines.data, decode->lines.length);
    buffer_truncate(&decode->lines, 0);
    if (result < 0) {
        decode->exit_code = EXIT_CODE_WRITE;
        if (options_allow_complaints(decode->options))
            complaint_show(EXIT_CODE_WRITE, strerror(-result));
    }
    return result;
}

static void complain(struct decode *decode, int exit_code, const char *sentence)
{
    struct complaint complaint = {0};
    if (flush(decode) < 0)
        return;
    decode->exit_code = exit_code;
    complaint_set(&complaint, exit_code, "%s: %s", decode->name, sentence);
    if (options_allow_complaints(decode->options))
        complaint_show(exit_code, complaint.sentence ? complaint.sentence : "out of memory");
    complaint_finish(&complaint);
}

static void complain_of_capture(struct decode *decode, int exit_code)
{
    struct buffer sentence;
    buffer_init(&sentence, SIZE_MAX / 2);
    capture_complain(&decode->capture, &sentence);
    buffer_append(&sentence, "", 1);
    complain(decode, exit_code, sentence.error ? "out of memory" : (const char *)sentence.data);
    buffer_finish(&sentence);
}

/* ---- Messages -------------------------------------------------------------------------------- */

static int show(struct decode *decode, const struct wire_message *message, uint64_t offset,
                size_t length)
{
    const struct transcript_place place = {
        .file = decode->shows_name ? decode->name : NULL,
        .offset = offset,
        .length = length,
        .max_bytes = decode->options->is_full ? SIZE_MAX : SHOWN_BYTES,
    };
    size_t before = decode->lines.length;
    transcript_put(&decode->lines, message, &place);
    int result = decode->lines.error;
    if (result < 0)
        buffer_truncate(&decode->lines, before);
    return result;
}

/* One with a wrong envelope has an end all the same: the next one can be read. */
static int on_message(void *ctx, uint64_t offset, const uint8_t *bytes, size_t length)
{
    struct decode *decode = ctx;
    struct wire_message message;
    struct wire_why why;
    char sentence[sizeof why.text + 64];
    int result = wire_message_open(&message, bytes, length, &why);
    if (result == -EBADMSG) {
        snprintf(sentence, sizeof sentence, "offset %" PRIu64 ": %s", offset, why.text);
        complain(decode, EXIT_CODE_PROTOCOL, sentence);
        return decode->exit_code == EXIT_CODE_WRITE ? -EPIPE : 0;
    }
    if (result < 0)
        return result;
    result = show(decode, &message, offset, length);
    wire_message_close(&message);
    if (result == 0 && decode->lines.length > LINES_BYTES)
        result = flush(decode);
    return result;
}

/* ---- Files ----------------------------------------------------------------------------------- */

static ssize_t read_some(int fd, uint8_t *chunk)
{
    ssize_t length;
    do
        length = read(fd, chunk, CHUNK_BYTES);
    while (length < 0 && errno == EINTR);
    return length < 0 ? -errno : length;
}

static void complain_of_reading(struct decode *decode, ssize_t error)
{
    struct complaint why = {0};
    complaint_set(&why, EXIT_CODE_READ, "cannot be read: %s", strerror((int)-error));
    complain(decode, EXIT_CODE_READ, why.sentence ? why.sentence : "out of memory");
    complaint_finish(&why);
}

static void read_all(struct decode *decode, int fd)
{
    uint8_t chunk[CHUNK_BYTES];
    ssize_t length;
    int result = 0;
    while (result == 0 && (length = read_some(fd, chunk)) != 0) {
        if (length < 0) {
            complain_of_reading(decode, length);
            return;
        }
        result = capture_take(&decode->capture, chunk, (size_t)length);
        if (result == 0)
            result = flush(decode);
    }
    if (decode->exit_code == EXIT_CODE_WRITE)
        return;
    if (result == -EBADMSG)
        complain_of_capture(decode, EXIT_CODE_PROTOCOL);
    else if (result < 0)
        complain(decode, EXIT_CODE_MEMORY, "out of memory");
    else if (capture_end(&decode->capture) < 0)
        complain_of_capture(decode, EXIT_CODE_TRUNCATED);
}

static int decode_file(const struct options *options, const char *path, bool shows_name)
{
    bool is_input = strcmp(path, "-") == 0;
    struct decode decode = {
        .options = options,
        .name = is_input ? "standard input" : path,
        .shows_name = shows_name,
    };
    const struct capture_events events = {.on_message = on_message, .ctx = &decode};
    buffer_init(&decode.lines, SIZE_MAX / 2);
    capture_init(&decode.capture, &events);
    int fd = is_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        complain_of_reading(&decode, -errno);
    else
        read_all(&decode, fd);
    if (fd >= 0 && !is_input)
        close(fd);
    capture_finish(&decode.capture);
    buffer_finish(&decode.lines);
    return decode.exit_code;
}

int decode_run(const struct options *options)
{
    size_t count = options->url_count - 1; /* the first word is "decode" */
    if (count == 0)
        return decode_file(options, "-", false);
    int exit_code = EXIT_CODE_OK;
    for (size_t i = 1; i <= count && exit_code != EXIT_CODE_WRITE; i++) {
        int result = decode_file(options, options->urls[i], count > 1);
        exit_code = result == EXIT_CODE_OK ? exit_code : result;
    }
    return exit_code;
}
