/* complaint: the line on standard error that says why the command ends with its number. */
#pragma once

struct fetchpool;

struct complaint {
    int exit_code;
    char *sentence; /* owned; NULL: none, or no memory for it */
};

void complaint_finish(struct complaint *complaint);

/* In place of what it was. */
void complaint_set(struct complaint *complaint, int exit_code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "fetchpool: (CODE) SENTENCE". */
void complaint_show(int exit_code, const char *sentence);

/*
 * Returns owned: the daemon's or the library's sentence, and for a daemon that is not there, what
 * to do about it. NULL without memory.
 */
char *complaint_of(const struct fetchpool *client, int exit_code, const char *sentence);
