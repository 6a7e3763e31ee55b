/* Stalled streams: which of them must go, in which order, over a real loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "stall.h"

#define USER_BYTES  1000
#define TOTAL_BYTES 2000
#define MOST        8
#define NS_PER_MS   1000000

/* A stream as stall sees it. */
struct stream {
    struct stall_entry entry; /* first */
    size_t holds;
    int looks;
    int evictions;
    const char *limit;
    uint64_t limit_bytes;
    struct stream *takes_along; /* another that leaves while this one is evicted */
};

/* A client, with the user of the same number. */
struct client {
    struct stall_group group; /* first */
    int holds, releases;
};

static uv_loop_t loop;
static struct stall_list list;
static struct stream streams[MOST];
static struct client clients[MOST];
static struct stream *evicted[MOST];
static size_t evicted_count;

static size_t measure(struct stall_entry *entry)
{
    struct stream *stream = (struct stream *)entry;
    stream->looks++;
    return stream->holds;
}

static void evict(struct stall_entry *entry, const char *limit, uint64_t limit_bytes)
{
    struct stream *stream = (struct stream *)entry;
    stream->evictions++;
    stream->limit = limit;
    stream->limit_bytes = limit_bytes;
    assert_true(evicted_count < MOST);
    evicted[evicted_count++] = stream;
    stall_leave(&list, entry);
    memset(entry, 0xa5, sizeof *entry); /* its memory may be gone */
    if (stream->takes_along) {
        stall_leave(&list, &stream->takes_along->entry);
        memset(&stream->takes_along->entry, 0xa5, sizeof stream->takes_along->entry);
    }
}

static void on_hold(struct stall_group *group)
{
    ((struct client *)group)->holds++;
}

static void on_release(struct stall_group *group)
{
    ((struct client *)group)->releases++;
}

static int set_up(void **state)
{
    (void)state;
    memset(streams, 0, sizeof streams);
    memset(clients, 0, sizeof clients);
    evicted_count = 0;
    for (size_t i = 0; i < MOST; i++)
        clients[i].group =
            (struct stall_group){.uid = (uid_t)i, .on_hold = on_hold, .on_release = on_release};
    assert_int_equal(uv_loop_init(&loop), 0);
    stall_list_open(&list, &loop, USER_BYTES, TOTAL_BYTES);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    while (list.oldest)
        stall_leave(&list, list.oldest);
    for (size_t i = 0; i < MOST; i++)
        stall_group_finish(&list, &clients[i].group);
    assert_null(list.holding);
    stall_list_close(&list);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop);
}

static struct stream *stalled(size_t number, size_t client, size_t holds)
{
    struct stream *stream = &streams[number];
    stream->entry =
        (struct stall_entry){.group = &clients[client].group, .measure = measure, .evict = evict};
    stream->holds = holds;
    stall_enter(&list, &stream->entry);
    return stream;
}

/* Until the list has looked once: whoever has to go has gone then. */
static void sweep(void)
{
    assert_true(uv_is_active((uv_handle_t *)&list.sweep));
    uv_run(&loop, UV_RUN_ONCE);
}

static void assert_evicted(size_t place, const struct stream *stream, const char *limit,
                           uint64_t limit_bytes)
{
    assert_true(place < evicted_count);
    assert_ptr_equal(evicted[place], stream);
    assert_int_equal(stream->evictions, 1);
    assert_string_equal(stream->limit, limit);
    assert_int_equal(stream->limit_bytes, limit_bytes);
}

static void up_to_the_limits_nobody_goes(void **state)
{
    (void)state;
    stalled(0, 1, 400);
    stalled(1, 1, 600);
    stalled(2, 2, 1000);
    sweep();
    assert_int_equal(evicted_count, 0);
    assert_int_equal(list.count, 3);
    assert_int_equal(list.bytes, 2000);
    assert_int_equal(streams[1].entry.bytes, 600);
}

static void the_oldest_go_first_and_only_as_many_as_must(void **state)
{
    (void)state;
    struct stream *first = stalled(0, 1, 300), *second = stalled(1, 1, 300);
    stalled(2, 1, 300);
    stalled(3, 1, 700);
    sweep();
    assert_int_equal(evicted_count, 2);
    assert_evicted(0, first, "paused_memory", USER_BYTES);
    assert_evicted(1, second, "paused_memory", USER_BYTES);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.bytes, 1000);
}

static void a_users_excess_costs_nobody_else(void **state)
{
    (void)state;
    stalled(0, 1, 900);
    struct stream *greedy = stalled(1, 2, 600);
    stalled(2, 2, 401);
    sweep();
    assert_int_equal(evicted_count, 1);
    assert_evicted(0, greedy, "paused_memory", USER_BYTES);
}

static void beyond_the_limit_of_all_the_oldest_of_the_largest_user_goes(void **state)
{
    (void)state;
    stalled(0, 1, 500);
    struct stream *first = stalled(1, 2, 800);
    stalled(2, 2, 150);
    stalled(3, 3, 900);
    sweep();
    assert_int_equal(evicted_count, 1);
    assert_evicted(0, first, "paused_memory_total", TOTAL_BYTES);
}

static void a_limit_of_a_users_own_holds_instead(void **state)
{
    (void)state;
    clients[1].group.most_user_bytes = 300;
    clients[2].group.most_user_bytes = USER_BYTES + 200;
    struct stream *his = stalled(0, 1, 301);
    stalled(1, 2, USER_BYTES + 200);
    sweep();
    assert_int_equal(evicted_count, 1);
    assert_evicted(0, his, "paused_memory", 300);
}

static void one_alone_that_holds_too_much_goes(void **state)
{
    (void)state;
    struct stream *only = stalled(0, 1, USER_BYTES + 1);
    sweep();
    assert_evicted(0, only, "paused_memory", USER_BYTES);
    assert_int_equal(list.count, 0);
    assert_int_equal(list.bytes, 0);
}

static void those_that_hold_nothing_are_left_alone(void **state)
{
    (void)state;
    stalled(0, 1, 0);
    struct stream *full = stalled(1, 1, 800);
    stalled(2, 1, 0);
    stalled(3, 1, 700);
    sweep();
    assert_int_equal(evicted_count, 1);
    assert_evicted(0, full, "paused_memory", USER_BYTES);
    assert_int_equal(list.count, 3);
}

static void one_that_enters_anew_is_the_youngest(void **state)
{
    (void)state;
    struct stream *moved = stalled(0, 1, 600), *other = stalled(1, 1, 300);
    stall_leave(&list, &moved->entry);
    stall_enter(&list, &moved->entry);
    stalled(2, 1, 200);
    sweep();
    assert_int_equal(evicted_count, 1);
    assert_evicted(0, other, "paused_memory", USER_BYTES);
}

static void an_eviction_may_take_another_along(void **state)
{
    (void)state;
    struct stream *first = stalled(0, 1, 600), *second = stalled(1, 1, 300);
    stalled(2, 1, 400);
    first->takes_along = second;
    sweep();
    assert_int_equal(evicted_count, 1);
    assert_evicted(0, first, "paused_memory", USER_BYTES);
    assert_int_equal(list.count, 1);
    sweep();
    assert_int_equal(evicted_count, 1);
    assert_int_equal(list.bytes, 400);
}

static void the_last_one_may_be_taken_along(void **state)
{
    (void)state;
    struct stream *first = stalled(0, 1, 900), *last = stalled(1, 1, 900);
    first->takes_along = last;
    sweep();
    assert_int_equal(evicted_count, 1);
    assert_int_equal(list.count, 0);
    assert_null(list.oldest);
}

static void what_a_stream_holds_is_asked_for_again_at_each_look(void **state)
{
    (void)state;
    struct stream *grows = stalled(0, 1, 10);
    stalled(1, 2, 10);
    for (int look = 1; look <= 3; look++) {
        sweep();
        assert_int_equal(list.bytes, grows->holds + 10);
        grows->holds += 100;
    }
    grows->holds = USER_BYTES + 1;
    sweep();
    assert_evicted(0, grows, "paused_memory", USER_BYTES);
}

static void with_nobody_left_it_stops_looking_and_begins_anew_with_the_next(void **state)
{
    (void)state;
    struct stream *stream = stalled(0, 1, 10);
    sweep();
    stall_leave(&list, &stream->entry);
    sweep();
    assert_false(uv_is_active((uv_handle_t *)&list.sweep));
    assert_int_equal(list.bytes, 0);
    assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
    stalled(0, 1, 20);
    sweep();
    assert_int_equal(list.bytes, 20);
}

static void it_looks_as_often_as_it_says(void **state)
{
    (void)state;
    stalled(0, 1, 10);
    uint64_t began_ns = uv_hrtime();
    for (int i = 0; i < 5; i++)
        sweep();
    assert_true(uv_hrtime() - began_ns >= (uint64_t)4 * STALL_SWEEP_MS * NS_PER_MS);
}

/* ---- Neighbours ----------------------------------------------------------------------------- */

static void without_limits(void)
{
    list.max_user_bytes = list.max_total_bytes = UINT64_MAX;
}

static void run_for(uint64_t ms)
{
    uint64_t began_ns = uv_hrtime();
    while (uv_hrtime() - began_ns < ms * NS_PER_MS)
        sweep();
}

static void a_clients_others_are_held_while_much_waits_of_one_that_moved(void **state)
{
    (void)state;
    without_limits();
    struct stream *full = stalled(0, 1, STALL_HIGH_BYTES + 1);
    stalled(1, 2, STALL_HIGH_BYTES);
    sweep();
    int holds = clients[1].holds;
    assert_true(holds > 0);
    sweep();
    assert_true(clients[1].holds > holds);
    full->holds = STALL_LOW_BYTES;
    sweep();
    assert_int_equal(clients[1].releases, 0);
    full->holds = STALL_LOW_BYTES - 1;
    sweep();
    assert_int_equal(clients[1].releases, 1);
    assert_int_equal(clients[2].holds + clients[2].releases, 0);
    assert_null(list.holding);
}

static void what_waits_of_all_that_moved_counts_together(void **state)
{
    (void)state;
    without_limits();
    for (size_t i = 0; i < 4; i++)
        stalled(i, 1, STALL_HIGH_BYTES / 4 + 1);
    sweep();
    assert_true(clients[1].holds > 0);
}

static void others_are_held_for_no_longer_than_the_limit_and_then_left_alone(void **state)
{
    (void)state;
    without_limits();
    struct stream *full = stalled(0, 1, 2 * STALL_HIGH_BYTES);
    uint64_t began_ns = uv_hrtime();
    while (clients[1].releases == 0) {
        stall_leave(&list, &full->entry); /* it moves, but not enough */
        stall_enter(&list, &full->entry);
        sweep();
        assert_true(uv_hrtime() - began_ns < (uint64_t)20 * STALL_MOST_HOLD_MS * NS_PER_MS);
    }
    int holds = clients[1].holds;
    stall_leave(&list, &full->entry);
    stall_enter(&list, &full->entry);
    sweep();
    assert_int_equal(clients[1].holds, holds);
    assert_int_equal(clients[1].group.rest_ms, STALL_LEAST_REST_MS);
}

static void one_that_does_not_move_holds_nobody(void **state)
{
    (void)state;
    struct stream *stopped = stalled(0, 1, 0);
    without_limits();
    run_for((uint64_t)STALL_FRESH_MS + (uint64_t)2 * STALL_SWEEP_MS);
    stopped->holds = 2 * STALL_HIGH_BYTES;
    run_for((uint64_t)5 * STALL_SWEEP_MS);
    assert_int_equal(clients[1].holds, 0);
}

static void a_client_may_go_while_it_holds(void **state)
{
    (void)state;
    without_limits();
    struct stream *full = stalled(0, 1, 2 * STALL_HIGH_BYTES);
    sweep();
    assert_ptr_equal(list.holding, &clients[1].group);
    stall_leave(&list, &full->entry);
    stall_group_finish(&list, &clients[1].group);
    memset(&clients[1].group, 0xa5, sizeof clients[1].group);
    sweep();
    assert_null(list.holding);
    clients[1].group.is_holding = false;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(up_to_the_limits_nobody_goes),
        TEST(the_oldest_go_first_and_only_as_many_as_must),
        TEST(a_users_excess_costs_nobody_else),
        TEST(a_limit_of_a_users_own_holds_instead),
        TEST(beyond_the_limit_of_all_the_oldest_of_the_largest_user_goes),
        TEST(one_alone_that_holds_too_much_goes),
        TEST(those_that_hold_nothing_are_left_alone),
        TEST(one_that_enters_anew_is_the_youngest),
        TEST(an_eviction_may_take_another_along),
        TEST(the_last_one_may_be_taken_along),
        TEST(what_a_stream_holds_is_asked_for_again_at_each_look),
        TEST(with_nobody_left_it_stops_looking_and_begins_anew_with_the_next),
        TEST(it_looks_as_often_as_it_says),
        TEST(a_clients_others_are_held_while_much_waits_of_one_that_moved),
        TEST(what_waits_of_all_that_moved_counts_together),
        TEST(others_are_held_for_no_longer_than_the_limit_and_then_left_alone),
        TEST(one_that_does_not_move_holds_nobody),
        TEST(a_client_may_go_while_it_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
