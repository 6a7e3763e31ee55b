/* What the files of pool share: the pool itself. */
#pragma once

#include <pthread.h>

#include "pool.h"
#include "pool_connection.h"
#include "pool_socket.h"

struct pool_sessions;

/* What libcurl remembers of whom to trust; see pool_trust.c. */
struct pool_trust {
    struct pool_sessions *sessions; /* owned; NULL: none are kept */
    struct pool_sessions *retired;
    unsigned number;   /* how often it was to be forgotten */
    uint64_t since_ns; /* when it last was */
};

/* At least one for each thread. */
#define POOL_MOST_SHARDS CONFIG_MOST_THREADS

/* See pool_shard.c. */
struct pool_shard {
    struct pool *pool;
    CURLM *multi;
    size_t origins;     /* that have connections here */
    size_t connections; /* records of them */
    size_t jobs;        /* that were added, and are in the multi handle */
    uv_timer_t timer;
    long timeout_ms; /* what libcurl last said of it */
    bool has_new_timeout;
    bool is_due;               /* libcurl wants to be called without delay */
    unsigned idle_turns;       /* how often it was since anything happened */
    struct pool_socket *ready; /* to be looked at in this turn */
    size_t ready_cost;         /* of that, about, in looks at a socket */
    size_t due_cost;           /* of what is due */
};

struct pool {
    struct pool_setup setup;
    uv_loop_t *loop;
    const struct config *config;
    struct stats *stats;
    struct pool_shard *shards[POOL_MOST_SHARDS];
    size_t shard_count;
    struct pool_shard *busy[POOL_MOST_SHARDS]; /* those that are driven now */
    size_t busy_count;
    struct crew *crew;    /* who helps with that; NULL: nobody */
    bool is_parallel;     /* several threads may be in libcurl now */
    pthread_mutex_t gate; /* then it is held by the one that is in a callback */
    struct pool_trust trust;
    uv_check_t turn;
    uv_idle_t no_wait; /* some shard is due */
    uv_timer_t nudge;
    uv_timer_t sweep;
    uv_idle_t tidy;
    uv_idle_t lane_turn;
    unsigned handles_open; /* of these, and the shards' */
    bool leaves_resets;    /* libcurl does not send an RST_STREAM at once */
    uint32_t next_tag;
    uint64_t next_number;
    unsigned placed_in_turn; /* requests */
    unsigned begun_in_turn;  /* connections */
    size_t sockets_open;     /* that libcurl asked for */
    size_t most_connections; /* of [pool] max_connections, what the descriptors allow */

    struct pool_connection *all;        /* oldest first */
    size_t count;                       /* of them, those that are open or being opened */
    size_t opening;                     /* of them, those that are being opened */
    struct pool_connection *idle;       /* longest idle first */
    struct pool_connection *looking_up; /* whose names are being looked up */
    size_t look_ups;
    size_t unclean;                 /* that libcurl is to look at */
    struct pool_connection *nudged; /* on which a reset may lie unsent */
    struct pool_tidier *tidiers;
    struct pool_socket *lane; /* who waits in the slow lane, in order */
    uint32_t lane_user;       /* whose look was the last */

    struct pool_sockets sockets;
    void (*on_closed)(void *ctx);
    void *on_closed_ctx;
};

/* How long a connection of the origin may be idle. */
uint64_t pool_idle_limit_ms(const struct pool *pool, const struct origin *origin, uint64_t now_ns);

/* A place may have become free at the origin, or at any. */
void pool_tell(const struct pool *pool, struct origin *origin);

/* Lets libcurl look at a socket as if it were ready for this. It may be gone after it. */
void pool_drive_socket(struct pool_socket *sock, int curl_flags);

/* One of its handles is. */
void pool_on_handle_closed(struct pool *pool);

/* ---- pool_shard.c --------------------------------------------------------------------------- */

/* Makes another. False without memory, or if libcurl refuses. */
bool pool_shard_add(struct pool *pool);
/* A connection of the origin is a new one: to the origin's shard, which is chosen for its first. */
void pool_shard_join(struct pool *pool, struct origin *origin);
/* It is gone. */
void pool_shard_leave(struct origin *origin);
/* Closes those beyond the first in which nothing is. */
void pool_shard_trim(struct pool *pool);
void pool_shard_update_limits(struct pool_shard *shard);
/* Sets the timer to what libcurl said while several threads were at work. */
void pool_shard_set_timer(struct pool_shard *shard);
/* Closes its connections. */
void pool_shard_close(struct pool_shard *shard);

/* Lets libcurl look at a socket, or do what is due. What is done by then waits for
 * pool_shard_finish_jobs(), which tells the jobs. */
void pool_shard_drive(struct pool_shard *shard, curl_socket_t fd, int curl_flags);
void pool_shard_drive_due(struct pool_shard *shard);
void pool_shard_finish_jobs(struct pool_shard *shard);

/* ---- pool_turn.c ---------------------------------------------------------------------------- */

/* 0, or a negative errno where there are no threads to be had. */
int pool_turn_open(struct pool *pool);
void pool_turn_close(struct pool *pool);
/* The loop knows what is ready. */
void pool_turn_on_check(uv_check_t *check);
/* Some shard is due. */
void pool_turn_wake(struct pool *pool);
/* The socket is ready for this: it is looked at before the turn is over. */
void pool_turn_enter(struct pool_socket *sock, int curl_flags);
/* It is not, or not any more. */
void pool_turn_leave(struct pool_socket *sock);

/* ---- pool_lane.c ---------------------------------------------------------------------------- */

/* Has it looked at later, in its turn. Curl's flags are never 0. */
void pool_lane_enter(struct pool *pool, struct pool_socket *sock, int curl_flags);
/* It is closed; or it was not in it. */
void pool_lane_leave(struct pool *pool, struct pool_socket *sock);

/* ---- pool_nudge.c --------------------------------------------------------------------------- */

void pool_nudge_leave(struct pool *pool, struct pool_connection *connection);

/* ---- pool_sweep.c --------------------------------------------------------------------------- */

/* Starts the sweep if there is anything for it. */
void pool_sweep_wake(struct pool *pool);

/* ---- pool_trust.c --------------------------------------------------------------------------- */

int pool_trust_init(struct pool_trust *trust);
/* No transfer may be left. */
void pool_trust_finish(struct pool_trust *trust);
/* For a transfer on its job's connection, which may be NULL. */
CURLcode pool_trust_prepare(const struct pool_job *job);

/* ---- pool_upkeep.c -------------------------------------------------------------------------- */

/* Has libcurl look at those that are unclean; pool_upkeep_wake(): with the next turn of the loop.
 */
void pool_upkeep_tidy(struct pool *pool);
void pool_upkeep_wake(struct pool *pool);
/* The connection is gone. */
void pool_upkeep_forget(struct pool_connection *connection);
void pool_upkeep_finish(struct pool *pool);

/* Sends a ping over every HTTP/2 connection. */
void pool_upkeep_ping(struct pool *pool);
