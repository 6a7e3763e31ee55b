/*
 * pool_job: one transfer of the pool: what its easy handle needs, and the gate at which it gets its
 * sockets. Nothing of libcurl may be called from libcurl's callbacks.
 */
#include "pool_internal.h"

#include <errno.h>

/* ---- The gate ------------------------------------------------------------------------------- */

static void note_opening(struct pool_job *job)
{
    if (job->opening_ns == 0)
        job->opening_ns = uv_hrtime();
}

/* Does it open the connection that it is placed on? Nobody else is, before that is open. */
static bool is_opener(const struct pool_job *job)
{
    return job->connection && job->connection->state == POOL_CONNECTION_OPENING;
}

/*
 * Any other job was to use a connection that is there: it has gone, or is full, or libcurl wants to
 * send the request once more. Or it is there to have libcurl look at one.
 */
static void note_refusal(struct pool_job *job)
{
    job->had_error = job->detail && job->detail[0];
    job->gate = job->connection ? pool_connection_note_refusal(job->pool, job->connection, job)
                                : POOL_GATE_STALE;
}

static void note_looked_up(const struct pool_job *job)
{
    struct pool_connection *connection = job->connection;
    if (job->looked_up && !connection->is_proxied)
        connection->origin->looked_up_ns =
            uv_hrtime(); /* else libcurl knew it, and for less long */
    pool_connection_end_look_up(job->pool, connection);
}

/* What has no address that could be asked about goes nowhere. */
static bool may_reach(const struct pool_job *job, const struct sockaddr *address)
{
    const struct pool_guard *guard = job->guard;
    struct network_address asked;
    return !guard ||
           (network_address_of(&asked, address) && guard->may_reach(guard->ctx, &asked, true));
}

/* The opener gets one socket for each address that is tried. None is opened before the system would
 * refuse: without a descriptor, clients could not be accepted either. */
static curl_socket_t open_socket(struct pool_job *job, const struct curl_sockaddr *address)
{
    struct pool *pool = job->pool;
    if (!is_opener(job)) {
        note_refusal(job);
        return CURL_SOCKET_BAD;
    }
    note_opening(job);
    note_looked_up(job);
    if (!may_reach(job, &address->addr)) {
        job->was_denied = true;
        if (job->sockets == 0)
            job->gate = POOL_GATE_DENIED;
        return CURL_SOCKET_BAD;
    }
    bool has_descriptor = pool->sockets_open < pool->setup.most_sockets;
    curl_socket_t fd = has_descriptor ? pool_sockets_open(&pool->sockets, job->shard, address)
                                      : CURL_SOCKET_BAD;
    job->gate = fd == CURL_SOCKET_BAD ? POOL_GATE_LIMIT : POOL_GATE_OPEN;
    pool->sockets_open += fd != CURL_SOCKET_BAD;
    job->sockets += fd != CURL_SOCKET_BAD;
    return fd;
}

static curl_socket_t on_open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct pool_job *job = ctx;
    (void)purpose;
    pool_callback_begin(job->pool);
    curl_socket_t fd = open_socket(job, address);
    pool_callback_end(job->pool);
    return fd;
}

/* A name is about to be looked up. Who is not there to open a connection would only want it for a
 * socket that it does not get. Not 0: then it is not. */
static int begin_look_up(struct pool_job *job)
{
    if (!is_opener(job)) {
        note_refusal(job);
        return 1;
    }
    job->looked_up = true;
    if (!job->connection->is_proxied && !job->connection->origin->is_literal)
        job->pool->stats->lookups++;
    note_opening(job);
    return 0;
}

static int on_look_up(void *resolver_state, void *reserved, void *ctx)
{
    struct pool_job *job = ctx;
    (void)resolver_state;
    (void)reserved;
    pool_callback_begin(job->pool);
    int result = begin_look_up(job);
    pool_callback_end(job->pool);
    return result;
}

static int on_close_socket(void *ctx, curl_socket_t fd)
{
    struct pool *pool = ctx;
    pool_callback_begin(pool);
    pool_sockets_close(&pool->sockets, fd);
    pool->sockets_open--;
    pool_callback_end(pool);
    return 0;
}

/* ---- Jobs ----------------------------------------------------------------------------------- */

/* Longer than any limit of the configuration. */
#define MOST_AGE_S (365L * 24 * 60 * 60)

/* libcurl counts these in seconds; 0 would mean something else than "short". */
static long seconds_of(uint64_t ms)
{
    return (long)((ms + 999) / 1000);
}

CURLcode pool_prepare(struct pool *pool, struct pool_job *job)
{
    const struct config *config = pool->config;
    CURL *easy = job->easy;
    CURLcode code = CURLE_OK;
#define SET(option, value)                                                                         \
    if (code == CURLE_OK)                                                                          \
    code = curl_easy_setopt(easy, option, value)
    SET(CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    SET(CURLOPT_OPENSOCKETDATA, job);
    SET(CURLOPT_RESOLVER_START_FUNCTION, on_look_up);
    SET(CURLOPT_RESOLVER_START_DATA, job);
    SET(CURLOPT_CLOSESOCKETFUNCTION, on_close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, pool); /* outlives the handle: the connection copies it */
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L);          /* a cancel must not wait for a name look-up's thread */
    SET(CURLOPT_MAXAGE_CONN, MOST_AGE_S); /* how old one may be is decided in pool_place.c */
    SET(CURLOPT_MAXLIFETIME_CONN, MOST_AGE_S);
    SET(CURLOPT_DNS_CACHE_TIMEOUT, seconds_of(config->dns_ttl_ms));
    SET(CURLOPT_PRIVATE, job);
#undef SET
    return code;
}

CURLcode pool_place_job(struct pool_job *job)
{
    long tag = job->connection ? (long)job->connection->tag : 0L;
    if (job->connection)
        job->shard = job->connection->origin->shard;
    CURLcode code = curl_easy_setopt(job->easy, CURLOPT_ADDRESS_SCOPE, tag);
    return code == CURLE_OK ? pool_trust_prepare(job) : code;
}

int pool_add(struct pool_job *job)
{
    pool_note_activity(job);
    if (curl_multi_add_handle(job->shard->multi, job->easy) != CURLM_OK)
        return -EIO;
    job->shard->jobs++;
    job->shard->due_cost++;
    return 0;
}

void pool_remove(struct pool_job *job)
{
    curl_multi_remove_handle(job->shard->multi, job->easy);
    job->shard->jobs--;
}

void pool_note_activity(struct pool_job *job)
{
    job->shard->idle_turns = 0;
}
