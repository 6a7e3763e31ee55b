/* data: see data.h. */
#include "data.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int data_read_fd(struct buffer *buffer, int fd)
{
    char chunk[65536];
    ssize_t length = 1;
    int result = 0;
    while (result == 0 && length != 0) {
        length = read(fd, chunk, sizeof chunk);
        if (length > 0)
            result = buffer_append(buffer, chunk, (size_t)length);
        else if (length < 0 && errno != EINTR)
            result = -errno;
    }
    if (buffer->is_secret)
        explicit_bzero(chunk, sizeof chunk);
    return result == -EMSGSIZE ? -EFBIG : result;
}

int data_read_file(struct buffer *buffer, const char *path)
{
    if (strcmp(path, "-") == 0)
        return data_read_fd(buffer, STDIN_FILENO);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int result = data_read_fd(buffer, fd);
    close(fd);
    return result;
}

int data_end_string(struct buffer *buffer)
{
    int result = buffer_append(buffer, "", 1);
    if (result == 0)
        buffer_truncate(buffer, buffer->length - 1);
    return result;
}
