/*
 * request_file: bodies to and from a FILE or a descriptor, as functions for streaming.
 *
 * A descriptor goes where the functions have their context pointer, so that a request need own
 * nothing. What fails is said by errno, which the call hands on.
 */
#include "request.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include <unistd.h>

static void *ctx_of(int fd)
{
    return (void *)(intptr_t)fd;
}

static int fd_of(void *ctx)
{
    return (int)(intptr_t)ctx;
}

/* ---- Writing without SIGPIPE ----------------------------------------------------------------- */

/*
 * write(2) to a pipe that nobody reads raises SIGPIPE in the thread that calls it, and no flag says
 * otherwise. So it is blocked meanwhile, and taken away if it was raised: see pthreads(7), signals.
 */
struct quiet {
    sigset_t before;
    bool was_pending;
};

static sigset_t broken_pipe(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    return set;
}

static void quiet_begin(struct quiet *quiet)
{
    sigset_t set = broken_pipe();
    sigset_t pending;
    sigpending(&pending);
    quiet->was_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &set, &quiet->before);
}

static void quiet_end(const struct quiet *quiet, bool is_raised)
{
    int error = errno;
    sigset_t set = broken_pipe();
    struct timespec at_once = {0};
    while (is_raised && !quiet->was_pending && sigtimedwait(&set, NULL, &at_once) < 0 &&
           errno == EINTR)
        ;
    pthread_sigmask(SIG_SETMASK, &quiet->before, NULL);
    errno = error;
}

/* ---- Descriptors ----------------------------------------------------------------------------- */

/* For a descriptor in non-blocking mode that is not ready. False if it was something else. */
static bool can_try_again(int fd, short events)
{
    struct pollfd poller = {.fd = fd, .events = events};
    if (errno == EAGAIN)
        return poll(&poller, 1, -1) >= 0 || errno == EINTR;
    return errno == EINTR;
}

static int write_all(int fd, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(fd, bytes, length);
        if (written < 0 && !can_try_again(fd, POLLOUT))
            return -1;
        if (written > 0) {
            bytes += written;
            length -= (size_t)written;
        }
    }
    return 0;
}

static int body_to_fd(void *ctx, const void *bytes, size_t length)
{
    struct quiet quiet;
    quiet_begin(&quiet);
    int result = write_all(fd_of(ctx), bytes, length);
    quiet_end(&quiet, result < 0 && errno == EPIPE);
    return result;
}

static ptrdiff_t upload_of_fd(void *ctx, void *buffer, size_t size)
{
    ssize_t length;
    do
        length = read(fd_of(ctx), buffer, size);
    while (length < 0 && can_try_again(fd_of(ctx), POLLIN));
    return length < 0 ? FETCHPOOL_READ_STOP : length;
}

int fetchpool_request_set_output_fd(struct fetchpool_request *request, int fd)
{
    if (fd < 0)
        return request_refuse(request, FETCHPOOL_BAD_ARGUMENT);
    return fetchpool_request_set_on_body(request, body_to_fd, ctx_of(fd));
}

int fetchpool_request_set_upload_fd(struct fetchpool_request *request, int fd, uint64_t size)
{
    if (fd < 0)
        return request_refuse(request, FETCHPOOL_BAD_ARGUMENT);
    return fetchpool_request_set_upload(request, upload_of_fd, ctx_of(fd), size);
}

/* ---- Files ----------------------------------------------------------------------------------- */

/* glibc counts what it has put into its buffer as written, also where flushing that has failed. */
static int body_to_file(void *ctx, const void *bytes, size_t length)
{
    struct quiet quiet;
    quiet_begin(&quiet);
    int result = fwrite(bytes, 1, length, ctx) == length && !ferror((FILE *)ctx) ? 0 : -1;
    quiet_end(&quiet, result < 0 && errno == EPIPE);
    return result;
}

/* A short count is the end of the file, an error or a signal; with some bytes, the next call tells
 * which. */
static ptrdiff_t upload_of_file(void *ctx, void *buffer, size_t size)
{
    FILE *file = ctx;
    for (;;) {
        size_t length = fread(buffer, 1, size, file);
        bool is_interrupted = ferror(file) && errno == EINTR;
        if (is_interrupted)
            clearerr(file);
        if (length > 0 || feof(file))
            return (ptrdiff_t)length;
        if (!is_interrupted)
            return FETCHPOOL_READ_STOP;
    }
}

int fetchpool_request_set_output_file(struct fetchpool_request *request, FILE *file)
{
    if (!file)
        return request_refuse(request, FETCHPOOL_BAD_ARGUMENT);
    return fetchpool_request_set_on_body(request, body_to_file, file);
}

int fetchpool_request_set_upload_file(struct fetchpool_request *request, FILE *file, uint64_t size)
{
    if (!file)
        return request_refuse(request, FETCHPOOL_BAD_ARGUMENT);
    return fetchpool_request_set_upload(request, upload_of_file, file, size);
}
