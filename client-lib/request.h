/*
 * request: what the setters of fetchpool.h collect, in the form in which it is encoded.
 *
 * It owns a copy of every string that it was given, and of no body. A setter that fails leaves its
 * code here, and the request is refused when it is to be sent.
 */
#pragma once

#include "fetchpool_wire.h"
#include "functions.h"

struct fetchpool_request {
    struct wire_fetch fetch; /* its strings, the body's excepted, are owned */
    struct functions functions;
    size_t field_capacity;
    int failure; /* FETCHPOOL_OK, or why it cannot be sent: the first setter that failed */
};

/* Its timeout in milliseconds; 0 if that is left to the daemon. */
uint32_t request_timeout_ms(const struct fetchpool_request *request);

/* The sum of the deadlines that it names for its phases, in milliseconds. */
uint64_t request_phases_ms(const struct fetchpool_request *request);

/* A setter that fails: notes the code and returns it. */
int request_refuse(struct fetchpool_request *request, int code);
