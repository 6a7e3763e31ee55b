/*
 * pool_shard: a part of the pool's connections, in a multi handle of its own: all those of some
 * origins. What is open to an origin is always in one, so it is found whoever asks.
 *
 * At the end of each transfer libcurl 8.14 looks through all names and connections of its multi
 * handle, so none is to hold many. And two of them may be at work at the same time: pool_turn.c.
 */
#include "pool_internal.h"

#include <stdlib.h>

/* Connections; where each shard has as many, another is made. One walk through so many costs some
 * two percent of a request. */
#define FULL_SHARD 64

/* Descriptors beyond those of the connections that there may be. Shards look for dead connections
 * among their own only, and most do so once a second: until then these keep theirs. Where there are
 * few, there is one shard for each thread; in one, libcurl drops a dead one when it needs another.
 */
#define LEAST_SPARE 256

/* ---- libcurl's callbacks: nothing of libcurl may be called from here ------------------------ */

/* Anything but 0 would end the whole multi handle for good. */
static int on_socket_interest(CURL *easy, curl_socket_t fd, int what, void *ctx, void *unused)
{
    struct pool_shard *shard = ctx;
    (void)easy;
    (void)unused;
    pool_callback_begin(shard->pool);
    pool_sockets_want(&shard->pool->sockets, shard, fd, what);
    pool_callback_end(shard->pool);
    return 0;
}

/*
 * While a transfer is paused and its socket readable, libcurl 8.14 asks to be called at once, for
 * ever. After so many calls in which nothing happened it is called after a pause only; sockets that
 * become ready are looked at without one, as always.
 */
#define MOST_IDLE_TURNS 16
#define IDLE_PAUSE_MS   5

static void on_timer(uv_timer_t *timer)
{
    struct pool_shard *shard = timer->data;
    shard->is_due = true;
    pool_turn_wake(shard->pool);
}

/*
 * "At once" is this turn of the loop if it places requests yet, else the next. A timer of 0 ms
 * would be run by libuv in the same turn whenever it is set anew from its own callback, which
 * libcurl asks for as long as one transfer of a connection brings bytes for another: no socket
 * would be looked at meanwhile.
 */
static void set_timer(struct pool_shard *shard, long timeout_ms)
{
    uv_timer_stop(&shard->timer);
    shard->is_due = timeout_ms == 0 && shard->idle_turns < MOST_IDLE_TURNS;
    if (shard->is_due) {
        pool_turn_wake(shard->pool);
    } else if (timeout_ms >= 0) {
        uint64_t delay_ms = timeout_ms > 0 ? (uint64_t)timeout_ms : IDLE_PAUSE_MS;
        uv_update_time(shard->pool->loop); /* the timer counts from the loop's idea of now */
        uv_timer_start(&shard->timer, on_timer, delay_ms, 0);
    }
}

/* Several times a request: where others are at work, too, the last holds when all are done. */
static int on_timer_wanted(CURLM *multi, long timeout_ms, void *ctx)
{
    struct pool_shard *shard = ctx;
    (void)multi;
    shard->timeout_ms = timeout_ms;
    shard->has_new_timeout = shard->pool->is_parallel;
    if (!shard->has_new_timeout)
        set_timer(shard, timeout_ms);
    return 0;
}

void pool_shard_set_timer(struct pool_shard *shard)
{
    if (shard->has_new_timeout)
        set_timer(shard, shard->timeout_ms);
    shard->has_new_timeout = false;
}

/* ---- Driving libcurl ------------------------------------------------------------------------ */

void pool_shard_drive(struct pool_shard *shard, curl_socket_t fd, int curl_flags)
{
    int running;
    curl_multi_socket_action(shard->multi, fd, curl_flags, &running);
}

void pool_shard_drive_due(struct pool_shard *shard)
{
    shard->is_due = false;
    shard->idle_turns++;
    pool_shard_drive(shard, CURL_SOCKET_TIMEOUT, 0);
}

/* A callback may add or remove jobs; the list is asked anew each time. */
void pool_shard_finish_jobs(struct pool_shard *shard)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(shard->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        CURL *easy = message->easy_handle;
        char *job_pointer = NULL;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &job_pointer);
        curl_multi_remove_handle(shard->multi, easy); /* the message is void after it */
        shard->jobs--;
        struct pool_job *job = (struct pool_job *)(void *)job_pointer;
        job->on_done(job, code);
    }
}

/* ---- Life ----------------------------------------------------------------------------------- */

/* libcurl is never to close one by itself: idle ones that were shut down count with it, too. */
static long most_kept(const struct pool *pool)
{
    return (long)(pool->setup.most_sockets + pool->config->max_connections + 1);
}

/*
 * Beyond it libcurl closes the one that was unused for longest before it opens another: in time for
 * the descriptors of those that were shut down and that it has not looked at. It never has to wait,
 * as fewer are in use.
 */
static long most_at_once(const struct pool *pool)
{
    return (long)(pool->most_connections + (pool->setup.most_sockets - pool->most_connections) / 2);
}

void pool_shard_update_limits(struct pool_shard *shard)
{
    curl_multi_setopt(shard->multi, CURLMOPT_MAX_CONCURRENT_STREAMS,
                      (long)shard->pool->config->streams_per_connection);
}

static bool set_up_multi(struct pool_shard *shard)
{
    const struct pool *pool = shard->pool;
    CURLM *multi = shard->multi = curl_multi_init();
    return multi &&
           curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket_interest) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, shard) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERDATA, shard) == CURLM_OK &&
           /* its default is four times the running transfers: the pool would shrink when quiet */
           curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, most_kept(pool)) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, most_at_once(pool)) ==
               CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAX_CONCURRENT_STREAMS,
                             (long)pool->config->streams_per_connection) == CURLM_OK;
}

/* NULL without memory, or if libcurl refuses. */
static struct pool_shard *create(struct pool *pool)
{
    struct pool_shard *shard = calloc(1, sizeof *shard);
    if (!shard)
        return NULL;
    shard->pool = pool;
    if (!set_up_multi(shard)) {
        curl_multi_cleanup(shard->multi);
        free(shard);
        return NULL;
    }
    uv_timer_init(pool->loop, &shard->timer);
    shard->timer.data = shard;
    pool->handles_open++;
    return shard;
}

bool pool_shard_add(struct pool *pool)
{
    struct pool_shard *shard = create(pool);
    if (shard)
        pool->shards[pool->shard_count++] = shard;
    return shard;
}

/* ---- Who is in which ------------------------------------------------------------------------ */

/* An origin is busy with few connections if they speak HTTP/2, so each counts as so many more. */
#define ORIGIN_LOAD 16

static size_t load_of(const struct pool_shard *shard)
{
    return shard->connections + ORIGIN_LOAD * shard->origins;
}

static struct pool_shard *find_emptiest(const struct pool *pool)
{
    struct pool_shard *emptiest = pool->shards[0];
    for (size_t i = 1; i < pool->shard_count; i++) {
        if (load_of(pool->shards[i]) < load_of(emptiest))
            emptiest = pool->shards[i];
    }
    return emptiest;
}

static bool wants_another(const struct pool *pool, const struct pool_shard *emptiest)
{
    return emptiest->connections >= FULL_SHARD && pool->shard_count < POOL_MOST_SHARDS &&
           pool->setup.most_sockets - pool->most_connections >= LEAST_SPARE;
}

static struct pool_shard *choose(struct pool *pool)
{
    struct pool_shard *shard = find_emptiest(pool);
    if (wants_another(pool, shard) && pool_shard_add(pool))
        shard = pool->shards[pool->shard_count - 1];
    return shard;
}

void pool_shard_join(struct pool *pool, struct origin *origin)
{
    if (!origin->connections) {
        origin->shard = choose(pool);
        origin->shard->origins++;
    }
    origin->shard->connections++;
}

void pool_shard_leave(struct origin *origin)
{
    origin->shard->connections--;
    if (origin->connections)
        return;
    origin->shard->origins--;
    if (origin->shard->pool->shard_count > 1)
        origin->looked_up_ns = 0; /* where it comes to next, its name may not be known */
    origin->shard = NULL;
}

/* ---- Its end -------------------------------------------------------------------------------- */

static void on_timer_closed(uv_handle_t *handle)
{
    struct pool_shard *shard = handle->data;
    struct pool *pool = shard->pool;
    free(shard);
    pool_on_handle_closed(pool);
}

/* Its sockets are closed by it. */
void pool_shard_close(struct pool_shard *shard)
{
    curl_multi_cleanup(shard->multi);
    uv_close((uv_handle_t *)&shard->timer, on_timer_closed);
}

void pool_shard_trim(struct pool *pool)
{
    for (size_t i = pool->shard_count; i-- > pool->config->threads;) {
        struct pool_shard *shard = pool->shards[i];
        if (shard->connections > 0 || shard->jobs > 0)
            continue;
        pool->shards[i] = pool->shards[--pool->shard_count];
        pool_shard_close(shard);
    }
}
