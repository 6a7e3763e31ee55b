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

/* ---- What happens at sockets ---------------------------------------------------------------- */

static void on_ready(void *ctx, struct pool_socket *sock, int curl_flags)
{
    struct pool *pool = ctx;
    struct pool_connection *connection = sock->connection;
    sock->shard->idle_turns = 0;
    if (connection && (curl_flags & CURL_CSELECT_IN))
        pool_connection_note_heard(pool, connection);
    if (connection && connection->is_slow && curl_flags != 0)
        pool_lane_enter(pool, sock, curl_flags);
    else
        pool_turn_enter(sock, curl_flags);
}

void pool_drive_socket(struct pool_socket *sock, int curl_flags)
{
    struct pool_shard *shard = sock->shard;
    shard->idle_turns = 0;
    pool_shard_drive(shard, sock->fd, curl_flags);
    pool_shard_finish_jobs(shard);
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
    pool_turn_leave(sock);
    pool_lane_leave(ctx, sock);
    sock->connection = NULL;
    if (connection)
        pool_connection_detach(ctx, connection);
}

/* ---- Process -------------------------------------------------------------------------------- */

/*
 * calloc() for libcurl. That of glibc before 2.41 takes nothing from what the thread has at hand,
 * so that most of what libcurl gives back finds no room there: both take twice as long as with
 * malloc(). explicit_bzero(), for of memset() compilers make a calloc() again.
 */
static void *allocate_zeros(size_t count, size_t size)
{
    size_t length;
    if (__builtin_mul_overflow(count, size, &length))
        return NULL;
    void *memory = malloc(length);
    if (memory)
        explicit_bzero(memory, length);
    return memory;
}

int pool_set_up_process(void)
{
    unsetenv("SSLKEYLOGFILE"); /* libcurl would write everybody's TLS secrets there */
    CURLcode code = curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, free, realloc, strdup,
                                         allocate_zeros);
    return code == CURLE_OK ? 0 : -EIO;
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

void pool_on_handle_closed(struct pool *pool)
{
    pool->handles_open--;
    finish_closing(pool);
}

static void on_handle_closed(uv_handle_t *handle)
{
    pool_on_handle_closed(handle->data);
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

/* However few descriptors there are: those of connections that were shut down are not free at
 * once, so some are left for new ones. */
static size_t most_connections(const struct pool_setup *setup)
{
    size_t share = setup->most_sockets - setup->most_sockets / 4;
    size_t most = setup->config->max_connections < share ? setup->config->max_connections : share;
    return most > 0 ? most : 1;
}

static void open_handles(struct pool *pool)
{
    uv_timer_init(pool->loop, &pool->nudge);
    uv_timer_init(pool->loop, &pool->sweep);
    uv_idle_init(pool->loop, &pool->tidy);
    uv_idle_init(pool->loop, &pool->lane_turn);
    uv_idle_init(pool->loop, &pool->no_wait);
    uv_check_init(pool->loop, &pool->turn);
    pool->nudge.data = pool->sweep.data = pool->tidy.data = pool->lane_turn.data = pool;
    pool->no_wait.data = pool->turn.data = pool;
    uv_check_start(&pool->turn, pool_turn_on_check);
    uv_unref((uv_handle_t *)&pool->turn);
    pool->handles_open += 6;
}

int pool_create(struct pool **out_pool, const struct pool_setup *setup)
{
    const struct config *config = setup->config;
    struct pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return -ENOMEM;
    *pool = (struct pool){
        .setup = *setup,
        .loop = setup->loop,
        .config = config,
        .stats = setup->stats,
        .most_connections = most_connections(setup),
        .leaves_resets = curl_version_info(CURLVERSION_NOW)->version_num < 0x080f00,
        .sockets = {.loop = setup->loop, .events = &sockets_events, .ctx = pool},
    };
    int result = pool_turn_open(pool);
    if (result == 0)
        result = pool_trust_init(&pool->trust);
    if (result == 0 && !pool_shard_add(pool))
        result = -EIO;
    if (result < 0) {
        pool_trust_finish(&pool->trust);
        pool_turn_close(pool);
        free(pool);
        return result;
    }
    open_handles(pool);
    while (pool->shard_count < config->threads && pool_shard_add(pool))
        ; /* without memory there are fewer */
    *out_pool = pool;
    return 0;
}

void pool_update_limits(struct pool *pool)
{
    for (size_t i = 0; i < pool->shard_count; i++)
        pool_shard_update_limits(pool->shards[i]);
}

void pool_close(struct pool *pool, void (*on_closed)(void *ctx), void *ctx)
{
    pool->on_closed = on_closed;
    pool->on_closed_ctx = ctx;
    pool_upkeep_finish(pool);
    for (size_t i = 0; i < pool->shard_count; i++)
        pool_shard_close(pool->shards[i]);
    pool_trust_finish(&pool->trust);
    pool_turn_close(pool);
    uv_close((uv_handle_t *)&pool->nudge, on_handle_closed);
    uv_close((uv_handle_t *)&pool->sweep, on_handle_closed);
    uv_close((uv_handle_t *)&pool->tidy, on_handle_closed);
    uv_close((uv_handle_t *)&pool->lane_turn, on_handle_closed);
    uv_close((uv_handle_t *)&pool->no_wait, on_handle_closed);
    uv_close((uv_handle_t *)&pool->turn, on_handle_closed);
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
