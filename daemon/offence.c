/* offence: see offence.h. One small entry for each topic of each user that ever offended. */
#include "offence.h"

#include <stdlib.h>

#include <uthash.h>

#include "log.h"

#define OFFENCE_PAUSE_MS 60000

struct offender {
    uint64_t key; /* the user, and the topic's hash below it */
    uint64_t written_ms;
    uint64_t left_out;
    UT_hash_handle hh;
};

struct offence_log {
    struct offender *by_key;
};

struct offence_log *offence_log_create(void)
{
    return calloc(1, sizeof(struct offence_log));
}

void offence_log_destroy(struct offence_log *offences)
{
    if (!offences)
        return;
    struct offender *offender, *next;
    HASH_ITER (hh, offences->by_key, offender, next) {
        HASH_DEL(offences->by_key, offender);
        free(offender);
    }
    free(offences);
}

/* FNV-1a. Two topics of one hash would be one topic. */
static uint32_t hash_of(const char *topic)
{
    uint32_t hash = 2166136261U;
    for (; *topic; topic++)
        hash = (hash ^ (unsigned char)*topic) * 16777619U;
    return hash;
}

static void write_line(const struct offender *offender, const struct offence *offence,
                       const char *what)
{
    struct log_about about = {
        .origin = offence->origin,
        .rule = offence->rule,
        .has_peer = true,
        .uid = offence->uid,
        .pid = offence->pid,
    };
    int pid = (int)offence->pid;
    unsigned uid = (unsigned)offence->uid;
    if (offender->left_out > 0)
        log_write_about(LOG_LEVEL_WARNING, &about,
                        "client pid %d, uid %u: %s (%llu more since the last)", pid, uid, what,
                        (unsigned long long)offender->left_out);
    else
        log_write_about(LOG_LEVEL_WARNING, &about, "client pid %d, uid %u: %s", pid, uid, what);
}

/* NULL without memory. */
static struct offender *add(struct offence_log *offences, uint64_t key)
{
    struct offender *offender = calloc(1, sizeof *offender);
    if (!offender)
        return NULL;
    offender->key = key;
    HASH_ADD(hh, offences->by_key, key, sizeof offender->key, offender);
    if (offender->hh.tbl)
        return offender;
    free(offender);
    return NULL;
}

void offence_log_write(struct offence_log *offences, uint64_t now_ms, const struct offence *offence,
                       const char *what)
{
    struct offender *offender;
    uint64_t key = (uint64_t)offence->uid << 32 | hash_of(offence->topic);
    HASH_FIND(hh, offences->by_key, &key, sizeof key, offender);
    if (offender && now_ms - offender->written_ms < OFFENCE_PAUSE_MS) {
        offender->left_out++;
        return;
    }
    if (!offender)
        offender = add(offences, key);
    if (!offender)
        return; /* the line is lost, nothing else */
    write_line(offender, offence, what);
    offender->written_ms = now_ms;
    offender->left_out = 0;
}
