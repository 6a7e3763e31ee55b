/* exitcode: see exitcode.h. The manual page's table is this one. */
#include "exitcode.h"

#include <stdbool.h>
#include <string.h>

#include "fetchpool_wire.h"

static bool begins_with(const char *text, const char *beginning)
{
    return strncmp(text, beginning, strlen(beginning)) == 0;
}

int exitcode_of(const struct fetchpool_response *response)
{
    const char *message = fetchpool_error_message(response);
    switch (fetchpool_error_code(response)) {
    case FETCHPOOL_OK:
        return EXIT_CODE_OK;
    case FETCHPOOL_BAD_REQUEST:
    case FETCHPOOL_TOO_LARGE:
    case FETCHPOOL_BAD_ARGUMENT:
        return EXIT_CODE_USAGE;
    case FETCHPOOL_DENIED:
        return EXIT_CODE_DENIED;
    case FETCHPOOL_RESOLVE:
        return EXIT_CODE_RESOLVE;
    case FETCHPOOL_CONNECT:
        return EXIT_CODE_CONNECT;
    case FETCHPOOL_TLS:
        return begins_with(message, WIRE_SAYS_CERTIFICATE) ? EXIT_CODE_CERTIFICATE : EXIT_CODE_TLS;
    case FETCHPOOL_QUEUE_TIMEOUT:
    case FETCHPOOL_TIMEOUT:
    case FETCHPOOL_TIMEOUT_SENT:
    case FETCHPOOL_DEADLINE:
        return EXIT_CODE_TIMEOUT;
    case FETCHPOOL_PROXY:
        return EXIT_CODE_PROXY;
    case FETCHPOOL_NOT_PROCESSED:
        return EXIT_CODE_NOT_PROCESSED;
    case FETCHPOOL_CLOSED:
        return begins_with(message, WIRE_SAYS_EMPTY) ? EXIT_CODE_EMPTY : EXIT_CODE_CLOSED;
    case FETCHPOOL_TRUNCATED:
        return EXIT_CODE_TRUNCATED;
    case FETCHPOOL_PROTOCOL:
        return EXIT_CODE_PROTOCOL;
    case FETCHPOOL_BODY_TOO_LARGE:
        return EXIT_CODE_TOO_LARGE;
    case FETCHPOOL_DECODE:
        return EXIT_CODE_DECODE;
    case FETCHPOOL_REDIRECTS:
        return EXIT_CODE_REDIRECTS;
    case FETCHPOOL_NO_DAEMON:
        return EXIT_CODE_NO_DAEMON;
    case FETCHPOOL_FOREIGN_SOCKET:
        return EXIT_CODE_FOREIGN_SOCKET;
    case FETCHPOOL_STOPPED: /* by what writes; where it was what reads, that has said so */
        return EXIT_CODE_WRITE;
    case FETCHPOOL_NO_MEMORY:
        return EXIT_CODE_MEMORY;
    default: /* and the codes of a newer daemon */
        return EXIT_CODE_NOT_SERVED;
    }
}
