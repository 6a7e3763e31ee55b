/*
 * offence: log lines about clients that misbehave, at most one a minute for each user and topic, so
 * that nobody can fill the log from outside. What was left out is counted and said in the next
 * line.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

struct offence_log;

/* NULL when memory is exhausted. */
struct offence_log *offence_log_create(void);
void offence_log_destroy(struct offence_log *offences);

/* Who, and what about. */
struct offence {
    uid_t uid;
    pid_t pid;
    const char *topic;  /* there are few: none comes from outside */
    const char *origin; /* that it is about; NULL: none, as below */
    const char *rule;   /* of a policy */
};

/* `now_ms` is any clock that does not go back. */
void offence_log_write(struct offence_log *offences, uint64_t now_ms, const struct offence *offence,
                       const char *what);
