/*
 * log_sink: where the lines of the log end: on stderr, or in the journal if that is what stderr is
 * connected to ($JOURNAL_STREAM, systemd.exec(5)). May block. The process has one, and one thread
 * at a time uses it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Does it keep fields? */
bool log_sink_has_fields(void);

/* The bytes of a struct log_record. 0 or a negative errno. */
int log_sink_write(const char *record, size_t length);
