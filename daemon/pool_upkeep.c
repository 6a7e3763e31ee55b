/*
 * pool_upkeep: to make libcurl look after connections that no transfer uses. It does so only on
 * behalf of an easy handle, so one is made that never sends anything.
 *
 * A connection that is closed, or brought what nobody asked for, is tidied by a job that wants that
 * very one: libcurl finds it dead and closes it, and the job gets no other socket; or it finds it
 * in order, having read what was there, and the job ends before it is sent. libcurl's own round
 * through its connections is kept short by that: for each dead one that it meets it looks at all
 * others again.
 */
#include "pool_internal.h"

#include <stdlib.h>

#include <utlist.h>

/* Jobs begun in one turn of the loop. */
#define MOST_TIDIED_IN_TURN 16

/* Nothing is ever sent there: the gate of the pool lets no job through that has no place. */
#define NOWHERE "http://127.0.0.1:9/"

/* libcurl counts in whole milliseconds and pings what was last pinged longer ago. */
#define PING_INTERVAL_MS 1L

struct pool_tidier {
    struct pool_job job;                /* without a place */
    struct pool_connection *connection; /* NULL: it is gone */
    struct pool_tidier *prev, *next;
};

/* ---- Tidying -------------------------------------------------------------------------------- */

static void finish_tidier(struct pool *pool, struct pool_tidier *tidier)
{
    if (tidier->connection)
        tidier->connection->tidier = NULL;
    DL_DELETE(pool->tidiers, tidier);
    curl_easy_cleanup(tidier->job.easy);
    free(tidier);
}

void pool_upkeep_forget(struct pool_connection *connection)
{
    if (connection->tidier)
        connection->tidier->connection = NULL;
    connection->tidier = NULL;
}

/* What libcurl found in order is listened to again; what it left as it is, is looked at with the
 * next sweep. */
static void on_tidied(struct pool_job *job, CURLcode code)
{
    struct pool_tidier *tidier = (struct pool_tidier *)job; /* its first member */
    struct pool *pool = job->pool;
    struct pool_connection *connection = tidier->connection;
    (void)code;
    finish_tidier(pool, tidier);
    if (!connection || connection->state == POOL_CONNECTION_CLOSING)
        return;
    pool_connection_set_clean(pool, connection);
    pool_sockets_look_again(connection->sock);
}

static int on_prerequest(void *ctx, char *remote_ip, char *local_ip, int remote_port,
                         int local_port)
{
    (void)ctx;
    (void)remote_ip;
    (void)local_ip;
    (void)remote_port;
    (void)local_port;
    return CURL_PREREQFUNC_ABORT;
}

static long http_version_of(enum pool_kind kind)
{
    switch (kind) {
    case POOL_HTTP_1:
        return CURL_HTTP_VERSION_1_1;
    case POOL_HTTP_2:
        return CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE;
    case POOL_EITHER:
        return CURL_HTTP_VERSION_2TLS;
    }
    return CURL_HTTP_VERSION_1_1;
}

/*
 * On the connection's own terms, as libcurl compares them. Where these are a client's, they are not
 * known here: then the job goes nowhere, and libcurl's own round, which is at most one a second,
 * finds the connection.
 */
static CURLcode prepare(struct pool *pool, struct pool_tidier *tidier)
{
    CURL *easy = tidier->job.easy;
    const struct pool_connection *connection = tidier->connection;
    bool is_known = pool_connection_is_typical(connection);
    CURLcode code = pool_prepare(pool, &tidier->job);
    if (code == CURLE_OK)
        code = pool_place_job(&tidier->job);
#define SET(option, value)                                                                         \
    if (code == CURLE_OK)                                                                          \
    code = curl_easy_setopt(easy, option, value)
    SET(CURLOPT_PREREQFUNCTION, on_prerequest);
    SET(CURLOPT_URL, is_known ? connection->origin->name : NOWHERE);
    SET(CURLOPT_HTTP_VERSION, http_version_of(connection->kind));
    if (is_known)
        SET(CURLOPT_ADDRESS_SCOPE, (long)connection->tag);
#undef SET
    return code == CURLE_OK ? pool->setup.set_terms(easy, pool->config) : code;
}

/* Without memory it is tried again with the next sweep. */
static void tidy(struct pool *pool, struct pool_connection *connection)
{
    struct pool_tidier *tidier = calloc(1, sizeof *tidier);
    if (!tidier)
        return;
    *tidier = (struct pool_tidier){
        .job = {.easy = curl_easy_init(),
                .pool = pool,
                .shard = connection->origin->shard,
                .on_done = on_tidied},
        .connection = connection,
    };
    connection->tidier = tidier;
    DL_APPEND(pool->tidiers, tidier);
    if (!tidier->job.easy || prepare(pool, tidier) != CURLE_OK || pool_add(&tidier->job) < 0)
        finish_tidier(pool, tidier);
}

static void tidy_some(struct pool *pool, bool with_own_terms)
{
    struct pool_connection *connection;
    unsigned begun = 0;
    DL_FOREACH (pool->all, connection) {
        bool is_due = connection->is_unclean && !connection->tidier && connection->streams == 0 &&
                      (with_own_terms || pool_connection_is_typical(connection));
        if (is_due && begun++ < MOST_TIDIED_IN_TURN)
            tidy(pool, connection);
    }
    if (begun > MOST_TIDIED_IN_TURN)
        pool_upkeep_wake(pool);
}

void pool_upkeep_tidy(struct pool *pool)
{
    tidy_some(pool, true);
}

static void on_tidy(uv_idle_t *idle)
{
    uv_idle_stop(idle);
    tidy_some(idle->data, false);
}

void pool_upkeep_wake(struct pool *pool)
{
    if (!uv_is_active((uv_handle_t *)&pool->tidy))
        uv_idle_start(&pool->tidy, on_tidy);
}

void pool_upkeep_finish(struct pool *pool)
{
    struct pool_tidier *tidier, *next;
    DL_FOREACH_SAFE (pool->tidiers, tidier, next) {
        pool_remove(&tidier->job);
        finish_tidier(pool, tidier);
    }
}

/* ---- Pings ---------------------------------------------------------------------------------- */

/* The handle has to belong to the multi handle, and must not have a connection of its own yet. */
static void ping(struct pool_shard *shard)
{
    CURL *easy = curl_easy_init();
    if (!easy)
        return;
    if (curl_easy_setopt(easy, CURLOPT_URL, NOWHERE) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_UPKEEP_INTERVAL_MS, PING_INTERVAL_MS) == CURLE_OK &&
        curl_multi_add_handle(shard->multi, easy) == CURLM_OK) {
        curl_easy_upkeep(easy);
        curl_multi_remove_handle(shard->multi, easy);
    }
    curl_easy_cleanup(easy);
}

void pool_upkeep_ping(struct pool *pool)
{
    for (size_t i = 0; i < pool->shard_count; i++)
        ping(pool->shards[i]);
}
