/* stall: see stall.h. */
#include "stall.h"

#include <stdbool.h>
#include <stdlib.h>

#include <uthash.h>
#include <utlist.h>

#define NS_PER_MS 1000000

/* ---- Too much ------------------------------------------------------------------------------- */

/* What the streams of one user hold; made for one sweep. */
struct user_sum {
    uid_t uid;
    uint64_t bytes;
    UT_hash_handle hh;
};

static struct user_sum *find_sum(struct user_sum *sums, uid_t uid)
{
    struct user_sum *sum;
    HASH_FIND(hh, sums, &uid, sizeof uid, sum);
    return sum;
}

static struct user_sum *add_sum(struct user_sum **sums, uid_t uid)
{
    struct user_sum *sum = calloc(1, sizeof *sum);
    if (!sum)
        return NULL;
    sum->uid = uid;
    HASH_ADD(hh, *sums, uid, sizeof sum->uid, sum);
    if (sum->hh.tbl)
        return sum;
    free(sum);
    return NULL;
}

/* Without memory for it, the bound of all users still holds. */
static void count_for_user(struct user_sum **sums, const struct stall_entry *entry)
{
    struct user_sum *sum = find_sum(*sums, entry->group->uid);
    if (!sum)
        sum = add_sum(sums, entry->group->uid);
    if (sum)
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
        struct user_sum *sum = find_sum(sums, entry->group->uid);
        if (!must_go(list, entry, sum))
            continue;
        bool is_users = sum && sum->bytes > list->max_user_bytes;
        entry->evict(entry, is_users ? "paused_memory" : "paused_memory_total",
                     is_users ? list->max_user_bytes : list->max_total_bytes);
        return true;
    }
    return false;
}

/* What one eviction takes along is not known, so all is measured anew after it. */
static void on_sweep(uv_timer_t *timer)
{
    struct stall_list *list = timer->data;
    bool is_too_much = true;
    while (is_too_much) {
        struct user_sum *sums = NULL;
        measure_all(list, &sums);
        is_too_much = evict_one(list, sums);
        free_sums(&sums);
    }
    if (!list->oldest && !list->holding)
        uv_timer_stop(timer);
}

/* ---- Neighbours ----------------------------------------------------------------------------- */

static void set_holding(struct stall_list *list, struct stall_group *group, bool is_holding,
                        uint64_t now_ns)
{
    group->is_holding = is_holding;
    group->changed_ns = now_ns;
    if (is_holding)
        DL_APPEND(list->holding, group);
    else
        DL_DELETE(list->holding, group); // NOLINT(clang-analyzer-core.NullDereference): it is in it
}

/* To hold was in vain if it took all its time. */
static void release(struct stall_list *list, struct stall_group *group, uint64_t now_ns,
                    bool was_in_vain)
{
    uint64_t longer = group->rest_ms * 2 < STALL_MOST_REST_MS ? group->rest_ms * 2
                                                              : STALL_MOST_REST_MS;
    group->rest_ms = was_in_vain && group->rest_ms > 0 ? longer
                     : was_in_vain                     ? STALL_LEAST_REST_MS
                                                       : 0;
    set_holding(list, group, false, now_ns);
    group->on_release(group);
}

static bool has_lasted(const struct stall_group *group, uint64_t now_ns, uint64_t ms)
{
    return now_ns - group->changed_ns >= ms * NS_PER_MS;
}

/* Sums up what waits of the streams that moved a moment ago: the youngest, at the list's end. */
static void sum_up_fresh(struct stall_list *list, uint64_t now_ns)
{
    struct stall_group *group;
    struct stall_entry *oldest = list->oldest, *entry = oldest ? oldest->prev : NULL;
    DL_FOREACH (list->holding, group)
        group->fresh_bytes = 0;
    for (struct stall_entry *each = entry; each; each = each == oldest ? NULL : each->prev)
        each->group->fresh_bytes = 0;
    for (; entry; entry = entry == oldest ? NULL : entry->prev) {
        if (now_ns - entry->entered_ns > (uint64_t)STALL_FRESH_MS * NS_PER_MS)
            break;
        entry->group->fresh_bytes += entry->measure(entry);
    }
}

/* One begins to hold in a turn, at most: what it calls may change the list. */
static void begin_to_hold(struct stall_list *list, uint64_t now_ns)
{
    struct stall_entry *entry;
    DL_FOREACH (list->oldest, entry) {
        struct stall_group *group = entry->group;
        if (group->is_holding || group->fresh_bytes <= STALL_HIGH_BYTES ||
            !has_lasted(group, now_ns, group->rest_ms))
            continue;
        set_holding(list, group, true, now_ns);
        return;
    }
}

static void go_on_holding(struct stall_list *list, uint64_t now_ns)
{
    struct stall_group *group, *next;
    DL_FOREACH_SAFE (list->holding, group, next) {
        bool is_drained = group->fresh_bytes < STALL_LOW_BYTES;
        if (is_drained || has_lasted(group, now_ns, STALL_MOST_HOLD_MS)) {
            release(list, group, now_ns, !is_drained);
            return; /* what that called may have changed the list */
        }
        group->on_hold(group);
    }
}

static void look_at_neighbours(struct stall_list *list)
{
    if (!list->oldest && !list->holding)
        return;
    uint64_t now_ns = uv_hrtime();
    sum_up_fresh(list, now_ns);
    begin_to_hold(list, now_ns);
    go_on_holding(list, now_ns);
}

static void on_before(uv_prepare_t *prepare)
{
    look_at_neighbours(prepare->data);
}

static void on_after(uv_check_t *check)
{
    look_at_neighbours(check->data);
}

/* ---- The list ------------------------------------------------------------------------------- */

void stall_list_open(struct stall_list *list, uv_loop_t *loop, uint64_t max_user_bytes,
                     uint64_t max_total_bytes)
{
    *list = (struct stall_list){.max_user_bytes = max_user_bytes,
                                .max_total_bytes = max_total_bytes};
    uv_timer_init(loop, &list->sweep);
    uv_prepare_init(loop, &list->before);
    uv_check_init(loop, &list->after);
    list->sweep.data = list->before.data = list->after.data = list;
    uv_prepare_start(&list->before, on_before);
    uv_check_start(&list->after, on_after);
    uv_unref((uv_handle_t *)&list->before); /* these alone are no reason to run */
    uv_unref((uv_handle_t *)&list->after);
}

void stall_list_close(struct stall_list *list)
{
    uv_close((uv_handle_t *)&list->sweep, NULL);
    uv_close((uv_handle_t *)&list->before, NULL);
    uv_close((uv_handle_t *)&list->after, NULL);
}

void stall_enter(struct stall_list *list, struct stall_entry *entry)
{
    entry->bytes = 0;
    entry->entered_ns = uv_hrtime();
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

void stall_group_finish(struct stall_list *list, struct stall_group *group)
{
    if (group->is_holding)
        set_holding(list, group, false, 0);
}
