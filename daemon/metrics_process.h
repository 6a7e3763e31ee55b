/* metrics_process: what the system knows of this process. */
#pragma once

#include <stdint.h>

/* The system did not say. */
#define METRICS_UNKNOWN UINT64_MAX

struct metrics_process {
    uint64_t cpu_us;
    uint64_t virtual_bytes, resident_bytes;
    uint64_t open_descriptors, most_descriptors;
};

void metrics_process_read(struct metrics_process *out_process);
