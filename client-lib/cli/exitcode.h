/*
 * exitcode: the numbers that the command ends with. curl's own where the case is the same, so that
 * scripts can decide as they did; above 119, where curl has none, what only a daemon can cause.
 */
#pragma once

struct fetchpool_response;

enum {
    EXIT_CODE_OK = 0,
    EXIT_CODE_USAGE = 2, /* also what the daemon refuses as a bad request */
    EXIT_CODE_PROXY = 5,
    EXIT_CODE_RESOLVE = 6,
    EXIT_CODE_CONNECT = 7,
    EXIT_CODE_PROTOCOL = 8,
    EXIT_CODE_TRUNCATED = 18,
    EXIT_CODE_STATUS = 22, /* -f and a status of 400 or more */
    EXIT_CODE_WRITE = 23,
    EXIT_CODE_READ = 26,
    EXIT_CODE_MEMORY = 27,
    EXIT_CODE_TIMEOUT = 28,
    EXIT_CODE_TLS = 35,
    EXIT_CODE_REDIRECTS = 47,
    EXIT_CODE_EMPTY = 52,
    EXIT_CODE_NOT_PROCESSED = 55,
    EXIT_CODE_CLOSED = 56,
    EXIT_CODE_CERT_FILE = 58, /* --cert or --key cannot be read */
    EXIT_CODE_CERTIFICATE = 60,
    EXIT_CODE_DECODE = 61,
    EXIT_CODE_TOO_LARGE = 63,
    EXIT_CODE_CA_FILE = 77, /* --cacert cannot be read */

    EXIT_CODE_NO_DAEMON = 120,
    EXIT_CODE_DENIED = 121,
    EXIT_CODE_NOT_SERVED = 122,    /* busy, shutting down, internal, cancelled, lost, no sense */
    EXIT_CODE_FOREIGN_SOCKET = 123 /* it belongs to another user: nothing was sent to it */
};

/* What the response of a fetch or of a query means for the command. */
int exitcode_of(const struct fetchpool_response *response);
