/* body: see body.h. */
#include "body.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data.h"

void body_init(struct body *body)
{
    *body = (struct body){.file = -1};
    buffer_init(&body->bytes, SIZE_MAX / 2);
}

void body_finish(struct body *body)
{
    if (body->file >= 0)
        close(body->file);
    buffer_finish(&body->bytes);
    body->file = -1;
}

uint64_t body_length(const struct body *body)
{
    return body->file >= 0 ? body->file_size : body->bytes.length;
}

/* What curl does to a file of form data: line ends are the file's, not the form's. */
static void strip_line_ends(struct buffer *buffer, size_t from)
{
    size_t kept = from;
    for (size_t i = from; i < buffer->length; i++) {
        uint8_t byte = buffer->data[i];
        if (byte != '\r' && byte != '\n' && byte != '\0')
            buffer->data[kept++] = byte;
    }
    buffer_truncate(buffer, kept);
}

/* Is it worth keeping as a file? Asked before it is opened: a FIFO's writer would notice. */
static bool is_large_file(const char *path)
{
    struct stat status;
    return strcmp(path, "-") != 0 && stat(path, &status) == 0 && S_ISREG(status.st_mode) &&
           (uint64_t)status.st_size > BODY_MESSAGE_BYTES;
}

static int keep_file(struct body *body, const char *path)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) < 0) {
        int error = errno;
        close(fd);
        return -error;
    }
    body->file = fd;
    body->file_size = (uint64_t)status.st_size;
    body->file_name = path;
    return 0;
}

/* More data follows a file: they can only be joined in memory. */
static int take_in_file(struct body *body)
{
    int fd = body->file;
    if (fd < 0)
        return 0;
    body->file = -1;
    int result = data_read_fd(&body->bytes, fd);
    close(fd);
    return result;
}

int body_add(struct body *body, const char *argument, enum body_kind kind)
{
    struct buffer *bytes = &body->bytes;
    bool is_first = !body->exists;
    int result = take_in_file(body);
    body->exists = true;
    if (result == 0 && !is_first)
        result = buffer_append(bytes, "&", 1);
    if (result < 0)
        return result;
    if (kind == BODY_RAW || *argument != '@')
        return buffer_append_text(bytes, argument);
    if (kind == BODY_BINARY && is_first && is_large_file(argument + 1))
        return keep_file(body, argument + 1);
    size_t before = bytes->length;
    result = data_read_file(bytes, argument + 1);
    if (result == 0 && kind == BODY_TEXT)
        strip_line_ends(bytes, before);
    return result;
}
