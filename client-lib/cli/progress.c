/* progress: see progress.h. */
#include "progress.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "interrupt.h"

/* Before the first drawing, and between two. */
#define PATIENCE_MS 1000
#define INTERVAL_MS 250

/* A terminal that does not say how wide it is. */
#define DEFAULT_COLUMNS 80
#define MAX_COLUMNS     512

/* The bar proper takes what the words leave, within these. */
#define MIN_BAR 8
#define MAX_BAR 40

/* To the line's beginning, and clear to its end. */
static const char clear_line[] = "\r\033[K";

static uint64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* ---- The words ------------------------------------------------------------------------------- */

/* "512 B", "1.5 KiB", "12.0 GiB". */
static void put_size(char *text, size_t size, double bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    size_t unit = 0;
    while (bytes >= 1000 && unit + 1 < sizeof units / sizeof units[0]) {
        bytes /= 1024;
        unit++;
    }
    snprintf(text, size, "%.*f %s", unit > 0, bytes, units[unit]);
}

/* "0:07", "1:02:03". */
static void put_duration(char *text, size_t size, double seconds)
{
    if (!(seconds < 100 * 3600)) {
        snprintf(text, size, "-:--");
        return;
    }
    unsigned all = (unsigned)(seconds + 0.5);
    if (all < 3600)
        snprintf(text, size, "%u:%02u", all / 60, all % 60);
    else
        snprintf(text, size, "%u:%02u:%02u", all / 3600, all / 60 % 60, all % 60);
}

/* Bytes a second since the oldest sample that is kept. */
static double rate_of(const struct progress *progress, uint64_t at_ms)
{
    size_t count = progress->sample_count;
    size_t oldest = count > PROGRESS_SAMPLES ? count % PROGRESS_SAMPLES : 0;
    const struct progress_sample *from = &progress->samples[oldest];
    uint64_t passed_ms = at_ms - from->at_ms;
    if (passed_ms == 0)
        return 0;
    return (double)(progress->bytes - from->bytes) * 1000 / (double)passed_ms;
}

static void take_sample(struct progress *progress, uint64_t at_ms)
{
    progress->samples[progress->sample_count % PROGRESS_SAMPLES] =
        (struct progress_sample){at_ms, progress->bytes};
    progress->sample_count++;
}

/* A total that has turned out wrong is none. */
static bool has_total(const struct progress *progress)
{
    return progress->total != PROGRESS_TOTAL_UNKNOWN && progress->total > 0 &&
           progress->bytes <= progress->total;
}

static void put_words(const struct progress *progress, double rate, char *text, size_t size)
{
    char have[32], total[32], speed[32], left[32];
    const char *what = progress->phase == PROGRESS_SENDING ? "sent" : "received";
    put_size(have, sizeof have, (double)progress->bytes);
    put_size(speed, sizeof speed, rate);
    if (!has_total(progress)) {
        snprintf(text, size, "%s %s  %s/s", have, what, speed);
        return;
    }
    double fraction = (double)progress->bytes / (double)progress->total;
    put_size(total, sizeof total, (double)progress->total);
    put_duration(left, sizeof left, (double)(progress->total - progress->bytes) / rate);
    snprintf(text, size, "%3d%%  %s of %s %s  %s/s  %s left", (int)(fraction * 100), have, total,
             what, speed, left);
}

/* ---- The line -------------------------------------------------------------------------------- */

static size_t columns(void)
{
    struct winsize window;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) < 0 || window.ws_col == 0)
        return DEFAULT_COLUMNS;
    return window.ws_col < MAX_COLUMNS ? window.ws_col : MAX_COLUMNS;
}

/* "[####----] ", if there is room; its length. */
static size_t put_bar(const struct progress *progress, size_t room, char *text)
{
    if (!has_total(progress) || room < MIN_BAR + 3)
        return 0;
    size_t width = room - 3 < MAX_BAR ? room - 3 : MAX_BAR;
    size_t filled = (size_t)((double)progress->bytes / (double)progress->total * (double)width);
    text[0] = '[';
    memset(text + 1, '-', width);
    memset(text + 1, '#', filled < width ? filled : width);
    text[width + 1] = ']';
    text[width + 2] = ' ';
    return width + 3;
}

/* One write for one drawing, so that nothing comes between. The last column stays free: a terminal
 * may go to the next line there. */
static void draw(struct progress *progress)
{
    char words[160];
    char line[sizeof clear_line + MAX_COLUMNS];
    uint64_t at_ms = now_ms();
    put_words(progress, rate_of(progress, at_ms), words, sizeof words);
    take_sample(progress, at_ms);
    size_t room = columns() - 1;
    size_t length = strlen(words) < room ? strlen(words) : room;
    size_t begin = sizeof clear_line - 1;
    memcpy(line, clear_line, begin);
    begin += put_bar(progress, room - length, line + begin);
    memcpy(line + begin, words, length);
    interrupt_set_clearing(clear_line);
    progress->is_drawn = write(STDERR_FILENO, line, begin + length) > 0;
}

static void clear(struct progress *progress)
{
    if (progress->is_drawn && write(STDERR_FILENO, clear_line, sizeof clear_line - 1) < 0)
        progress->phase = PROGRESS_HIDDEN; /* the terminal is gone */
    interrupt_set_clearing(NULL);
    progress->is_drawn = false;
}

/* ---- The thread ------------------------------------------------------------------------------ */

static void wait_until(struct progress *progress, uint64_t at_ms)
{
    struct timespec end = {.tv_sec = (time_t)(at_ms / 1000),
                           .tv_nsec = (long)(at_ms % 1000 * 1000000)};
    while (!progress->is_ending && now_ms() < at_ms)
        pthread_cond_timedwait(&progress->changed, &progress->mutex, &end);
}

static void *draw_until_end(void *ctx)
{
    struct progress *progress = ctx;
    pthread_mutex_lock(&progress->mutex);
    wait_until(progress, now_ms() + PATIENCE_MS);
    while (!progress->is_ending) {
        if (progress->phase != PROGRESS_HIDDEN)
            draw(progress);
        wait_until(progress, now_ms() + INTERVAL_MS);
    }
    clear(progress);
    pthread_mutex_unlock(&progress->mutex);
    return NULL;
}

/* Signals are for the thread that waits for the daemon, and that the handler was written for. */
static bool start_thread(struct progress *progress)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int result = pthread_create(&progress->thread, NULL, draw_until_end, progress);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return result == 0;
}

void progress_start(struct progress *out_progress, bool is_wanted)
{
    struct progress *progress = out_progress;
    pthread_condattr_t attributes;
    *progress = (struct progress){.phase = PROGRESS_HIDDEN};
    if (!is_wanted)
        return;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&progress->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&progress->mutex, NULL);
    progress->is_running = start_thread(progress);
}

void progress_stop(struct progress *progress)
{
    if (!progress->is_running)
        return;
    pthread_mutex_lock(&progress->mutex);
    progress->is_ending = true;
    pthread_cond_signal(&progress->changed);
    pthread_mutex_unlock(&progress->mutex);
    pthread_join(progress->thread, NULL);
    pthread_cond_destroy(&progress->changed);
    pthread_mutex_destroy(&progress->mutex);
    progress->is_running = false;
}

void progress_enter(struct progress *progress, enum progress_phase phase, uint64_t total)
{
    if (!progress->is_running)
        return;
    pthread_mutex_lock(&progress->mutex);
    progress->phase = phase;
    progress->bytes = 0;
    progress->total = total;
    progress->sample_count = 0;
    take_sample(progress, now_ms());
    if (phase == PROGRESS_HIDDEN)
        clear(progress);
    pthread_mutex_unlock(&progress->mutex);
}

void progress_add(struct progress *progress, enum progress_phase phase, uint64_t bytes)
{
    if (!progress->is_running)
        return;
    pthread_mutex_lock(&progress->mutex);
    if (progress->phase == phase)
        progress->bytes += bytes;
    pthread_mutex_unlock(&progress->mutex);
}
