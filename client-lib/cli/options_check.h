/*
 * options_check: does a command line make sense as a whole, and what is it that it asks for? The
 * options have been read one by one before.
 */
#pragma once

#include "options.h"

/* Sets the action, and the subject of a report. EXIT_CODE_OK, or that with which to end: what is
 * wrong has been said, and so has what is only superfluous. */
int options_check(struct options *options);
