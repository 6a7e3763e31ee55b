#include "meter.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define NANO INT64_C(1000000000)

void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;
    if (clock_gettime(clock, &now) != 0)
        die("a process that was to be watched has ended");
    return now.tv_sec * NANO + now.tv_nsec;
}

int64_t meter_now_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/* The kernel's own account, in nanoseconds: /proc has it in hundredths of a second only. */
static int64_t cpu_now_ns(const struct meter *meter)
{
    int64_t sum = 0;
    for (size_t i = 0; i < meter->process_count; i++) {
        clockid_t clock;
        if (clock_getcpuclockid(meter->processes[i], &clock) != 0)
            die("there is no process %d", (int)meter->processes[i]);
        sum += read_clock(clock);
    }
    return sum;
}

void meter_watch(struct meter *meter, pid_t process)
{
    if (meter->process_count == METER_MAX_PROCESSES)
        die("more than %d processes to watch", METER_MAX_PROCESSES);
    meter->processes[meter->process_count++] = process;
}

void meter_start(struct meter *meter, long warm_up_ms, long length_ms)
{
    meter->begin_ns = meter_now_ns() + warm_up_ms * (NANO / 1000);
    meter->length_ns = length_ms * (NANO / 1000);
    alarm((unsigned)((warm_up_ms + length_ms) / 1000 + 20)); /* whatever hangs */
}

static void keep(struct meter *meter, int64_t took_ns)
{
    if (meter->count == meter->capacity) {
        meter->capacity = meter->capacity ? meter->capacity * 2 : 65536;
        meter->took_ns = realloc(meter->took_ns, meter->capacity * sizeof(*meter->took_ns));
        if (!meter->took_ns)
            die("no memory");
    }
    meter->took_ns[meter->count++] = took_ns < UINT32_MAX ? (uint32_t)took_ns : UINT32_MAX;
}

bool meter_count(struct meter *meter, int64_t sent_ns)
{
    int64_t now_ns = meter_now_ns();
    if (now_ns < meter->begin_ns)
        return true;
    if (!meter->has_begun) {
        meter->has_begun = true;
        meter->begin_ns = now_ns;
        meter->cpu_ns = -cpu_now_ns(meter);
        return true;
    }
    if (meter->end_ns == 0) {
        keep(meter, now_ns - sent_ns);
        if (now_ns < meter->begin_ns + meter->length_ns)
            return true;
        meter->end_ns = now_ns;
        meter->cpu_ns += cpu_now_ns(meter);
    }
    return false;
}

static int by_size(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static double part_us(const struct meter *meter, size_t percent)
{
    size_t index = (meter->count - 1) * percent / 100;
    return meter->took_ns[index] / 1000.0;
}

void meter_print(struct meter *meter)
{
    if (meter->end_ns == 0)
        die("the measurement did not come to its end");
    qsort(meter->took_ns, meter->count, sizeof(*meter->took_ns), by_size);
    printf("{\"requests\": %zu, \"seconds\": %.6f, \"cpu_us\": %.3f, \"p50_us\": %.2f, "
           "\"p99_us\": %.2f}\n",
           meter->count, (double)(meter->end_ns - meter->begin_ns) / (double)NANO,
           (double)meter->cpu_ns / 1000.0 / (double)meter->count, part_us(meter, 50),
           part_us(meter, 99));
    free(meter->took_ns);
    memset(meter, 0, sizeof(*meter));
}
