/* log_writer: see log_writer.h. */
#include "log_writer.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#include "log_ring.h"

#define STACK_BYTES ((size_t)512 * 1024)

struct log_writer {
    struct log_writer_setup setup;
    pthread_t thread;
    pthread_mutex_t lock;    /* of all that follows */
    pthread_cond_t work;     /* there is something to write, or the end has come */
    pthread_cond_t progress; /* something was written; while it is closing */
    struct log_ring ring;
    uint64_t dropped;
    uint64_t taken;  /* how often the thread has looked for work */
    bool is_waiting; /* the thread, for work */
    bool is_closing;
    bool has_ended;
    char *record;    /* the thread's: what it writes */
    uint64_t untold; /* the thread's: lost, and the reader has not heard of it */
};

/* ---- In the thread -------------------------------------------------------------------------- */

static void say_lost(struct log_writer *writer)
{
    if (writer->untold > 0 && writer->setup.say_lost(writer->setup.ctx, writer->untold) == 0)
        writer->untold = 0;
}

/* How many were lost by it. */
static uint64_t write_one(struct log_writer *writer, size_t length, uint64_t lost)
{
    writer->untold += lost;
    say_lost(writer);
    if (length == 0 || writer->setup.write(writer->setup.ctx, writer->record, length) == 0)
        return 0;
    writer->untold++;
    return 1;
}

/* The next record, and what was lost before it; waits for either. False: the end has come. */
static bool await_work(struct log_writer *writer, size_t *out_length, uint64_t *out_lost)
{
    for (;;) {
        *out_length = log_ring_take(&writer->ring, writer->record, out_lost);
        writer->taken++;
        if (*out_length > 0 || *out_lost > 0)
            return true;
        if (writer->is_closing)
            return false;
        writer->is_waiting = true;
        pthread_cond_wait(&writer->work, &writer->lock);
        writer->is_waiting = false;
    }
}

static void *run(void *ctx)
{
    struct log_writer *writer = ctx;
    size_t length;
    uint64_t lost;
    prctl(PR_SET_NAME, writer->setup.name); /* from outside it would be a file to write to */
    pthread_mutex_lock(&writer->lock);
    while (await_work(writer, &length, &lost)) {
        pthread_mutex_unlock(&writer->lock);
        uint64_t failed = write_one(writer, length, lost);
        pthread_mutex_lock(&writer->lock);
        writer->dropped += failed;
        if (writer->is_closing)
            pthread_cond_signal(&writer->progress);
    }
    writer->has_ended = true;
    pthread_cond_signal(&writer->progress);
    pthread_mutex_unlock(&writer->lock);
    return NULL;
}

/* ---- Life ----------------------------------------------------------------------------------- */

/* No signal is the thread's to handle. */
static int start_thread(struct log_writer *writer)
{
    sigset_t all, before;
    pthread_attr_t attributes;
    int result = pthread_attr_init(&attributes);
    if (result != 0)
        return -result;
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    result = pthread_create(&writer->thread, &attributes, run, writer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return -result;
}

static void init_conditions(struct log_writer *writer)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&writer->lock, NULL);
    pthread_cond_init(&writer->work, &attributes);
    pthread_cond_init(&writer->progress, &attributes);
    pthread_condattr_destroy(&attributes);
}

int log_writer_create(struct log_writer **out_writer, const struct log_writer_setup *setup)
{
    struct log_writer *writer = calloc(1, sizeof *writer);
    if (!writer)
        return -ENOMEM;
    writer->setup = *setup;
    init_conditions(writer);
    writer->record = malloc(setup->most_record_bytes);
    int result = log_ring_init(&writer->ring, setup->ring_bytes);
    if (result == 0 && !writer->record)
        result = -ENOMEM;
    if (result == 0)
        result = start_thread(writer);
    if (result < 0)
        log_writer_destroy(writer);
    else
        *out_writer = writer;
    return result;
}

void log_writer_destroy(struct log_writer *writer)
{
    pthread_cond_destroy(&writer->work);
    pthread_cond_destroy(&writer->progress);
    pthread_mutex_destroy(&writer->lock);
    log_ring_finish(&writer->ring);
    free(writer->record);
    free(writer);
}

/* ---- From other threads --------------------------------------------------------------------- */

bool log_writer_put(struct log_writer *writer, const char *record, size_t length)
{
    pthread_mutex_lock(&writer->lock);
    bool is_taken = !writer->is_closing && length <= writer->setup.most_record_bytes &&
                    log_ring_put(&writer->ring, record, length);
    writer->dropped += !is_taken;
    if (writer->is_waiting)
        pthread_cond_signal(&writer->work);
    pthread_mutex_unlock(&writer->lock);
    return is_taken;
}

uint64_t log_writer_count_dropped(struct log_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    uint64_t dropped = writer->dropped;
    pthread_mutex_unlock(&writer->lock);
    return dropped;
}

static struct timespec in_ms(long ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_nsec += ms % 1000 * 1000000;
    at.tv_sec += ms / 1000 + at.tv_nsec / 1000000000;
    at.tv_nsec %= 1000000000;
    return at;
}

static bool is_before(const struct timespec *one, const struct timespec *other)
{
    return one->tv_sec != other->tv_sec ? one->tv_sec < other->tv_sec
                                        : one->tv_nsec < other->tv_nsec;
}

/* Until it has ended, or nothing moves, or it takes too long. */
static void await_end(struct log_writer *writer)
{
    struct timespec end = in_ms(LOG_WRITER_FLUSH_MS), now = in_ms(0);
    while (!writer->has_ended && is_before(&now, &end)) {
        struct timespec stuck = in_ms(LOG_WRITER_STUCK_MS);
        uint64_t taken = writer->taken;
        int result = pthread_cond_timedwait(&writer->progress, &writer->lock,
                                            is_before(&stuck, &end) ? &stuck : &end);
        if (result != 0 && writer->taken == taken)
            return;
        now = in_ms(0);
    }
}

bool log_writer_close(struct log_writer *writer)
{
    pthread_mutex_lock(&writer->lock);
    writer->is_closing = true;
    pthread_cond_signal(&writer->work);
    await_end(writer);
    bool has_ended = writer->has_ended;
    pthread_mutex_unlock(&writer->lock);
    if (has_ended)
        pthread_join(writer->thread, NULL);
    return has_ended;
}
