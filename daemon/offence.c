/* offence: see offence.h. One small entry for each user that ever offended. */
#include "offence.h"

#include <stdlib.h>

#include <uthash.h>

#include "log.h"

#define OFFENCE_PAUSE_MS 60000

struct offender {
    uid_t uid;
    uint64_t written_ms;
    uint64_t left_out;
    UT_hash_handle hh;
};

struct offence_log {
    struct offender *by_uid;
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
    HASH_ITER (hh, offences->by_uid, offender, next) {
        HASH_DEL(offences->by_uid, offender);
        free(offender);
    }
    free(offences);
}

static void write_line(const struct offender *offender, pid_t pid, const char *what)
{
    if (offender->left_out > 0)
        log_write(LOG_LEVEL_WARNING, "client pid %d, uid %u: %s; closed (%llu more since the last)",
                  (int)pid, (unsigned)offender->uid, what, (unsigned long long)offender->left_out);
    else
        log_write(LOG_LEVEL_WARNING, "client pid %d, uid %u: %s; closed", (int)pid,
                  (unsigned)offender->uid, what);
}

void offence_log_write(struct offence_log *offences, uint64_t now_ms, uid_t uid, pid_t pid,
                       const char *what)
{
    struct offender *offender;
    HASH_FIND(hh, offences->by_uid, &uid, sizeof uid, offender);
    if (offender && now_ms - offender->written_ms < OFFENCE_PAUSE_MS) {
        offender->left_out++;
        return;
    }
    if (!offender) {
        offender = calloc(1, sizeof *offender);
        if (!offender)
            return; /* the line is lost, nothing else */
        offender->uid = uid;
        HASH_ADD(hh, offences->by_uid, uid, sizeof offender->uid, offender);
        if (!offender->hh.tbl) {
            free(offender);
            return;
        }
    }
    write_line(offender, pid, what);
    offender->written_ms = now_ms;
    offender->left_out = 0;
}
