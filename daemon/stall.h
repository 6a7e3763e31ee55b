/*
 * stall: the streams whose clients do not take them, those that have waited longest first; how many
 * bytes they hold, for each user and in all; which of them must go when that is too much; and whose
 * neighbours had better wait so that it does not come to that.
 *
 * What a stream holds changes without a word while the origin uses up what it was granted, so it is
 * asked for every STALL_SWEEP_MS for as long as there is one, and that of the streams that moved a
 * moment ago in each turn of the loop.
 *
 * Neighbours: over HTTP/2 an origin may send megabytes of one stream before the next byte of
 * another, and libcurl reads them for whoever waits for that byte. A client that reads, if not as
 * fast as the origin sends, would have each of its streams filled up to the window in turn. So its
 * other streams are held for a while, no longer than STALL_MOST_HOLD_MS, where what it has just not
 * taken is more than STALL_HIGH_BYTES; and ever less often where that does not help, because it
 * reads slowly. A stream that does not move at all holds nobody.
 *
 * Knows no fetch and no client: whoever stalls brings functions. All calls from the loop's thread;
 * enter and leave also from inside libcurl.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <uv.h>

/* On loopback an origin can send some megabytes in this time. */
#define STALL_SWEEP_MS 10

/* A stream that has moved within this time has a client that reads. */
#define STALL_FRESH_MS 100

/* Waiting bytes of one client's fresh streams at which the others are held, and released. */
#define STALL_HIGH_BYTES ((size_t)2 << 20)
#define STALL_LOW_BYTES  ((size_t)512 << 10)

/* How long others are held at most; and for how long not again, which doubles each time that it
 * was in vain. */
#define STALL_MOST_HOLD_MS  250
#define STALL_LEAST_REST_MS 250
#define STALL_MOST_REST_MS  16000

/* The streams of one client. Embedded; all zeros but for its first four. */
struct stall_group {
    uid_t uid;
    size_t most_user_bytes; /* of this user, instead of the list's; 0: the list's */
    /* Its streams of which nothing waits are to be held; called in each turn while that is so. */
    void (*on_hold)(struct stall_group *group);
    void (*on_release)(struct stall_group *group);

    uint64_t turn; /* of the latest sum */
    struct stall_group *next_fresh;
    size_t fresh_bytes; /* that wait, of streams that moved a moment ago */
    bool is_holding;
    uint64_t changed_ns;             /* when that began or ended */
    uint64_t rest_ms;                /* how long it may not begin again */
    struct stall_group *prev, *next; /* in the list of those that hold */
};

struct stall_entry {
    struct stall_group *group;
    /* What it holds now, in bytes. */
    size_t (*measure)(struct stall_entry *entry);
    /* It has to go, from the loop; `limit` is the one that was exceeded, with its bytes. It has
     * left when this returns. */
    void (*evict)(struct stall_entry *entry, const char *limit, uint64_t limit_bytes);

    size_t bytes; /* at the latest look */
    uint64_t entered_ns;
    struct stall_entry *prev, *next;
};

/* Embedded; stall_list_open() before the first entry, stall_list_close() after the last. */
struct stall_list {
    uv_timer_t sweep;
    uv_prepare_t before; /* the loop waits */
    uv_check_t after;    /* it has waited */
    uint64_t max_user_bytes;
    uint64_t max_total_bytes;
    struct stall_entry *oldest;
    size_t count;
    size_t bytes; /* of all, at the latest look */
    struct stall_group *holding;
    struct stall_group *fresh; /* those that have fresh streams in this turn, by next_fresh */
    uint64_t turn;
    struct stall_sum *sums; /* what each user's streams hold; during a sweep */
};

void stall_list_open(struct stall_list *list, uv_loop_t *loop, uint64_t max_user_bytes,
                     uint64_t max_total_bytes);
/* Its memory must stay until the loop has run once more. */
void stall_list_close(struct stall_list *list);

/* Stalls from now on: the entry is the youngest of all. */
void stall_enter(struct stall_list *list, struct stall_entry *entry);
void stall_leave(struct stall_list *list, struct stall_entry *entry);

/* The group goes; none of its entries is in the list any more. */
void stall_group_finish(struct stall_list *list, struct stall_group *group);
