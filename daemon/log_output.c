/* log_output: see log_output.h. */
#include "log_output.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

/* How often one that cannot write looks whether it should write elsewhere. */
#define LOOK_MS 200

void log_output_init(struct log_output *output, int fd)
{
    output->fd = fd;
    output->is_torn = false;
    atomic_init(&output->next_fd, -1);
}

/* Is there another descriptor now? */
static bool move_on(struct log_output *output)
{
    int fd = atomic_exchange(&output->next_fd, -1);
    if (fd < 0)
        return false;
    close(output->fd);
    output->fd = fd;
    output->is_torn = false;
    return true;
}

/* -EAGAIN: there is another descriptor, and none of it has been written there. */
static int write_all(struct log_output *output, const char *bytes, size_t length)
{
    struct pollfd ready = {.fd = output->fd, .events = POLLOUT};
    while (length > 0) {
        ssize_t written = write(output->fd, bytes, length);
        if (written >= 0) {
            bytes += written;
            length -= (size_t)written;
            output->is_torn = length > 0;
            continue;
        }
        if (errno != EAGAIN && errno != EINTR)
            return -errno;
        if (errno == EAGAIN)
            poll(&ready, 1, LOOK_MS);
        if (move_on(output))
            return -EAGAIN;
    }
    return 0;
}

int log_output_write(struct log_output *output, const char *line, size_t length)
{
    int result;
    move_on(output);
    do {
        result = output->is_torn ? write_all(output, "\n", 1) : 0;
        if (result == 0)
            result = write_all(output, line, length);
    } while (result == -EAGAIN);
    return result;
}

void log_output_replace(struct log_output *output, int fd)
{
    int before = atomic_exchange(&output->next_fd, fd);
    if (before >= 0)
        close(before);
}

void log_output_finish(struct log_output *output)
{
    move_on(output);
    close(output->fd);
}
