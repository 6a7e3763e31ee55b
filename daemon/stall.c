/* stall: see stall.h. */
#include "stall.h"

#include <stdbool.h>
#include <stdlib.h>

#include <uthash.h>
#include <utlist.h>

#define NS_PER_MS 1000000

/* ---- Too much ------------------------------------------------------------------------------- */

/* What the streams of one user hold; made for one sweep. */
struct stall_sum {
    uid_t uid;
    uint64_t bytes;
    uint64_t most; /* 0: as everybody */
    UT_hash_handle hh;
};

static struct stall_sum *find_sum(struct stall_sum *sums, uid_t uid)
{
    struct stall_sum *sum;
    HASH_FIND(hh, sums, &uid, sizeof uid, sum);
    return sum;
}

static struct stall_sum *add_sum(struct stall_sum **sums, uid_t uid)
{
    struct stall_sum *sum = calloc(1, sizeof *sum);
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
static void count_for_user(struct stall_sum **sums, const struct stall_entry *entry)
{
    struct stall_sum *sum = find_sum(*sums, entry->group->uid);
    if (!sum)
        sum = add_sum(sums, entry->group->uid);
    if (!sum)
        return;
    sum->bytes += entry->bytes;
    sum->most = entry->group->most_user_bytes;
}

static void free_sums(struct stall_sum **sums)
{
    struct stall_sum *sum, *next;
    HASH_ITER (hh, *sums, sum, next) {
        HASH_DEL(*sums, sum);
        free(sum);
    }
}

static void measure_all(struct stall_list *list)
{
    struct stall_entry *entry;
    list->bytes = 0;
    DL_FOREACH (list->oldest, entry) {
        entry->bytes = entry->measure(entry);
        list->bytes += entry->bytes;
        count_for_user(&list->sums, entry);
    }
}

static uint64_t most_of(const struct stall_list *list, const struct stall_sum *sum)
{
    return sum->most > 0 ? sum->most : list->max_user_bytes;
}

static struct stall_sum *find_beyond(const struct stall_list *list)
{
    struct stall_sum *sum, *next;
    HASH_ITER (hh, list->sums, sum, next) {
        if (sum->bytes > most_of(list, sum))
            return sum;
    }
    return NULL;
}

static struct stall_sum *find_largest(struct stall_sum *sums)
{
    struct stall_sum *sum, *next, *largest = NULL;
    HASH_ITER (hh, sums, sum, next) {
        if (!largest || sum->bytes > largest->bytes)
            largest = sum;
    }
    return largest;
}

/* Those that hold nothing are no use to evict: they wait for a window without costing memory. */
static struct stall_entry *find_oldest_of(const struct stall_list *list, uid_t uid)
{
    struct stall_entry *entry;
    DL_FOREACH (list->oldest, entry) {
        if (entry->group->uid == uid && entry->bytes > 0)
            return entry;
    }
    return NULL;
}

/* Beyond what all may hold together, too, it is one of the user's who holds most. */
static bool evict_one(struct stall_list *list)
{
    const struct stall_sum *beyond = find_beyond(list);
    const struct stall_sum *sum = beyond ? beyond : find_largest(list->sums);
    if (!sum || (!beyond && list->bytes <= list->max_total_bytes))
        return false;
    struct stall_entry *entry = find_oldest_of(list, sum->uid);
    if (!entry)
        return false;
    entry->evict(entry, beyond ? "paused_memory" : "paused_memory_total",
                 beyond ? most_of(list, beyond) : list->max_total_bytes);
    return true;
}

/* An eviction may take others along; each takes its bytes out of the sums as it leaves. */
static void on_sweep(uv_timer_t *timer)
{
    struct stall_list *list = timer->data;
    measure_all(list);
    while (evict_one(list))
        ;
    free_sums(&list->sums);
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

static size_t fresh_bytes(const struct stall_list *list, const struct stall_group *group)
{
    return group->turn == list->turn ? group->fresh_bytes : 0;
}

static void add_fresh(struct stall_list *list, struct stall_group *group, size_t bytes)
{
    if (group->turn != list->turn) {
        group->turn = list->turn;
        group->fresh_bytes = 0;
        group->next_fresh = list->fresh;
        list->fresh = group;
    }
    group->fresh_bytes += bytes;
}

/* Sums up what waits of the streams that moved a moment ago: the youngest, at the list's end. Those
 * that stand still cost nothing here, however many they are. */
static void sum_up_fresh(struct stall_list *list, uint64_t now_ns)
{
    struct stall_entry *oldest = list->oldest, *entry = oldest ? oldest->prev : NULL;
    list->turn++;
    list->fresh = NULL;
    for (; entry; entry = entry == oldest ? NULL : entry->prev) {
        if (now_ns - entry->entered_ns > (uint64_t)STALL_FRESH_MS * NS_PER_MS)
            break;
        add_fresh(list, entry->group, entry->measure(entry));
    }
}

static void begin_to_hold(struct stall_list *list, uint64_t now_ns)
{
    for (struct stall_group *group = list->fresh; group; group = group->next_fresh) {
        if (!group->is_holding && group->fresh_bytes > STALL_HIGH_BYTES &&
            has_lasted(group, now_ns, group->rest_ms))
            set_holding(list, group, true, now_ns);
    }
}

static void go_on_holding(struct stall_list *list, uint64_t now_ns)
{
    struct stall_group *group, *next;
    DL_FOREACH_SAFE (list->holding, group, next) {
        bool is_drained = fresh_bytes(list, group) < STALL_LOW_BYTES;
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
    struct stall_sum *sum = find_sum(list->sums, entry->group->uid);
    DL_DELETE(list->oldest, entry); // NOLINT(clang-analyzer-core.NullDereference): it is in it
    list->count--;
    if (sum) {
        sum->bytes -= entry->bytes;
        list->bytes -= entry->bytes;
    }
}

void stall_group_finish(struct stall_list *list, struct stall_group *group)
{
    if (group->is_holding)
        set_holding(list, group, false, 0);
}
