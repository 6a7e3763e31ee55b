/*
 * error: the names and classes of the codes in fetchpool.h, and the library's version.
 *
 * One table for both, so that a code cannot have a name and no class. What a code stands for is
 * said in fetchpool.h; what decides whether a request may be sent again is the class.
 */
#include "fetchpool.h"

#include <stddef.h>

struct code {
    int number;
    enum fetchpool_class class;
    const char *name;
};

static const struct code codes[] = {
    {FETCHPOOL_OK, FETCHPOOL_CLASS_NONE, "OK"},
    {FETCHPOOL_BAD_REQUEST, FETCHPOOL_CLASS_REFUSED, "BAD_REQUEST"},
    {FETCHPOOL_DENIED, FETCHPOOL_CLASS_REFUSED, "DENIED"},
    {FETCHPOOL_TOO_LARGE, FETCHPOOL_CLASS_REFUSED, "TOO_LARGE"},
    {FETCHPOOL_UNKNOWN_METHOD, FETCHPOOL_CLASS_REFUSED, "UNKNOWN_METHOD"},
    {FETCHPOOL_DUPLICATE_ID, FETCHPOOL_CLASS_REFUSED, "DUPLICATE_ID"},
    {FETCHPOOL_BUSY, FETCHPOOL_CLASS_NOT_SENT, "BUSY"},
    {FETCHPOOL_QUEUE_TIMEOUT, FETCHPOOL_CLASS_NOT_SENT, "QUEUE_TIMEOUT"},
    {FETCHPOOL_RESOLVE, FETCHPOOL_CLASS_NOT_SENT, "RESOLVE"},
    {FETCHPOOL_CONNECT, FETCHPOOL_CLASS_NOT_SENT, "CONNECT"},
    {FETCHPOOL_TLS, FETCHPOOL_CLASS_NOT_SENT, "TLS"},
    {FETCHPOOL_TIMEOUT, FETCHPOOL_CLASS_NOT_SENT, "TIMEOUT"},
    {FETCHPOOL_SHUTTING_DOWN, FETCHPOOL_CLASS_NOT_SENT, "SHUTTING_DOWN"},
    {FETCHPOOL_PROXY, FETCHPOOL_CLASS_NOT_SENT, "PROXY"},
    {FETCHPOOL_CANCELLED, FETCHPOOL_CLASS_NOT_SENT, "CANCELLED"},
    {FETCHPOOL_NOT_PROCESSED, FETCHPOOL_CLASS_NOT_SENT, "NOT_PROCESSED"},
    {FETCHPOOL_TIMEOUT_SENT, FETCHPOOL_CLASS_MAYBE_PROCESSED, "TIMEOUT_SENT"},
    {FETCHPOOL_CLOSED, FETCHPOOL_CLASS_MAYBE_PROCESSED, "CLOSED"},
    {FETCHPOOL_TRUNCATED, FETCHPOOL_CLASS_MAYBE_PROCESSED, "TRUNCATED"},
    {FETCHPOOL_PROTOCOL, FETCHPOOL_CLASS_MAYBE_PROCESSED, "PROTOCOL"},
    {FETCHPOOL_BODY_TOO_LARGE, FETCHPOOL_CLASS_MAYBE_PROCESSED, "BODY_TOO_LARGE"},
    {FETCHPOOL_DECODE, FETCHPOOL_CLASS_MAYBE_PROCESSED, "DECODE"},
    {FETCHPOOL_CLIENT_TOO_SLOW, FETCHPOOL_CLASS_MAYBE_PROCESSED, "CLIENT_TOO_SLOW"},
    {FETCHPOOL_REDIRECTS, FETCHPOOL_CLASS_MAYBE_PROCESSED, "REDIRECTS"},
    {FETCHPOOL_CANCELLED_SENT, FETCHPOOL_CLASS_MAYBE_PROCESSED, "CANCELLED_SENT"},
    {FETCHPOOL_INTERNAL, FETCHPOOL_CLASS_MAYBE_PROCESSED, "INTERNAL"},
    {FETCHPOOL_NO_DAEMON, FETCHPOOL_CLASS_NOT_SENT, "NO_DAEMON"},
    {FETCHPOOL_LOST, FETCHPOOL_CLASS_MAYBE_PROCESSED, "LOST"},
    {FETCHPOOL_DEADLINE, FETCHPOOL_CLASS_MAYBE_PROCESSED, "DEADLINE"},
    {FETCHPOOL_BAD_REPLY, FETCHPOOL_CLASS_MAYBE_PROCESSED, "BAD_REPLY"},
    {FETCHPOOL_NO_MEMORY, FETCHPOOL_CLASS_REFUSED, "NO_MEMORY"},
    {FETCHPOOL_BAD_ARGUMENT, FETCHPOOL_CLASS_REFUSED, "BAD_ARGUMENT"},
};

static const struct code *find_code(int number)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i].number == number)
            return &codes[i];
    }
    return NULL;
}

enum fetchpool_class fetchpool_code_class(int code)
{
    const struct code *known = find_code(code);
    if (known)
        return known->class;
    if (code >= 1 && code <= 99)
        return FETCHPOOL_CLASS_REFUSED;
    if (code >= 100 && code <= 199)
        return FETCHPOOL_CLASS_NOT_SENT;
    return FETCHPOOL_CLASS_MAYBE_PROCESSED;
}

const char *fetchpool_code_name(int code)
{
    const struct code *known = find_code(code);
    return known ? known->name : "UNKNOWN";
}

const char *fetchpool_version(void)
{
    return FETCHPOOL_VERSION;
}
