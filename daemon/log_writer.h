/*
 * log_writer: a thread that writes what others hand it, so that they never wait for a disk, a pipe
 * or its reader. Between them is a ring of a fixed size: what finds no room there is dropped and
 * counted, and so is what could not be written. Whoever reads is told how many are missing, where
 * they are.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How long the end waits for a reader that does not take a line, and for one that does: slowly. */
#define LOG_WRITER_STUCK_MS 500
#define LOG_WRITER_FLUSH_MS 5000

struct log_writer;

struct log_writer_setup {
    const char *name; /* the thread's, at most 15 bytes */
    size_t ring_bytes;
    size_t most_record_bytes;
    /* These two in the thread, where they may block. 0, or a negative errno: it is lost. */
    int (*write)(void *ctx, const char *record, size_t length);
    int (*say_lost)(void *ctx, uint64_t count);
    void *ctx;
};

/* 0 or a negative errno. */
int log_writer_create(struct log_writer **out_writer, const struct log_writer_setup *setup);

/* Copies it. False: it was dropped. From any thread; waits for nobody who writes. */
bool log_writer_put(struct log_writer *writer, const char *record, size_t length);

/* From any thread. */
uint64_t log_writer_count_dropped(struct log_writer *writer);

/*
 * Waits until all is written, or the reader is stuck; the writer takes nothing more. True: the
 * thread has ended, and the writer is free for log_writer_destroy(). False: the thread is left
 * alone, with all that it uses, as the process is about to end.
 */
bool log_writer_close(struct log_writer *writer);
void log_writer_destroy(struct log_writer *writer);
