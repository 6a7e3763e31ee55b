/* complaint: the line on standard error that says why the command ends with its number. */
#pragma once

struct fetchpool;

/* "fetchpool: (CODE) SENTENCE". */
void complaint_show(int exit_code, const char *sentence);

/*
 * Returns owned: the daemon's or the library's sentence, and for a daemon that is not there, what
 * to do about it. NULL without memory.
 */
char *complaint_of(const struct fetchpool *client, int exit_code, const char *sentence);
