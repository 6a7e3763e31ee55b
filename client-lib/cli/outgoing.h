/*
 * outgoing: the request of one transfer, as the options want it. It knows what each option means
 * for a request, and owns nothing.
 */
#pragma once

#include "complaint.h"
#include "options.h"
#include "upload.h"

#include <stddef.h>

struct outgoing {
    const struct options *options;
    const char *url;
    const char *file;      /* of -T; NULL: none */
    struct upload *upload; /* filled if the body is to be streamed */
};

/* The method that will be sent. A string of the options, or a constant. */
const char *outgoing_method(const struct outgoing *outgoing);

/* Returns owned; NULL with a complaint. What the daemon would refuse is left to it to say. */
struct fetchpool_request *outgoing_make(const struct outgoing *outgoing, struct fetchpool *client,
                                        struct complaint *complaint);

/* The same without the body. */
struct fetchpool_request *outgoing_make_bodiless(const struct outgoing *outgoing,
                                                 struct fetchpool *client,
                                                 struct complaint *complaint);
