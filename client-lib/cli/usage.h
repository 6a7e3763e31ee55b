/* usage: what --help and --version print, and what is said of a wrong command line. */
#pragma once

extern const char usage_text[];

/* Says on standard error what is wrong with an option; returns EXIT_CODE_USAGE. */
int usage_wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* As that, where getopt has said it already. */
int usage_wrong_as_said(void);
