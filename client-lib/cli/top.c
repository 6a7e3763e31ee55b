/*
 * top: see top.h. A poll asks the daemon, a drawing shows what it said; keys and the window's size
 * cause drawings between two polls.
 */
#include "top.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "complaint.h"
#include "exitcode.h"
#include "figure.h"
#include "keyboard.h"
#include "screen.h"
#include "top_head.h"
#include "top_sample.h"
#include "top_view.h"

/* How long a daemon may take to answer, without -m: while it is waited for, no key is looked at. */
#define PATIENCE_MS 2000

struct top {
    const struct options *options;
    struct fetchpool *client;
    struct screen screen;
    const struct top_view *view;
    size_t sorted_by;
    struct top_sample now, before; /* empty: not there */
    char *trouble;                 /* owned: why there is no sample; NULL: there is */
    bool has_quit;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + (int64_t)now.tv_nsec / 1000000;
}

/* ---- Polls ----------------------------------------------------------------------------------- */

static void forget(struct top *top)
{
    top_sample_finish(&top->before);
    top_sample_finish(&top->now);
    free(top->trouble);
    top->trouble = NULL;
}

/* What comes out of turn is compared with what the sample in its place was compared with: a rate of
 * a few milliseconds says nothing. */
static void keep(struct top *top, struct top_sample *sample, bool is_in_turn)
{
    struct top_sample *old = is_in_turn ? &top->before : &top->now;
    free(top->trouble);
    top->trouble = NULL;
    top_sample_finish(old);
    if (is_in_turn)
        top->before = top->now;
    top->now = *sample;
}

/* EXIT_CODE_OK, or why there is no sample, which `trouble` says in words. */
static int take_sample(struct top *top, bool is_in_turn)
{
    struct top_sample sample;
    uint32_t timeout_ms = top->options->timeout_ms > 0 ? top->options->timeout_ms : PATIENCE_MS;
    struct fetchpool_response *failed = top_sample_take(&sample, top->client, top->view->method,
                                                        timeout_ms);
    int exit_code = EXIT_CODE_OK;
    if (failed) {
        exit_code = exitcode_of(failed);
        forget(top);
        top->trouble = strdup(fetchpool_error_message(failed));
    } else {
        keep(top, &sample, is_in_turn);
    }
    fetchpool_response_free(failed);
    return exit_code;
}

/* ---- Drawings -------------------------------------------------------------------------------- */

/* Until there is a daemon again, for it may be starting anew. */
static void draw_trouble(const struct top *top, struct frame *frame)
{
    char interval[FIGURE_BYTES];
    char words[96];
    figure_duration(interval, top->options->interval_ms);
    snprintf(words, sizeof words, "fetchpoold does not answer, asking every %s:", interval);
    frame_flow(frame, words);
    frame_flow(frame, top->trouble ? top->trouble : "out of memory");
    frame_end_line(frame);
}

static void draw_subject(const struct top *top, size_t count, struct frame *frame)
{
    char words[64];
    const struct top_view *view = top->view;
    if (top->sorted_by < view->column_count)
        snprintf(words, sizeof words, "%s: %zu, by %s", view->method, count,
                 view->columns[top->sorted_by].title);
    else
        snprintf(words, sizeof words, "%s: %zu, busiest first", view->method, count);
    frame_flow(frame, words);
    if (top->screen.is_terminal)
        frame_flow(frame, "[q]uit [s]ort [o]rigins [c]onnections c[l]ients");
    frame_end_line(frame);
}

static void draw(const struct top *top, struct frame *frame)
{
    size_t count;
    if (top_sample_is_empty(&top->now)) {
        draw_trouble(top, frame);
        return;
    }
    struct top_row *rows = top_sample_rows(&top->now, &top->before, top->view->key, &count);
    top_view_sort(top->view, top->sorted_by, rows, count);
    top_head_draw(frame, &top->now, &top->before);
    draw_subject(top, count, frame);
    top_view_draw(top->view, top->sorted_by, rows, count, frame);
    free(rows);
}

/* 0 or a negative errno. */
static int show(struct top *top)
{
    struct frame frame;
    screen_frame(&top->screen, &frame);
    draw(top, &frame);
    int result = screen_show(&top->screen, &frame);
    frame_finish(&frame);
    return result;
}

/* ---- Keys ------------------------------------------------------------------------------------ */

/* Through the columns and "the busiest", which comes before the first and after the last. */
static void sort_by_next(struct top *top, bool is_forward)
{
    size_t columns = top->view->column_count;
    size_t place = top->sorted_by < columns ? top->sorted_by + 1 : 0;
    place = (place + (is_forward ? 1 : columns)) % (columns + 1);
    top->sorted_by = place > 0 ? place - 1 : TOP_BUSIEST;
}

static void show_view(struct top *top, int letter)
{
    for (size_t i = 0; i < top_view_count; i++) {
        if (top_views[i].letter != letter || &top_views[i] == top->view)
            continue;
        top->view = &top_views[i];
        top->sorted_by = TOP_BUSIEST;
        take_sample(top, false);
    }
}

static void obey(struct top *top, int key)
{
    switch (key) {
    case 'q':
        top->has_quit = true;
        break;
    case 's':
    case '\t':
    case KEY_RIGHT:
        sort_by_next(top, true);
        break;
    case KEY_LEFT:
        sort_by_next(top, false);
        break;
    default:
        show_view(top, key);
        break;
    }
}

/* ---- The whole ------------------------------------------------------------------------------- */

/* Until it is time to ask again; what has been typed is looked at even if it is. 0 or a negative
 * errno. */
static int wait_until(struct top *top, int64_t due_ms)
{
    enum screen_event event;
    int result = 0;
    do {
        int key = KEY_NONE;
        event = screen_wait(&top->screen, due_ms - now_ms(), &key);
        if (event == SCREEN_KEY)
            obey(top, key);
        if (event != SCREEN_TIME && !top->has_quit)
            result = show(top);
    } while (result == 0 && !top->has_quit && (event != SCREEN_TIME || now_ms() < due_ms));
    return result;
}

/* The first sample is there. 0 or a negative errno. */
static int run(struct top *top)
{
    int64_t due_ms = now_ms();
    int32_t left = top->options->frame_count; /* 0: any number */
    for (;;) {
        int result = show(top);
        if (result < 0 || left == 1)
            return result;
        left -= left > 0;
        due_ms += top->options->interval_ms;
        if (due_ms < now_ms())
            due_ms = now_ms(); /* it took longer: nothing is made up for */
        result = wait_until(top, due_ms);
        if (result < 0 || top->has_quit)
            return result;
        take_sample(top, true);
    }
}

static int complain(const struct top *top, int exit_code, const char *sentence)
{
    if (options_allow_complaints(top->options))
        complaint_show(exit_code, sentence ? sentence : "out of memory");
    return exit_code;
}

/* What would be said of a fetch: there is no screen yet. */
static int complain_of_trouble(const struct top *top, int exit_code)
{
    char *sentence = top->trouble ? complaint_of(top->client, exit_code, top->trouble) : NULL;
    complain(top, exit_code, sentence);
    free(sentence);
    return exit_code;
}

int top_run(struct fetchpool *client, const struct options *options)
{
    struct top top = {
        .options = options,
        .client = client,
        .view = &top_views[0],
        .sorted_by = TOP_BUSIEST,
    };
    int exit_code = take_sample(&top, true);
    if (exit_code != EXIT_CODE_OK) {
        complain_of_trouble(&top, exit_code);
    } else {
        int result = screen_open(&top.screen);
        if (result == 0) {
            result = run(&top);
            screen_close(&top.screen);
        }
        if (result < 0)
            exit_code = complain(&top, EXIT_CODE_WRITE, strerror(-result));
    }
    forget(&top);
    return exit_code;
}
