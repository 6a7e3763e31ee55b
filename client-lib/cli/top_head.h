/*
 * top_head: the lines of fetchpool top above the list: the daemon as a whole, since the sample
 * before and in all.
 */
#pragma once

#include "frame.h"
#include "top_sample.h"

void top_head_draw(struct frame *frame, const struct top_sample *now,
                   const struct top_sample *before);
