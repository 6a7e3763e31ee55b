/* What the files of request share. */
#pragma once

#include "request.h"

/* 0, -ENOMEM or anything else as 0, FETCHPOOL_BUSY or FETCHPOOL_BAD_REQUEST. */
int request_code_of(int result);

/* Frees a text that must not stay in memory. NULL is fine. */
void request_free_secret(char *text);

/* Absent stays NULL. 0 or -ENOMEM. */
int request_copy_str(char **out_text, struct wire_str str);

/* ---- request_ways.c ------------------------------------------------------------------------- */

/* 0, or a code with the reason. */
int request_check_tls(const struct wire_tls *tls, const struct config *config,
                      struct wire_why *why);
/* 0 or -ENOMEM. */
int request_copy_tls(struct request *request, const struct wire_tls *tls);
/* The client's, or the configuration's. 0, or a code with the reason. */
int request_take_proxy(struct request *request, struct wire_str proxy, const struct config *config,
                       struct wire_why *why);
