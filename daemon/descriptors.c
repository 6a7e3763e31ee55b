/* descriptors: see descriptors.h. */
#include "descriptors.h"

#include <sys/resource.h>

#include "log.h"

/* Descriptors for all but clients and pooled connections: the loop's, look-ups, the log. */
#define RESERVED_DESCRIPTORS 128

/* Where the limit cannot be read: POSIX's least for a process that opens much. */
#define FALLBACK_DESCRIPTORS 256

/* More descriptors than this are not asked for: the kernel's table for them is memory too. */
#define MOST_DESCRIPTORS 1048576

/* The limit on descriptors, after raising it as far as allowed. */
static uint64_t raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return FALLBACK_DESCRIPTORS;
    limit.rlim_cur = limit.rlim_max < MOST_DESCRIPTORS ? limit.rlim_max : MOST_DESCRIPTORS;
    setrlimit(RLIMIT_NOFILE, &limit);
    return getrlimit(RLIMIT_NOFILE, &limit) < 0 ? FALLBACK_DESCRIPTORS : limit.rlim_cur;
}

/*
 * Some for the daemon itself; for origins a third more than are allowed, as a connection that was
 * closed keeps its own for a moment, but at most half; the rest for clients.
 */
void descriptors_share(struct descriptors *out_descriptors, const struct config *config)
{
    uint64_t all = raise_limit();
    uint64_t reserved = all / 4 < RESERVED_DESCRIPTORS ? all / 4 : RESERVED_DESCRIPTORS;
    reserved += config->threads - 1; /* each has a multi handle with one of its own */
    uint64_t half = (all - reserved) / 2;
    uint64_t wanted = config->max_connections * 4 / 3 + 1;
    uint64_t most_clients = all - reserved - (wanted < half ? wanted : half);
    out_descriptors->clients = config->max_clients < most_clients ? config->max_clients
                                                                  : most_clients;
    descriptors_share_users(out_descriptors, config);
    out_descriptors->origins = all - reserved - out_descriptors->clients;
    if (out_descriptors->clients < config->max_clients)
        log_write(LOG_LEVEL_NOTICE,
                  "[limits] max_clients is %llu, lowered to %llu: the limit on descriptors is %llu",
                  (unsigned long long)config->max_clients, (unsigned long long)most_clients,
                  (unsigned long long)all);
}

void descriptors_share_users(struct descriptors *descriptors, const struct config *config)
{
    uint64_t most = descriptors->clients - descriptors->clients / 4;
    descriptors->clients_per_user = config->clients_per_user < most ? config->clients_per_user
                                                                    : most;
}
