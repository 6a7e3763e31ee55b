/* pool: see pool.h. The table of its connections is in pool_connection.c. */
#include "pool_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

/* ---- libcurl's callbacks: nothing of libcurl may be called from here ------------------------ */

static void note_opening(struct pool_job *job)
{
    if (job->opening_ns == 0)
        job->opening_ns = uv_hrtime();
}

/* Refuses before the system would: without a descriptor, clients could not be accepted either. */
static curl_socket_t on_open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct pool_job *job = ctx;
    struct pool *pool = job->pool;
    (void)purpose;
    note_opening(job);
    if (pool->ledger->sockets >= pool->ledger->most_sockets) {
        job->lacks_socket = true;
        return CURL_SOCKET_BAD;
    }
    curl_socket_t fd = pool_sockets_open(&pool->sockets, address);
    if (fd == CURL_SOCKET_BAD)
        job->lacks_socket = true;
    else
        pool->ledger->sockets++;
    return fd;
}

/* A name is about to be looked up: this job is opening a connection. */
static int on_look_up(void *resolver_state, void *reserved, void *ctx)
{
    (void)resolver_state;
    (void)reserved;
    note_opening(ctx);
    return 0;
}

static int on_close_socket(void *ctx, curl_socket_t fd)
{
    struct pool *pool = ctx;
    pool_sockets_close(&pool->sockets, fd);
    pool->ledger->sockets--;
    return 0;
}

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

static void on_ready(void *ctx, curl_socket_t fd, int curl_flags)
{
    pool_note_activity(ctx);
    drive(ctx, fd, curl_flags);
}

void pool_drive_socket(struct pool *pool, curl_socket_t fd)
{
    pool_note_activity(pool);
    drive(pool, fd, CURL_CSELECT_IN);
}

/*
 * libcurl has no call to drop one connection of its pool. It does drop one that it finds closed
 * when it looks for a connection, so the socket is shut down and left to it.
 */
static void shut(struct pool_socket *sock)
{
    shutdown(sock->fd, SHUT_RDWR);
    if (sock->connection)
        pool_connection_set_closing(sock->connection);
}

/* To connect to nowhere resets a TCP connection (connect(2), AF_UNSPEC), and leaves the descriptor
 * to libcurl. An end would wait behind what was not read and not sent. */
void pool_connection_reset(struct pool_socket *sock)
{
    struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    (void)connect(sock->fd, &nowhere, sizeof nowhere); /* the end that follows will do, too */
    shut(sock);
}

static void on_idle_close(void *ctx, struct pool_socket *sock)
{
    (void)ctx;
    if (!sock->connection || !pool_connection_is_used(sock->connection))
        shut(sock); /* else its transfers are paused; there may be bytes for them */
}

static void on_close(void *ctx, struct pool_socket *sock)
{
    if (sock->connection)
        pool_connection_detach(ctx, sock->connection);
    sock->connection = NULL;
}

/* ---- Jobs ----------------------------------------------------------------------------------- */

/* libcurl counts these in seconds; 0 would mean something else than "short". */
static long seconds_of(uint64_t ms)
{
    return (long)((ms + 999) / 1000);
}

CURLcode pool_prepare(struct pool *pool, struct pool_job *job, bool shares_sessions, bool waits)
{
    const struct config *config = pool->config;
    CURL *easy = job->easy;
    job->pool = pool;
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
    SET(CURLOPT_PIPEWAIT, waits ? 1L : 0L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* a cancel must not wait for a name look-up's thread */
    SET(CURLOPT_MAXAGE_CONN, seconds_of(config->pool_idle_timeout_ms));
    SET(CURLOPT_MAXLIFETIME_CONN, seconds_of(config->pool_lifetime_ms));
    SET(CURLOPT_DNS_CACHE_TIMEOUT, seconds_of(config->dns_ttl_ms));
    if (shares_sessions)
        SET(CURLOPT_SHARE, pool->sessions);
#undef SET
    return code;
}

int pool_add(struct pool *pool, struct pool_job *job)
{
    pool_note_activity(pool);
    if (curl_easy_setopt(job->easy, CURLOPT_PRIVATE, job) != CURLE_OK)
        return -EIO;
    return curl_multi_add_handle(pool->multi, job->easy) == CURLM_OK ? 0 : -EIO;
}

void pool_remove(struct pool *pool, struct pool_job *job)
{
    curl_multi_remove_handle(pool->multi, job->easy);
}

/* ---- Process -------------------------------------------------------------------------------- */

int pool_set_up_process(void)
{
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -EIO;
}

const char *pool_library_version(void)
{
    return curl_version();
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
    .on_close = on_close,
    .on_gone = on_gone,
};

/* However few descriptors there are, the idle connections of all pools leave half to new ones. */
static long most_idle(const struct pool *pool)
{
    uint64_t share = pool->ledger->most_sockets / 2 / pool->ledger->pools;
    uint64_t most = pool->config->max_connections < share ? pool->config->max_connections : share;
    return most > 0 ? (long)most : 1;
}

static bool set_up_multi(struct pool *pool)
{
    CURLM *multi = pool->multi = curl_multi_init();
    CURLSH *sessions = pool->sessions = curl_share_init();
    return multi && sessions &&
           curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket_interest) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_SOCKETDATA, pool) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer_wanted) == CURLM_OK &&
           curl_multi_setopt(multi, CURLMOPT_TIMERDATA, pool) == CURLM_OK &&
           /* its default is four times the running transfers: the pool would shrink when quiet */
           curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, most_idle(pool)) == CURLM_OK &&
           curl_share_setopt(sessions, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION) == CURLSHE_OK;
}

int pool_create(struct pool **out_pool, uv_loop_t *loop, const struct config *config,
                struct stats *stats, struct pool_ledger *ledger)
{
    struct pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return -ENOMEM;
    *pool = (struct pool){
        .loop = loop,
        .config = config,
        .stats = stats,
        .ledger = ledger,
        .leaves_resets = curl_version_info(CURLVERSION_NOW)->version_num < 0x080f00,
        .sockets = {.loop = loop, .events = &sockets_events, .ctx = pool},
    };
    if (!set_up_multi(pool)) {
        curl_multi_cleanup(pool->multi);
        curl_share_cleanup(pool->sessions);
        free(pool);
        return -EIO;
    }
    uv_timer_init(loop, &pool->timer);
    uv_idle_init(loop, &pool->at_once);
    uv_timer_init(loop, &pool->nudge);
    pool->timer.data = pool->at_once.data = pool->nudge.data = pool;
    pool->handles_open = 3;
    *out_pool = pool;
    return 0;
}

void pool_close(struct pool *pool, void (*on_closed)(void *ctx), void *ctx)
{
    pool->on_closed = on_closed;
    pool->on_closed_ctx = ctx;
    curl_multi_cleanup(pool->multi); /* closes the sockets, through on_close_socket() */
    curl_share_cleanup(pool->sessions);
    pool_origins_finish(&pool->origins);
    uv_close((uv_handle_t *)&pool->timer, on_handle_closed);
    uv_close((uv_handle_t *)&pool->at_once, on_handle_closed);
    uv_close((uv_handle_t *)&pool->nudge, on_handle_closed);
}
