/* What the files of report share. */
#pragma once

#include "report.h"

/* A key with its value. */
void report_put_number(struct buffer *out, const char *key, uint64_t number);
void report_put_text(struct buffer *out, const char *key, const char *text);
