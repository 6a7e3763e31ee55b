/*
 * crew: threads that share a job with the one who calls for them. Between its jobs they sleep;
 * whoever calls takes part, and goes on alone where they wake up late, so a job never takes longer
 * for their sake than the piece that one of them is at.
 */
#pragma once

#include <stddef.h>

struct crew;

/*
 * So many threads beside the caller's, 1 at least; `name` is what each is called, 15 bytes at most.
 * They handle no signal. 0, or a negative errno: -ENOMEM, or what pthread_create(3) gives.
 */
int crew_create(struct crew **out_crew, size_t helpers, const char *name);

/* No job may be running. NULL: nothing. */
void crew_destroy(struct crew *crew);

/*
 * Calls work(ctx, index) once for each index below `count`, each in some thread, and returns when
 * all have returned: what they did is seen by the caller, and what it did before by them. From one
 * thread at a time.
 */
void crew_run(struct crew *crew, void (*work)(void *ctx, size_t index), void *ctx, size_t count);
