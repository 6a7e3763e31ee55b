/*
 * progress: the line on a terminal that says how far a transfer is. It appears when a transfer has
 * taken a second, is drawn by a thread of its own (so that it also says that nothing moves), and is
 * gone when the transfer ends. Where it is not wanted, every function here does nothing.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROGRESS_TOTAL_UNKNOWN UINT64_MAX

/* The rate is that of so many drawings: of the last five seconds. */
#define PROGRESS_SAMPLES 20

enum progress_phase { PROGRESS_HIDDEN, PROGRESS_SENDING, PROGRESS_RECEIVING };

struct progress_sample {
    uint64_t at_ms;
    uint64_t bytes;
};

struct progress {
    bool is_running; /* there is a thread */
    pthread_t thread;
    pthread_mutex_t mutex; /* for all below */
    pthread_cond_t changed;
    enum progress_phase phase;
    bool is_ending;
    bool is_drawn;
    uint64_t bytes;
    uint64_t total; /* or PROGRESS_TOTAL_UNKNOWN */
    struct progress_sample samples[PROGRESS_SAMPLES];
    size_t sample_count; /* ever taken in this phase */
};

/* Starts hidden. If no thread can be had, there is no progress. */
void progress_start(struct progress *out_progress, bool is_wanted);

/* Clears the line and ends the thread. */
void progress_stop(struct progress *progress);

/* From now on bytes are counted for this, from 0. Hidden: the line is cleared at once. */
void progress_enter(struct progress *progress, enum progress_phase phase, uint64_t total);

/* Bytes of another phase than the present one do not count. */
void progress_add(struct progress *progress, enum progress_phase phase, uint64_t bytes);
