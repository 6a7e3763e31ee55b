/*
 * The thread of the log: nobody waits for it, what is put is written in order, a reader that is
 * stuck costs lines and not the end; and the descriptor that it writes to.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "log_output.h"
#include "log_writer.h"

#define RECORD_BYTES 64

/* Where the records go: a text, one a line. */
struct reader {
    struct log_writer *writer;
    sem_t may_go_on; /* one for each record, where it is slow */
    sem_t has_begun;
    bool is_slow;
    atomic_int answer; /* of write */
    char text[1 << 16];
};

static int on_record(void *ctx, const char *record, size_t length)
{
    struct reader *reader = ctx;
    sem_post(&reader->has_begun);
    if (reader->is_slow)
        sem_wait(&reader->may_go_on);
    if (reader->answer < 0)
        return reader->answer;
    size_t at = strlen(reader->text);
    snprintf(reader->text + at, sizeof reader->text - at, "%.*s\n", (int)length, record);
    return 0;
}

static int on_lost(void *ctx, uint64_t count)
{
    struct reader *reader = ctx;
    if (reader->answer < 0)
        return reader->answer;
    size_t at = strlen(reader->text);
    snprintf(reader->text + at, sizeof reader->text - at, "lost %d\n", (int)count);
    return 0;
}

static void start(struct reader *reader, size_t ring_bytes)
{
    struct log_writer_setup setup = {
        .name = "test",
        .ring_bytes = ring_bytes,
        .most_record_bytes = RECORD_BYTES,
        .write = on_record,
        .say_lost = on_lost,
        .ctx = reader,
    };
    assert_int_equal(log_writer_create(&reader->writer, &setup), 0);
}

static int set_up(void **state)
{
    struct reader *reader = calloc(1, sizeof *reader);
    sem_init(&reader->may_go_on, 0, 0);
    sem_init(&reader->has_begun, 0, 0);
    *state = reader;
    return 0;
}

static int tear_down(void **state)
{
    struct reader *reader = *state;
    sem_destroy(&reader->may_go_on);
    sem_destroy(&reader->has_begun);
    free(reader);
    return 0;
}

static void finish(struct reader *reader)
{
    assert_true(log_writer_close(reader->writer));
    log_writer_destroy(reader->writer);
}

static bool put(struct reader *reader, const char *text)
{
    return log_writer_put(reader->writer, text, strlen(text));
}

static void what_is_put_is_written_in_order_before_the_end(void **state)
{
    struct reader *reader = *state;
    char expected[1 << 16] = "", number[16];
    start(reader, 1 << 20);
    for (int i = 0; i < 5000; i++) {
        sprintf(number, "%d", i);
        assert_true(put(reader, number));
        strcat(strcat(expected, number), "\n");
    }
    assert_int_equal(log_writer_count_dropped(reader->writer), 0);
    finish(reader);
    assert_string_equal(reader->text, expected);
}

static void a_slow_reader_hears_what_it_missed_and_where(void **state)
{
    struct reader *reader = *state;
    reader->is_slow = true;
    start(reader, 60); /* two short records, with what stands before them */
    assert_true(put(reader, "first"));
    sem_wait(&reader->has_begun);
    assert_true(put(reader, "second"));
    assert_true(put(reader, "third"));
    assert_false(put(reader, "fourth"));
    assert_false(put(reader, "fifth"));
    assert_int_equal(log_writer_count_dropped(reader->writer), 2);
    for (int i = 0; i < 3; i++)
        sem_post(&reader->may_go_on);
    for (int i = 0; i < 2; i++)
        sem_wait(&reader->has_begun);
    while (!put(reader, "last")) /* until the third is out of the ring */
        ;
    sem_post(&reader->may_go_on);
    finish(reader);
    assert_non_null(strstr(reader->text, "first\nsecond\nthird\nlost "));
    assert_non_null(strstr(reader->text, "last\n"));
    assert_null(strstr(reader->text, "fourth"));
}

static void a_record_that_could_not_be_written_is_lost_and_said_with_the_next(void **state)
{
    struct reader *reader = *state;
    reader->answer = -ENOSPC;
    start(reader, 1 << 10);
    assert_true(put(reader, "first"));
    while (log_writer_count_dropped(reader->writer) == 0)
        ;
    reader->answer = 0;
    assert_true(put(reader, "second"));
    finish(reader);
    assert_string_equal(reader->text, "lost 1\nsecond\n");
}

static void a_record_that_is_too_long_is_dropped(void **state)
{
    struct reader *reader = *state;
    char record[RECORD_BYTES + 1];
    memset(record, 'x', sizeof record);
    start(reader, 1 << 10);
    assert_false(log_writer_put(reader->writer, record, sizeof record));
    assert_int_equal(log_writer_count_dropped(reader->writer), 1);
    finish(reader);
}

static double seconds_since(const struct timespec *then)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

static void the_end_does_not_wait_for_a_reader_that_is_stuck(void **state)
{
    struct reader *reader = *state;
    struct timespec then;
    reader->is_slow = true;
    start(reader, 1 << 10);
    assert_true(put(reader, "first"));
    assert_true(put(reader, "second"));
    clock_gettime(CLOCK_MONOTONIC, &then);
    assert_false(log_writer_close(reader->writer));
    assert_true(seconds_since(&then) >= LOG_WRITER_STUCK_MS / 1000.0);
    assert_false(put(reader, "third"));
    sem_post(&reader->may_go_on);
    sem_post(&reader->may_go_on);
    finish(reader); /* only for the test, which goes on */
    assert_string_equal(reader->text, "first\nsecond\n");
}

/* ---- The descriptor ------------------------------------------------------------------------- */

static void a_line_waits_for_room_in_a_descriptor_that_does_not_block(void **state)
{
    struct log_output output;
    int ends[2], other[2];
    char bytes[8192];
    (void)state;
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    assert_int_equal(pipe2(other, O_NONBLOCK), 0);
    fcntl(ends[1], F_SETPIPE_SZ, 4096);
    memset(bytes, 'x', sizeof bytes);
    log_output_init(&output, ends[1]);
    assert_int_equal(log_output_write(&output, bytes, 4096), 0);
    log_output_replace(&output, other[1]); /* else this would wait for ever */
    assert_int_equal(log_output_write(&output, "whole\n", 6), 0);
    assert_int_equal(read(other[0], bytes, sizeof bytes), 6);
    assert_memory_equal(bytes, "whole\n", 6);
    assert_int_equal(read(ends[0], bytes, sizeof bytes), 4096); /* and nothing of the line */
    log_output_finish(&output);
    close(ends[0]);
    close(other[0]);
}

static void a_line_that_was_torn_is_ended_before_the_next(void **state)
{
    struct log_output output;
    int ends[2];
    char bytes[64];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    log_output_init(&output, ends[1]);
    output.is_torn = true;
    assert_int_equal(log_output_write(&output, "next\n", 5), 0);
    assert_int_equal(log_output_write(&output, "one\n", 4), 0);
    assert_int_equal(read(ends[0], bytes, sizeof bytes), 10);
    assert_memory_equal(bytes, "\nnext\none\n", 10);
    log_output_finish(&output);
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_put_is_written_in_order_before_the_end, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_slow_reader_hears_what_it_missed_and_where, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(
            a_record_that_could_not_be_written_is_lost_and_said_with_the_next, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_record_that_is_too_long_is_dropped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_end_does_not_wait_for_a_reader_that_is_stuck, set_up,
                                        tear_down),
        cmocka_unit_test(a_line_waits_for_room_in_a_descriptor_that_does_not_block),
        cmocka_unit_test(a_line_that_was_torn_is_ended_before_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
