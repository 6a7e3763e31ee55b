/* data: see data.h. */
#include "data.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int read_all(struct buffer *buffer, int fd)
{
    char chunk[65536];
    for (;;) {
        ssize_t length = read(fd, chunk, sizeof chunk);
        if (length == 0)
            return 0;
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0)
            return -errno;
        int result = buffer_append(buffer, chunk, (size_t)length);
        if (result < 0)
            return result == -EMSGSIZE ? -EFBIG : result;
    }
}

int data_read_file(struct buffer *buffer, const char *path)
{
    if (strcmp(path, "-") == 0)
        return read_all(buffer, STDIN_FILENO);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int result = read_all(buffer, fd);
    close(fd);
    return result;
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

int data_add(struct buffer *body, bool is_first, const char *argument, enum data_kind kind)
{
    if (!is_first)
        buffer_append(body, "&", 1);
    if (kind == DATA_RAW || *argument != '@') {
        buffer_append_text(body, argument);
        return body->error == -EMSGSIZE ? -EFBIG : body->error;
    }
    size_t before = body->length;
    int result = data_read_file(body, argument + 1);
    if (result == 0 && kind == DATA_TEXT)
        strip_line_ends(body, before);
    return result;
}

int data_end_string(struct buffer *buffer)
{
    int result = buffer_append(buffer, "", 1);
    if (result == 0)
        buffer_truncate(buffer, buffer->length - 1);
    return result;
}
