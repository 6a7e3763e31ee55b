/*
 * stall: the streams whose clients do not take them, those that have waited longest first; how many
 * bytes they hold, for each user and in all; and which of them must go when that is too much.
 *
 * What a stream holds changes without a word while the origin uses up what it was granted, so it is
 * asked for every STALL_SWEEP_MS for as long as there is one. Knows no fetch: whoever stalls brings
 * two functions. All calls from the loop's thread; enter and leave also from inside libcurl.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <uv.h>

/* On loopback an origin can send some megabytes in this time. */
#define STALL_SWEEP_MS 10

struct stall_entry {
    uid_t uid;
    /* What it holds now, in bytes. */
    size_t (*measure)(struct stall_entry *entry);
    /* It has to go, from the loop; `limit` is the one that was exceeded, with its bytes. It has
     * left when this returns. */
    void (*evict)(struct stall_entry *entry, const char *limit, uint64_t limit_bytes);

    size_t bytes; /* at the latest look */
    struct stall_entry *prev, *next;
};

/* Embedded; stall_list_open() before the first entry, stall_list_close() after the last. */
struct stall_list {
    uv_timer_t sweep;
    uint64_t max_user_bytes;
    uint64_t max_total_bytes;
    struct stall_entry *oldest;
    size_t count;
    size_t bytes; /* of all, at the latest look */
};

void stall_list_open(struct stall_list *list, uv_loop_t *loop, uint64_t max_user_bytes,
                     uint64_t max_total_bytes);
/* Its memory must stay until the loop has run once more. */
void stall_list_close(struct stall_list *list);

/* Stalls from now on: the entry is the youngest of all. */
void stall_enter(struct stall_list *list, struct stall_entry *entry);
void stall_leave(struct stall_list *list, struct stall_entry *entry);
