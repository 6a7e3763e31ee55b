/* failure: see failure.h. */
#include "failure.h"

#include <errno.h>
#include <string.h>

#include "response.h"

struct fetchpool_response *failure_to_connect(const char *path, int error,
                                              const struct wire_why *why)
{
    char text[128];
    const char *reason = strerror_r(-error, text, sizeof text);
    if (error == -ENOMEM)
        return response_no_memory();
    if (error == -EPERM)
        return response_failed(FETCHPOOL_FOREIGN_SOCKET, "the socket %s %s", path, why->text);
    if (error == -ENAMETOOLONG)
        reason = "the path is too long for a Unix socket, which takes 107 bytes";
    if (error == -ETIMEDOUT)
        reason = "the daemon did not accept in time";
    return response_failed(FETCHPOOL_NO_DAEMON, "connect to fetchpoold at %s failed: %s", path,
                           reason);
}

struct fetchpool_response *failure_to_find_room(uint64_t waited_ms)
{
    return response_failed(FETCHPOOL_QUEUE_TIMEOUT,
                           "the client's other requests left no room for this one within %llu ms",
                           (unsigned long long)waited_ms);
}

struct fetchpool_response *failure_to_be_read(const char *path)
{
    return response_failed(FETCHPOOL_NO_DAEMON,
                           "fetchpoold at %s closed the socket before it had read the request",
                           path);
}

struct fetchpool_response *failure_to_receive(const char *path, int error)
{
    char text[128];
    if (error == -ENOMEM)
        return response_unreadable();
    if (error == -ENODATA)
        return response_failed(FETCHPOOL_LOST, "fetchpoold at %s went away before it answered",
                               path);
    return response_failed(FETCHPOOL_LOST, "reading from fetchpoold at %s failed: %s", path,
                           strerror_r(-error, text, sizeof text));
}

struct fetchpool_response *failure_to_answer(const char *path, uint64_t waited_ms)
{
    return response_failed(FETCHPOOL_DEADLINE, "fetchpoold at %s did not answer within %llu ms",
                           path, (unsigned long long)waited_ms);
}

struct fetchpool_response *failure_to_understand(const char *path, const char *reason)
{
    return response_failed(FETCHPOOL_BAD_REPLY, "what answers at %s is no fetchpoold: %s", path,
                           reason);
}

struct fetchpool_response *failure_to_encode(int error)
{
    if (error == -EMSGSIZE)
        return response_failed(FETCHPOOL_TOO_LARGE,
                               "the request is larger than the %llu bytes of the protocol",
                               (unsigned long long)WIRE_MAX_MESSAGE_BYTES);
    return response_no_memory();
}
