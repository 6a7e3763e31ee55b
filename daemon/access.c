/* access: see access.h. What a line looks like is in access_print.c. */
#include "access.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log_output.h"
#include "log_writer.h"

#define FILE_MODE 0640

#define OPEN_FLAGS (O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

struct access_log {
    struct log_output output;
    struct log_writer *writer;
};

/* ---- The file ------------------------------------------------------------------------------- */

/*
 * A descriptor or a negative errno. A FIFO is opened once more, for reading too, before the first
 * is closed: its reader must not see an end. One that nobody reads can only be opened so.
 */
int access_log_open_file(const char *path)
{
    struct stat status;
    int fd = open(path, OPEN_FLAGS | O_WRONLY | O_CREAT, FILE_MODE);
    bool is_fifo = fd >= 0 ? fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode) : errno == ENXIO;
    if (is_fifo) {
        int first = fd;
        fd = open(path, OPEN_FLAGS | O_RDWR);
        int result = fd >= 0 ? fd : -errno;
        if (first >= 0)
            close(first);
        return result;
    }
    return fd >= 0 ? fd : -errno;
}

static int may_write(const char *path, int mode)
{
    return faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0 ? 0 : -errno;
}

int access_log_probe(const char *path)
{
    struct stat status;
    if (stat(path, &status) == 0 && S_ISDIR(status.st_mode))
        return -EISDIR;
    int result = may_write(path, W_OK);
    char *copy = result == -ENOENT ? strdup(path) : NULL;
    if (copy)
        result = may_write(dirname(copy), W_OK | X_OK);
    free(copy);
    return result;
}

/* ---- In the thread -------------------------------------------------------------------------- */

static int write_line(void *ctx, const char *line, size_t length)
{
    struct access_log *log = ctx;
    return log_output_write(&log->output, line, length);
}

static int say_lost(void *ctx, uint64_t count)
{
    char line[ACCESS_LINE_BYTES];
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return write_line(ctx, line, access_print_lost(line, count, &now));
}

/* ---- Life ----------------------------------------------------------------------------------- */

int access_log_open(struct access_log **out_log, const char *path, size_t buffer_bytes)
{
    struct access_log *log = calloc(1, sizeof *log);
    if (!log)
        return -ENOMEM;
    struct log_writer_setup setup = {
        .name = "access log",
        .ring_bytes = buffer_bytes,
        .most_record_bytes = ACCESS_LINE_BYTES,
        .write = write_line,
        .say_lost = say_lost,
        .ctx = log,
    };
    int fd = access_log_open_file(path);
    if (fd < 0) {
        free(log);
        return fd;
    }
    log_output_init(&log->output, fd);
    int result = log_writer_create(&log->writer, &setup);
    if (result < 0) {
        log_output_finish(&log->output);
        free(log);
        return result;
    }
    *out_log = log;
    return 0;
}

void access_log_go_on(struct access_log *log, int fd)
{
    log_output_replace(&log->output, fd);
}

void access_log_close(struct access_log *log)
{
    if (!log || !log_writer_close(log->writer))
        return;
    log_writer_destroy(log->writer);
    log_output_finish(&log->output);
    free(log);
}

/* ---- Lines ---------------------------------------------------------------------------------- */

void access_log_write(struct access_log *log, const struct access_entry *entry)
{
    char line[ACCESS_LINE_BYTES];
    struct timespec now;
    if (!log)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    log_writer_put(log->writer, line, access_print(line, entry, &now));
}

uint64_t access_log_count_dropped(struct access_log *log)
{
    return log ? log_writer_count_dropped(log->writer) : 0;
}
