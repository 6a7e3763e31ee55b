/* writeout: what -w prints after a transfer. Its words are variable's. */
#pragma once

#include "transfer.h"

/* Prints the format of the options, if there is one. */
void writeout_show(const struct transfer *transfer);
