/*
 * descriptors: how the descriptors that this process may have are shared out, so that neither
 * clients nor origins can use up what the other needs.
 */
#pragma once

#include <stdint.h>

#include "config.h"

struct descriptors {
    uint64_t clients; /* connections of clients: [limits] max_clients, or what is left for them */
    uint64_t
        clients_per_user; /* [limits] clients_per_user; at most three quarters of the clients */
    uint64_t origins;     /* sockets to origins */
};

/* Raises the limit as far as it is allowed to. Logs it if max_clients has to be lowered. */
void descriptors_share(struct descriptors *out_descriptors, const struct config *config);

/* clients_per_user anew, of the clients that there are. */
void descriptors_share_users(struct descriptors *descriptors, const struct config *config);
