/* stall: see stall.h. */
#include "stall.h"

#include <stdbool.h>
#include <stdlib.h>

#include <uthash.h>
#include <utlist.h>

/* What the streams of one user hold; made for one sweep. */
struct user_sum {
    uid_t uid;
    uint64_t bytes;
    UT_hash_handle hh;
};

static void count_for_user(struct user_sum **sums, const struct stall_entry *entry)
{
    struct user_sum *sum;
    HASH_FIND(hh, *sums, &entry->uid, sizeof entry->uid, sum);
    if (!sum) {
        sum = calloc(1, sizeof *sum);
        if (!sum)
            return; /* without memory the bound of all users still holds */
        sum->uid = entry->uid;
        HASH_ADD(hh, *sums, uid, sizeof sum->uid, sum);
        if (!sum->hh.tbl) {
            free(sum);
            return;
        }
    }
    sum->bytes += entry->bytes;
}

static void free_sums(struct user_sum **sums)
{
    struct user_sum *sum, *next;
    HASH_ITER (hh, *sums, sum, next) {
        HASH_DEL(*sums, sum);
        free(sum);
    }
}

static void measure_all(struct stall_list *list, struct user_sum **sums)
{
    struct stall_entry *entry;
    list->bytes = 0;
    DL_FOREACH (list->oldest, entry) {
        entry->bytes = entry->measure(entry);
        list->bytes += entry->bytes;
        count_for_user(sums, entry);
    }
}

/* Those that hold nothing are no use to evict: they wait for a window without costing memory. */
static bool must_go(const struct stall_list *list, const struct stall_entry *entry,
                    const struct user_sum *sum)
{
    bool is_over = (sum && sum->bytes > list->max_user_bytes) ||
                   list->bytes > list->max_total_bytes;
    return entry->bytes > 0 && is_over;
}

/* Evicts the oldest that must go. Any entry may leave meanwhile, so there is no second one. */
static bool evict_one(struct stall_list *list, struct user_sum *sums)
{
    struct stall_entry *entry;
    DL_FOREACH (list->oldest, entry) {
        struct user_sum *sum;
        HASH_FIND(hh, sums, &entry->uid, sizeof entry->uid, sum);
        if (!must_go(list, entry, sum))
            continue;
        bool is_users = sum && sum->bytes > list->max_user_bytes;
        list->bytes -= entry->bytes;
        if (sum)
            sum->bytes -= entry->bytes;
        entry->evict(entry, is_users ? "paused_memory" : "paused_memory_total",
                     is_users ? list->max_user_bytes : list->max_total_bytes);
        return true;
    }
    return false;
}

static void on_sweep(uv_timer_t *timer)
{
    struct stall_list *list = timer->data;
    struct user_sum *sums = NULL;
    measure_all(list, &sums);
    while (evict_one(list, sums))
        ;
    free_sums(&sums);
    if (!list->oldest)
        uv_timer_stop(timer);
}

void stall_list_open(struct stall_list *list, uv_loop_t *loop, uint64_t max_user_bytes,
                     uint64_t max_total_bytes)
{
    *list = (struct stall_list){.max_user_bytes = max_user_bytes,
                                .max_total_bytes = max_total_bytes};
    uv_timer_init(loop, &list->sweep);
    list->sweep.data = list;
}

void stall_list_close(struct stall_list *list)
{
    uv_close((uv_handle_t *)&list->sweep, NULL);
}

void stall_enter(struct stall_list *list, struct stall_entry *entry)
{
    entry->bytes = 0;
    DL_APPEND(list->oldest, entry);
    list->count++;
    if (!uv_is_active((uv_handle_t *)&list->sweep))
        uv_timer_start(&list->sweep, on_sweep, STALL_SWEEP_MS, STALL_SWEEP_MS);
}

void stall_leave(struct stall_list *list, struct stall_entry *entry)
{
    DL_DELETE(list->oldest, entry); // NOLINT(clang-analyzer-core.NullDereference): it is in it
    list->count--;
}
