/*
 * meter: what the measuring programs count: requests, how long each took, and the processor time
 * that some processes used meanwhile.
 *
 * The measurement begins after the warm-up, with the first request that ends then, and ends with
 * the first that ends after its time. Ends the program with a word if anything fails.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define METER_MAX_PROCESSES 16

struct meter {
    int64_t begin_ns; /* when the warm-up is over; then, when the measurement began */
    int64_t length_ns;
    int64_t end_ns; /* 0: not over */
    bool has_begun;
    pid_t processes[METER_MAX_PROCESSES]; /* 0: this one */
    size_t process_count;
    int64_t cpu_ns;
    uint32_t *took_ns; /* owned */
    size_t count;
    size_t capacity;
};

int64_t meter_now_ns(void);

void meter_start(struct meter *meter, long warm_up_ms, long length_ms);

/* Also counts the processor time of that process. Before meter_start(). */
void meter_watch(struct meter *meter, pid_t process);

/* A request that was sent at `sent_ns` has been answered. False: that was the last one. */
bool meter_count(struct meter *meter, int64_t sent_ns);

/* One line of JSON: requests, seconds, cpu_us (of each request), p50_us, p99_us. Frees. */
void meter_print(struct meter *meter);

/* printf() to stderr, and exit(1). */
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
