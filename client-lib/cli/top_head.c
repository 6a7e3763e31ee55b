/* top_head: see top_head.h. The names are those of the daemon's stats. */
#include "top_head.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "figure.h"

/* A figure or two, and what they are of. */
#define WORDS_BYTES 96

static void flow(struct frame *frame, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void flow(struct frame *frame, const char *format, ...)
{
    char words[WORDS_BYTES];
    va_list values;
    va_start(values, format);
    vsnprintf(words, sizeof words, format, values);
    va_end(values);
    frame_flow(frame, words);
}

static void flow_count(struct frame *frame, const char *what, double number)
{
    char figure[FIGURE_BYTES];
    figure_count(figure, number);
    flow(frame, "%s %s", what, figure);
}

static void flow_span(struct frame *frame, const char *what, double ms)
{
    char figure[FIGURE_BYTES];
    figure_duration(figure, ms);
    flow(frame, "%s %s", what, figure);
}

static void flow_rate(struct frame *frame, const char *what, const struct top_sample *now,
                      const struct top_sample *before, const char *name)
{
    char figure[FIGURE_BYTES];
    double growth = top_sample_growth(now, before, name);
    figure_fine(figure, growth / top_sample_seconds(now, before));
    flow(frame, "%s %s", what, figure);
}

/* The share that went over open connections: a connection that is opened carries a request, too. */
static double ratio_of(double saved, double opened)
{
    return saved + opened > 0 ? saved / (saved + opened) : NAN;
}

static void flow_reuse(struct frame *frame, const struct top_sample *now,
                       const struct top_sample *before)
{
    char recent[FIGURE_BYTES], ever[FIGURE_BYTES];
    figure_percent(recent, ratio_of(top_sample_growth(now, before, "handshakes_saved"),
                                    top_sample_growth(now, before, "connections_opened")));
    figure_percent(ever, ratio_of(top_sample_number(now, "handshakes_saved"),
                                  top_sample_number(now, "connections_opened")));
    flow(frame, "reuse %s now, %s in all", recent, ever);
}

static void flow_version(struct frame *frame, const struct top_sample *now)
{
    const struct fetchpool_value *version = top_sample_value(now, "version");
    flow(frame, "fetchpoold %.*s", (int)fetchpool_value_length(version),
         version ? fetchpool_value_string(version) : "");
}

void top_head_draw(struct frame *frame, const struct top_sample *now,
                   const struct top_sample *before)
{
    double in_flight = top_sample_number(now, "in_flight"); /* those that wait included */
    double queued = top_sample_number(now, "queued");
    double saved_ms = top_sample_number(now, "ms_saved");
    flow_version(frame, now);
    flow_span(frame, "up", top_sample_number(now, "uptime_ms"));
    flow_count(frame, "clients", top_sample_number(now, "clients"));
    flow_count(frame, "connections", top_sample_number(now, "connections"));
    flow_count(frame, "running", isnan(queued) ? in_flight : in_flight - queued);
    flow_count(frame, "queued", queued);
    frame_end_line(frame);
    flow_rate(frame, "requests/s", now, before, "requests");
    flow_reuse(frame, now, before);
    flow_rate(frame, "errors/s", now, before, "requests_failed");
    flow_count(frame, "retries", top_sample_number(now, "retries"));
    frame_end_line(frame);
    flow_count(frame, "saved: handshakes", top_sample_number(now, "handshakes_saved"));
    flow_span(frame, "time", isnan(saved_ms) ? top_sample_sum(now, "ms_saved") : saved_ms);
    frame_end_line(frame);
}
