/* What the files of request share. */
#pragma once

/* 0, -ENOMEM or anything else as 0, FETCHPOOL_BUSY or FETCHPOOL_BAD_REQUEST. */
int request_code_of(int result);

/* Frees a text that must not stay in memory. NULL is fine. */
void request_free_secret(char *text);
