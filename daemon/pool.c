/* pool: see pool.h. The table of its connections is in pool_connection.c. */
#include "pool_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

void pool_tell(const struct pool *pool, struct origin *origin)
{
    pool->setup.on_change(pool->setup.ctx, origin);
}

uint64_t pool_idle_limit_ms(const struct pool *pool, const struct origin *origin, uint64_t now_ns)
{
    return idle_limit_get(&origin->idle_limit, pool->config->pool_idle_timeout_ms,
                          now_ns / NS_PER_MS);
}

/* ---- libcurl's callbacks: nothing of libcurl may be called from here ------------------------ */

/* Anything but 0 would end the whole multi handle for good. */
static int on_socket_interest(CURL *easy, curl_socket_t fd, int what, void *ctx, void *unused)
{
    struct pool *pool = ctx;
    (void)easy;
    (void)unused;
    pool_sockets_want(&pool->sockets, fd, what);
    return 0;
}

static void on_timer(uv_timer_t *timer);
static void on_at_once(uv_idle_t *idle);

/*
 * While a transfer is paused and its socket readable, libcurl 8.14 asks to be called at once, for
 * ever. After so many calls in which nothing happened it is called after a pause only; sockets that
 * become ready are looked at without one, as always.
 */
#define MOST_IDLE_TURNS 16
#define IDLE_PAUSE_MS   5

void pool_note_activity(struct pool *pool)
{
    pool->idle_turns = 0;
}

/*
 * "At once" is the next turn of the loop. A timer of 0 ms would be run by libuv in the same turn
 * whenever it is set anew from its own callback, which libcurl asks for as long as one transfer of
 * a connection brings bytes for another: no socket would be looked at meanwhile.
 */
static int on_timer_wanted(CURLM *multi, long timeout_ms, void *ctx)
{
    struct pool *pool = ctx;
    (void)multi;
    uv_timer_stop(&pool->timer);
    uv_idle_stop(&pool->at_once);
    if (timeout_ms == 0 && pool->idle_turns < MOST_IDLE_TURNS) {
        uv_idle_start(&pool->at_once, on_at_once);
    } else if (timeout_ms >= 0) {
        uint64_t delay_ms = timeout_ms > 0 ? (uint64_t)timeout_ms : IDLE_PAUSE_MS;
        uv_update_time(pool->loop); /* the timer counts from the loop's idea of now */
        uv_timer_start(&pool->timer, on_timer, delay_ms, 0);
    }
    return 0;
}

/* ---- Driving libcurl ------------------------------------------------------------------------ */

/* Hands out what is done. A callback may add or remove jobs; the list is asked anew each time. */
static void finish_jobs(struct pool *pool)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(pool->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        CURL *easy = message->easy_handle;
        char *job_pointer = NULL;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &job_pointer);
        curl_multi_remove_handle(pool->multi, easy); /* the message is void after it */
        struct pool_job *job = (struct pool_job *)(void *)job_pointer;
        job->on_done(job, code);
    }
}

static void drive(struct pool *pool, curl_socket_t fd, int flags)
{
    int running;
    curl_multi_socket_action(pool->multi, fd, flags, &running);
    finish_jobs(pool);
}

static void on_timer(uv_timer_t *timer)
{
    drive(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

static void on_at_once(uv_idle_t *idle)
{
    struct pool *pool = idle->data;
    uv_idle_stop(idle);
    pool->idle_turns++;
    drive(pool, CURL_SOCKET_TIMEOUT, 0);
}

/*
 * A TLS handshake costs a millisecond or more of computing, and hundreds can be ready at once.
 * Those beyond this time are left for the next turn of the loop, which finds their sockets ready
 * still, so that nothing else waits for all of them.
 */
#define HANDSHAKES_PER_TURN_NS ((uint64_t)10 * NS_PER_MS)

static void shake_hands(struct pool *pool, struct pool_socket *sock, int curl_flags)
{
    if (pool->shaken_in_turn_ns >= HANDSHAKES_PER_TURN_NS)
        return;
    uint64_t begun_ns = uv_hrtime();
    drive(pool, sock->fd, curl_flags);
    pool->shaken_in_turn_ns += uv_hrtime() - begun_ns;
}

static void on_before_wait(uv_prepare_t *prepare)
{
    struct pool *pool = prepare->data;
    pool->shaken_in_turn_ns = 0;
}

static void on_ready(void *ctx, struct pool_socket *sock, int curl_flags)
{
    struct pool *pool = ctx;
    pool_note_activity(pool);
    if (!sock->connection && sock->is_opened_by_pool) {
        shake_hands(pool, sock, curl_flags);
        return;
    }
    if (sock->connection && (curl_flags & CURL_CSELECT_IN))
        pool_connection_note_heard(pool, sock->connection);
    if (sock->connection && sock->connection->is_slow && curl_flags != 0)
        pool_lane_enter(pool, sock, curl_flags);
    else
        drive(pool, sock->fd, curl_flags);
}

void pool_drive_socket(struct pool *pool, curl_socket_t fd, int curl_flags)
{
    pool_note_activity(pool);
    drive(pool, fd, curl_flags);
}

/* One that is used has its transfers paused, and there may be bytes for them. */
static void on_idle_close(void *ctx, struct pool_socket *sock)
{
    struct pool *pool = ctx;
    struct pool_connection *connection = sock->connection;
    uint64_t now = uv_hrtime();
    if (!connection || pool_connection_is_used(connection))
        return;
    if (connection->is_idle && pool_connection_is_typical(connection))
        idle_limit_note_close(&connection->origin->idle_limit,
                              pool_connection_idle_ms(connection, now), now / NS_PER_MS);
    pool_connection_shut(pool, connection);
}

/*
 * Bytes that nobody asked for. In the clear over HTTP/1.1 they are an answer to nothing: the
 * connection goes. Else they may be a TLS session ticket or an HTTP/2 frame, which libcurl tells
 * from an answer: now, or when a request is placed there.
 */
static void on_idle_input(void *ctx, struct pool_socket *sock)
{
    struct pool *pool = ctx;
    struct pool_connection *connection = sock->connection;
    if (!connection || pool_connection_is_used(connection))
        return;
    bool is_clear = strncmp(connection->origin->name, "http:", 5) == 0;
    if (is_clear && !pool_connection_is_http_2(connection))
        pool_connection_shut(pool, connection);
    else
        pool_connection_set_unclean(pool, connection);
}

static void on_close(void *ctx, struct pool_socket *sock)
{
    struct pool_connection *connection = sock->connection;
    pool_lane_leave(ctx, sock);
    sock->connection = NULL;
    if (connection)
        pool_connection_detach(ctx, connection);
}

/* ---- Process -------------------------------------------------------------------------------- */

int pool_set_up_process(void)
{
    unsetenv("SSLKEYLOGFILE"); /* libcurl would write everybody's TLS secrets there */
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -EIO;
}

const char *pool_library_version(void)
{
    return curl_version();
}

const char *pool_library_number(void)
{
    return curl_version_info(CURLVERSION_NOW)->version;
}

/* ---- Life ----------------------------------------------------------------------------------- */

static void finish_closing(struct pool *pool)
{
    if (!pool->on_closed || pool->handles_open > 0 || pool->sockets.open > 0)
        return;
    void (*on_closed)(void *) = pool->on_closed;
    void *ctx = pool->on_closed_ctx;
    free(pool);
    on_closed(ctx);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct pool *pool = handle->data;
    pool->handles_open--;
    finish_closing(pool);
}

static void on_gone(void *ctx)
{
    finish_closing(ctx);
}

static const struct pool_sockets_events sockets_events = {
    .on_ready = on_ready,
    .on_idle_close = on_idle_close,
    .on_idle_input = on_idle_input,
    .on_close = on_close,
    .on_gone = on_gone,
};

/* libcurl is never to close one by itself: idle ones that were shut down count with it, too. */
static long most_kept(const struct pool *pool)
{
    return (long)(pool->setup.most_sockets + pool->config->max_connections + 1);
}

/* However few descriptors there are: those of connections that were shut down are not free at
 * once, so some are left for new ones. */
static size_t most_connections(const struct pool_setup *setup)
{
    size_t share = setup->most_sockets - setup->most_sockets / 4;
    size_t most = setup->config->max_connections < share ? setup->config->max_connections : share;
    return most > 0 ? most : 1;
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

static bool set_up_multi(struct pool *pool)
{
    CURLM *multi = pool->multi = curl_multi_init();
    return multi && pool_trust_init(&pool->trust) == 0 &&
           curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket_interest) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, pool) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERDATA, pool) == CURLM_OK &&
           /* its default is four times the running transfers: the pool would shrink when quiet */
           curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, most_kept(pool)) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, most_at_once(pool)) ==
               CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_MAX_CONCURRENT_STREAMS,
                             (long)pool->config->streams_per_connection) == CURLM_OK;
}

static void open_handles(struct pool *pool)
{
    uv_timer_init(pool->loop, &pool->timer);
    uv_idle_init(pool->loop, &pool->at_once);
    uv_timer_init(pool->loop, &pool->nudge);
    uv_timer_init(pool->loop, &pool->sweep);
    uv_idle_init(pool->loop, &pool->tidy);
    pool->timer.data = pool->at_once.data = pool->nudge.data = pool->sweep.data = pool;
    pool->tidy.data = pool;
    uv_idle_init(pool->loop, &pool->lane_turn);
    pool->lane_turn.data = pool;
    uv_prepare_init(pool->loop, &pool->before_wait);
    pool->before_wait.data = pool;
    uv_prepare_start(&pool->before_wait, on_before_wait);
    uv_unref((uv_handle_t *)&pool->before_wait);
    pool->handles_open = 7;
}

int pool_create(struct pool **out_pool, const struct pool_setup *setup)
{
    struct pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return -ENOMEM;
    *pool = (struct pool){
        .setup = *setup,
        .loop = setup->loop,
        .config = setup->config,
        .stats = setup->stats,
        .most_connections = most_connections(setup),
        .leaves_resets = curl_version_info(CURLVERSION_NOW)->version_num < 0x080f00,
        .sockets = {.loop = setup->loop, .events = &sockets_events, .ctx = pool},
    };
    if (!set_up_multi(pool)) {
        curl_multi_cleanup(pool->multi);
        pool_trust_finish(&pool->trust);
        free(pool);
        return -EIO;
    }
    open_handles(pool);
    *out_pool = pool;
    return 0;
}

void pool_update_limits(struct pool *pool)
{
    curl_multi_setopt(pool->multi, CURLMOPT_MAX_CONCURRENT_STREAMS,
                      (long)pool->config->streams_per_connection);
}

void pool_close(struct pool *pool, void (*on_closed)(void *ctx), void *ctx)
{
    pool->on_closed = on_closed;
    pool->on_closed_ctx = ctx;
    pool_upkeep_finish(pool);
    curl_multi_cleanup(pool->multi); /* closes the sockets, through on_close_socket() */
    pool_trust_finish(&pool->trust);
    uv_close((uv_handle_t *)&pool->timer, on_handle_closed);
    uv_close((uv_handle_t *)&pool->at_once, on_handle_closed);
    uv_close((uv_handle_t *)&pool->nudge, on_handle_closed);
    uv_close((uv_handle_t *)&pool->sweep, on_handle_closed);
    uv_close((uv_handle_t *)&pool->tidy, on_handle_closed);
    uv_close((uv_handle_t *)&pool->before_wait, on_handle_closed);
    uv_close((uv_handle_t *)&pool->lane_turn, on_handle_closed);
}

/* ---- What can be said of it ----------------------------------------------------------------- */

size_t pool_connection_count(const struct pool *pool)
{
    return pool->count - pool->opening;
}

size_t pool_opening_count(const struct pool *pool)
{
    return pool->opening;
}

size_t pool_most_connections(const struct pool *pool)
{
    return pool->most_connections;
}

size_t pool_look_up_count(const struct pool *pool)
{
    return pool->look_ups;
}

size_t pool_connection_total(const struct pool *pool)
{
    const struct pool_connection *connection;
    size_t count;
    DL_COUNT(pool->all, connection, count);
    return count;
}

void pool_each_connection(const struct pool *pool,
                          void (*on_connection)(void *ctx, const struct pool_connection_info *info),
                          void *ctx)
{
    const struct pool_connection *connection;
    DL_FOREACH (pool->all, connection) {
        struct pool_connection_info info = pool_connection_info(connection);
        on_connection(ctx, &info);
    }
}
