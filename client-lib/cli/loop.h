/*
 * loop: one request whose upload may be late, such as one from a pipe or from a keyboard. It waits
 * for the daemon and for the upload's descriptor at the same time, so that an answer, an error and
 * a deadline are noticed while nothing is there to be read.
 */
#pragma once

#include "fetchpool.h"
#include "upload.h"

/* As fetchpool_fetch(); the upload is the request's, and may be late. */
struct fetchpool_response *loop_fetch(struct fetchpool *client,
                                      const struct fetchpool_request *request,
                                      struct upload *upload);
