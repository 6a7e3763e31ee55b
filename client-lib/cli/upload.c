/* upload: see upload.h. */
#include "upload.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "exitcode.h"
#include "fetchpool.h"
#include "progress.h"

/* ---- Opening --------------------------------------------------------------------------------- */

static bool may_block(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
}

/* What has no length, or only pretends (/proc), is sent without one. */
static uint64_t size_of(int fd)
{
    struct stat status;
    char byte;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode))
        return FETCHPOOL_SIZE_UNKNOWN;
    if (status.st_size == 0 && pread(fd, &byte, 1, 0) == 1)
        return FETCHPOOL_SIZE_UNKNOWN;
    return (uint64_t)status.st_size;
}

int upload_open_file(struct upload *out_upload, const char *path)
{
    if (strcmp(path, "-") == 0) {
        *out_upload = (struct upload){
            .exists = true,
            .fd = STDIN_FILENO,
            .may_be_late = may_block(STDIN_FILENO),
            .size = FETCHPOOL_SIZE_UNKNOWN,
            .name = "standard input",
        };
        return 0;
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    *out_upload = (struct upload){
        .exists = true,
        .fd = fd,
        .owns_fd = true,
        .may_be_late = may_block(fd),
        .size = size_of(fd),
        .name = path,
    };
    return 0;
}

int upload_open_body(struct upload *out_upload, const struct body *body)
{
    if (body->file >= 0 && lseek(body->file, 0, SEEK_SET) < 0)
        return -errno;
    *out_upload = (struct upload){
        .exists = true,
        .fd = body->file,
        .bytes = body->bytes.data,
        .size = body_length(body),
        .name = body->file_name,
    };
    return 0;
}

bool upload_is_typed(const struct upload *upload)
{
    return upload->exists && upload->fd >= 0 && isatty(upload->fd);
}

void upload_close(struct upload *upload)
{
    if (upload->owns_fd)
        close(upload->fd);
    complaint_finish(&upload->complaint);
    *upload = (struct upload){.fd = -1};
}

/* ---- Reading --------------------------------------------------------------------------------- */

static ptrdiff_t read_memory(struct upload *upload, void *buffer, size_t size)
{
    uint64_t left = upload->size - upload->sent;
    size_t length = left < size ? (size_t)left : size;
    if (length > 0)
        memcpy(buffer, upload->bytes + upload->sent, length);
    return (ptrdiff_t)length;
}

/* Is there something to be read, or an end to be seen? */
static bool is_ready(int fd)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    return poll(&ready, 1, 0) != 0;
}

static ssize_t read_some(int fd, void *buffer, size_t size)
{
    ssize_t length;
    do
        length = read(fd, buffer, size);
    while (length < 0 && errno == EINTR);
    return length;
}

static bool is_size_known(const struct upload *upload)
{
    return upload->size != FETCHPOOL_SIZE_UNKNOWN;
}

/* Is there more behind the announced end? Asked before the last bytes are handed on. */
static bool has_grown(const struct upload *upload, ptrdiff_t length)
{
    char byte;
    bool is_last = is_size_known(upload) && upload->sent + (uint64_t)length == upload->size;
    return is_last && read_some(upload->fd, &byte, 1) == 1;
}

/* What is wrong with what read(2) returned, if anything is. */
static void judge(struct upload *upload, ptrdiff_t length)
{
    if (length < 0)
        complaint_set(&upload->complaint, EXIT_CODE_READ, "cannot read %s: %s", upload->name,
                      strerror(errno));
    else if (length == 0 && is_size_known(upload))
        complaint_set(&upload->complaint, EXIT_CODE_READ,
                      "%s has become shorter: %" PRIu64 " bytes were announced, %" PRIu64
                      " are there",
                      upload->name, upload->size, upload->sent);
    else if (has_grown(upload, length))
        complaint_set(&upload->complaint, EXIT_CODE_READ,
                      "%s has become longer than the %" PRIu64 " bytes that were announced",
                      upload->name, upload->size);
}

static ptrdiff_t be_late(struct upload *upload)
{
    upload->is_late = true;
    return FETCHPOOL_READ_LATER;
}

static ptrdiff_t read_file(struct upload *upload, void *buffer, size_t size)
{
    uint64_t left = upload->size - upload->sent;
    if (is_size_known(upload) && left == 0)
        return 0;
    if (upload->may_be_late && !is_ready(upload->fd))
        return be_late(upload);
    ptrdiff_t length = read_some(upload->fd, buffer, left < size ? (size_t)left : size);
    if (length < 0 && errno == EAGAIN) /* another process was quicker */
        return be_late(upload);
    judge(upload, length);
    return upload->complaint.exit_code == EXIT_CODE_OK ? length : FETCHPOOL_READ_STOP;
}

ptrdiff_t upload_read(void *ctx, void *buffer, size_t size)
{
    struct upload *upload = ctx;
    ptrdiff_t length = upload->fd >= 0 ? read_file(upload, buffer, size)
                                       : read_memory(upload, buffer, size);
    if (length > 0) {
        upload->sent += (uint64_t)length;
        progress_add(upload->progress, PROGRESS_SENDING, (uint64_t)length);
    }
    return length;
}
