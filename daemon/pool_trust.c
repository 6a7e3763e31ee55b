/*
 * pool_trust: what libcurl remembers of those whom a connection trusts: the TLS sessions, by which
 * a later connection is opened without a look at the certificate, and the authorities of the CA
 * file, which it reads once and keeps. When that file may have changed, both are forgotten.
 */
#include "pool_internal.h"

#include <errno.h>
#include <stdlib.h>

#define NS_PER_S ((uint64_t)1000000000)

/* libcurl's own default for a file that has not been said to have changed. */
#define MOST_CA_AGE_S (24L * 60 * 60)

/* Sessions that transfers still use which began before a change: they cannot be freed earlier. */
struct pool_sessions {
    CURLSH *share;
    pthread_mutex_t locks[CURL_LOCK_DATA_LAST];
    struct pool_sessions *next;
};

/* ---- Sessions ------------------------------------------------------------------------------- */

/* All shards share them, and may be at work at the same time. Nothing else is called with one held.
 */
static void on_lock(CURL *easy, curl_lock_data data, curl_lock_access access, void *ctx)
{
    struct pool_sessions *sessions = ctx;
    (void)easy;
    (void)access;
    pthread_mutex_lock(&sessions->locks[data]);
}

static void on_unlock(CURL *easy, curl_lock_data data, void *ctx)
{
    struct pool_sessions *sessions = ctx;
    (void)easy;
    pthread_mutex_unlock(&sessions->locks[data]);
}

static bool set_up_share(struct pool_sessions *sessions)
{
    CURLSH *share = sessions->share = curl_share_init();
    return share &&
           curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) == CURLSHE_OK &&
           curl_share_setopt(share, CURLSHOPT_LOCKFUNC, on_lock) == CURLSHE_OK &&
           curl_share_setopt(share, CURLSHOPT_UNLOCKFUNC, on_unlock) == CURLSHE_OK &&
           curl_share_setopt(share, CURLSHOPT_USERDATA, sessions) == CURLSHE_OK;
}

static void free_sessions(struct pool_sessions *sessions)
{
    for (size_t i = 0; i < CURL_LOCK_DATA_LAST; i++)
        pthread_mutex_destroy(&sessions->locks[i]);
    free(sessions);
}

static struct pool_sessions *create_sessions(void)
{
    struct pool_sessions *sessions = calloc(1, sizeof *sessions);
    if (!sessions)
        return NULL;
    for (size_t i = 0; i < CURL_LOCK_DATA_LAST; i++)
        pthread_mutex_init(&sessions->locks[i], NULL);
    if (set_up_share(sessions))
        return sessions;
    curl_share_cleanup(sessions->share);
    free_sessions(sessions);
    return NULL;
}

static void free_unused(struct pool_trust *trust)
{
    struct pool_sessions **at = &trust->retired;
    while (*at) {
        struct pool_sessions *sessions = *at;
        if (curl_share_cleanup(sessions->share) == CURLSHE_OK) {
            *at = sessions->next;
            free_sessions(sessions);
        } else {
            at = &sessions->next;
        }
    }
}

/* ---- Life ----------------------------------------------------------------------------------- */

int pool_trust_init(struct pool_trust *trust)
{
    *trust = (struct pool_trust){.sessions = create_sessions()};
    return trust->sessions ? 0 : -ENOMEM;
}

static void retire(struct pool_trust *trust)
{
    if (trust->sessions) {
        trust->sessions->next = trust->retired;
        trust->retired = trust->sessions;
        trust->sessions = NULL;
    }
    free_unused(trust);
}

void pool_trust_finish(struct pool_trust *trust)
{
    retire(trust);
}

void pool_forget_trust(struct pool *pool)
{
    retire(&pool->trust);
    pool->trust.sessions = create_sessions(); /* without memory, none are kept from now on */
    pool->trust.number++;
    pool->trust.since_ns = uv_hrtime();
}

/* ---- Use ------------------------------------------------------------------------------------ */

/*
 * The age beyond which libcurl reads the file again, and there is no other way to have it do so:
 * the time since the change, so that what it has read before is too old at any time. Rounded down,
 * so in the first second the file is read for each connection.
 */
static long most_ca_age_s(const struct pool_trust *trust)
{
    if (trust->number == 0)
        return MOST_CA_AGE_S;
    uint64_t age_s = (uv_hrtime() - trust->since_ns) / NS_PER_S;
    return age_s < MOST_CA_AGE_S ? (long)age_s : MOST_CA_AGE_S;
}

/* A connection that was opened before the change may still be given a session, by a ticket that
 * comes late; it is kept for nobody. */
static bool keeps_sessions(const struct pool_job *job)
{
    const struct pool_connection *connection = job->connection;
    const struct pool_trust *trust = &job->pool->trust;
    return trust->sessions && connection && !connection->partition && !connection->is_private &&
           connection->trust_number == trust->number;
}

CURLcode pool_trust_prepare(const struct pool_job *job)
{
    /* Without the share, libcurl 8.12 and later keep sessions for the whole multi handle. */
    bool is_kept = keeps_sessions(job);
    CURLSH *share = is_kept ? job->pool->trust.sessions->share : NULL;
    CURLcode code = curl_easy_setopt(job->easy, CURLOPT_SSL_SESSIONID_CACHE, is_kept ? 1L : 0L);
    if (code == CURLE_OK) /* it may have been another connection's before */
        code = curl_easy_setopt(job->easy, CURLOPT_SHARE, share);
    if (code == CURLE_OK)
        code = curl_easy_setopt(job->easy, CURLOPT_CA_CACHE_TIMEOUT,
                                most_ca_age_s(&job->pool->trust));
    return code;
}
