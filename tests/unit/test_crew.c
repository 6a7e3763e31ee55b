/*
 * The crew: every index has its turn once, whoever takes it; what helpers did is seen; one that
 * wakes up late, or is at work, is neither missed nor left behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>

#include <cmocka.h>

#include "crew.h"

#define MOST 64

struct job {
    unsigned turns[MOST]; /* not atomic: each is one thread's, and then the caller's */
    pthread_t workers[MOST];
    pthread_barrier_t
        *meeting; /* where all who are at work wait for each other; NULL: nobody does */
};

static void work(void *ctx, size_t index)
{
    struct job *job = ctx;
    job->turns[index]++;
    job->workers[index] = pthread_self();
    if (job->meeting)
        pthread_barrier_wait(job->meeting);
}

static void assert_each_once(const struct job *job, size_t count)
{
    for (size_t i = 0; i < MOST; i++)
        assert_int_equal(job->turns[i], i < count);
}

static void test_each_index_has_its_turn_once(void **state)
{
    static const size_t counts[] = {0, 1, 2, 3, 7, MOST};
    struct crew *crew;
    (void)state;
    assert_int_equal(crew_create(&crew, 3, "crew"), 0);
    for (int round = 0; round < 2000; round++) {
        struct job job = {0};
        size_t count = counts[round % (sizeof counts / sizeof counts[0])];
        crew_run(crew, work, &job, count);
        assert_each_once(&job, count);
    }
    crew_destroy(crew);
}

/* Who waits for the others at their meeting cannot take a second index: so many were at work. */
static void test_helpers_and_caller_work_at_the_same_time(void **state)
{
    struct crew *crew;
    pthread_barrier_t meeting;
    (void)state;
    assert_int_equal(crew_create(&crew, 3, "crew"), 0);
    pthread_barrier_init(&meeting, NULL, 4);
    for (int round = 0; round < 50; round++) {
        struct job job = {.meeting = &meeting};
        crew_run(crew, work, &job, 4);
        assert_each_once(&job, 4);
        for (size_t i = 0; i < 4; i++) {
            for (size_t k = 0; k < i; k++)
                assert_false(pthread_equal(job.workers[i], job.workers[k]));
        }
    }
    pthread_barrier_destroy(&meeting);
    crew_destroy(crew);
}

static void test_a_single_index_is_the_callers(void **state)
{
    struct crew *crew;
    struct job job = {0};
    (void)state;
    assert_int_equal(crew_create(&crew, 2, "crew"), 0);
    crew_run(crew, work, &job, 1);
    assert_true(pthread_equal(job.workers[0], pthread_self()));
    crew_destroy(crew);
}

struct look {
    char names[2][16];
    bool blocks_term[2];
    pthread_barrier_t *meeting;
};

static void look_around(void *ctx, size_t index)
{
    struct look *look = ctx;
    sigset_t mask;
    prctl(PR_GET_NAME, look->names[index]);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    look->blocks_term[index] = sigismember(&mask, SIGTERM);
    pthread_barrier_wait(look->meeting);
}

static void test_a_helper_has_its_name_and_handles_no_signal(void **state)
{
    struct crew *crew;
    pthread_barrier_t meeting;
    struct look look = {.meeting = &meeting};
    (void)state;
    assert_int_equal(crew_create(&crew, 1, "some-helper"), 0);
    pthread_barrier_init(&meeting, NULL, 2);
    crew_run(crew, look_around, &look, 2);
    pthread_barrier_destroy(&meeting);
    crew_destroy(crew);
    size_t helper = strcmp(look.names[0], "some-helper") == 0 ? 0 : 1;
    assert_string_equal(look.names[helper], "some-helper");
    assert_true(look.blocks_term[helper]);
    assert_false(look.blocks_term[1 - helper]);
}

static void test_it_ends_without_having_worked(void **state)
{
    struct crew *crew;
    (void)state;
    for (int round = 0; round < 50; round++) {
        assert_int_equal(crew_create(&crew, 4, "crew"), 0);
        crew_destroy(crew);
    }
    crew_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_index_has_its_turn_once),
        cmocka_unit_test(test_helpers_and_caller_work_at_the_same_time),
        cmocka_unit_test(test_a_single_index_is_the_callers),
        cmocka_unit_test(test_a_helper_has_its_name_and_handles_no_signal),
        cmocka_unit_test(test_it_ends_without_having_worked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
