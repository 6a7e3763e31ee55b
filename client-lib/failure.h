/*
 * failure: the library's own sentences about a daemon that is not there, goes away, hangs or does
 * not keep to the protocol.
 *
 * What the errors of a channel mean is said here once, for the blocking and the asynchronous calls.
 */
#pragma once

#include "fetchpool_wire.h"

#include <stdint.h>

/* door_connect() failed, with a negative errno, and where it gives a reason, that. Not sent. */
struct fetchpool_response *failure_to_connect(const char *path, int error,
                                              const struct wire_why *why);

/* Other requests of this client were in its way for so long. Not sent. */
struct fetchpool_response *failure_to_find_room(uint64_t waited_ms);

/* The daemon closed the socket with the request unread. Not sent. */
struct fetchpool_response *failure_to_be_read(const char *path);

/* Nothing more comes of a socket that the request went to, with a negative errno. Maybe processed.
 */
struct fetchpool_response *failure_to_receive(const char *path, int error);

/* Not a word within so many milliseconds. Maybe processed. */
struct fetchpool_response *failure_to_answer(const char *path, uint64_t waited_ms);

/* What came is not the protocol, for this reason. Maybe processed. */
struct fetchpool_response *failure_to_understand(const char *path, const char *reason);

/* The request did not fit into a message, with the buffer's error. Refused. */
struct fetchpool_response *failure_to_encode(int error);
