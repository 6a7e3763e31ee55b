/*
 * decode: `fetchpool decode [FILE...]`: captured streams of the protocol, a line of JSON a message.
 * It needs no daemon.
 */
#pragma once

#include "options.h"

/* Shows what can be decoded, says what cannot. Returns the exit code, the last one but 0. */
int decode_run(const struct options *options);
