/* deadline: see deadline.h. */
#include "deadline.h"

#include <limits.h>
#include <time.h>

int64_t deadline_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail with this clock on Linux */
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int deadline_left_ms(int64_t deadline)
{
    int64_t left = deadline - deadline_now();
    if (left <= 0)
        return 0;
    return left < INT_MAX ? (int)left : INT_MAX;
}
