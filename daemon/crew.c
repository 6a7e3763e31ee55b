/* crew: see crew.h. */
#include "crew.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>

struct crew {
    pthread_mutex_t lock;
    pthread_cond_t call; /* somebody is wanted, or the end has come */
    pthread_cond_t done; /* nobody is at work any more */
    size_t wanted;       /* helpers that may still begin with this job */
    size_t working;      /* helpers that have begun */
    bool is_closing;

    void (*work)(void *ctx, size_t index);
    void *ctx;
    size_t count;
    atomic_size_t next; /* the first index that nobody has taken */

    const char *name;
    size_t helper_count;
    pthread_t helpers[];
};

/* ---- The work ------------------------------------------------------------------------------- */

static void take_part(struct crew *crew)
{
    size_t index;
    while ((index = atomic_fetch_add(&crew->next, 1)) < crew->count)
        crew->work(crew->ctx, index);
}

/* With the lock held. False: the end has come. */
static bool await_call(struct crew *crew)
{
    while (crew->wanted == 0 && !crew->is_closing)
        pthread_cond_wait(&crew->call, &crew->lock);
    return !crew->is_closing;
}

static void *run(void *ctx)
{
    struct crew *crew = ctx;
    prctl(PR_SET_NAME, crew->name); /* from outside it would be a file to write to */
    pthread_mutex_lock(&crew->lock);
    while (await_call(crew)) {
        crew->wanted--;
        crew->working++;
        pthread_mutex_unlock(&crew->lock);
        take_part(crew);
        pthread_mutex_lock(&crew->lock);
        if (--crew->working == 0)
            pthread_cond_signal(&crew->done);
    }
    pthread_mutex_unlock(&crew->lock);
    return NULL;
}

static void call(struct crew *crew, size_t helpers)
{
    pthread_mutex_lock(&crew->lock);
    crew->wanted = helpers;
    pthread_mutex_unlock(&crew->lock);
    for (size_t i = 0; i < helpers; i++)
        pthread_cond_signal(&crew->call);
}

/* Who has not begun by now does not: nothing is left for it. */
static void await_done(struct crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    crew->wanted = 0;
    while (crew->working > 0)
        pthread_cond_wait(&crew->done, &crew->lock);
    pthread_mutex_unlock(&crew->lock);
}

void crew_run(struct crew *crew, void (*work)(void *ctx, size_t index), void *ctx, size_t count)
{
    if (count == 0)
        return;
    crew->work = work;
    crew->ctx = ctx;
    crew->count = count;
    atomic_store(&crew->next, 0);
    call(crew, count - 1 < crew->helper_count ? count - 1 : crew->helper_count);
    take_part(crew);
    await_done(crew);
}

/* ---- Life ----------------------------------------------------------------------------------- */

/* No signal is theirs to handle. */
static int start_helpers(struct crew *crew, size_t helpers)
{
    sigset_t all, before;
    int result = 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (result == 0 && crew->helper_count < helpers) {
        result = pthread_create(&crew->helpers[crew->helper_count], NULL, run, crew);
        crew->helper_count += result == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -result;
}

int crew_create(struct crew **out_crew, size_t helpers, const char *name)
{
    struct crew *crew = calloc(1, sizeof *crew + helpers * sizeof crew->helpers[0]);
    if (!crew)
        return -ENOMEM;
    crew->name = name;
    pthread_mutex_init(&crew->lock, NULL);
    pthread_cond_init(&crew->call, NULL);
    pthread_cond_init(&crew->done, NULL);
    int result = start_helpers(crew, helpers);
    if (result < 0)
        crew_destroy(crew);
    else
        *out_crew = crew;
    return result;
}

void crew_destroy(struct crew *crew)
{
    if (!crew)
        return;
    pthread_mutex_lock(&crew->lock);
    crew->is_closing = true;
    pthread_mutex_unlock(&crew->lock);
    pthread_cond_broadcast(&crew->call);
    for (size_t i = 0; i < crew->helper_count; i++)
        pthread_join(crew->helpers[i], NULL);
    pthread_cond_destroy(&crew->done);
    pthread_cond_destroy(&crew->call);
    pthread_mutex_destroy(&crew->lock);
    free(crew);
}
