/* metrics_process: see metrics_process.h. */
#include "metrics_process.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "metrics.h"

#define US_PER_S 1000000

static uint64_t microseconds(struct timeval time)
{
    return (uint64_t)time.tv_sec * US_PER_S + (uint64_t)time.tv_usec;
}

static uint64_t read_cpu_us(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) < 0)
        return METRICS_UNKNOWN;
    return microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
}

/* proc(5), /proc/PID/statm: in pages; the first two are all and what is resident. */
static void read_memory(struct metrics_process *process)
{
    unsigned long long all, resident;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return;
    if (fscanf(file, "%llu %llu", &all, &resident) == 2) {
        process->virtual_bytes = all * page;
        process->resident_bytes = resident * page;
    }
    fclose(file);
}

/* Reading the directory takes time for each of them, and one of its own. */
static uint64_t count_entries(const char *path)
{
    uint64_t count = 0;
    const struct dirent *entry;
    DIR *directory = opendir(path);
    if (!directory)
        return METRICS_UNKNOWN;
    while ((entry = readdir(directory)))
        count += entry->d_name[0] != '.';
    closedir(directory);
    return count - 1;
}

/* From Linux 6.2 on, the directory's size is the number. */
static uint64_t count_descriptors(void)
{
    static const char path[] = "/proc/self/fd";
    struct stat info;
    if (stat(path, &info) == 0 && info.st_size > 0)
        return (uint64_t)info.st_size;
    return count_entries(path);
}

static uint64_t read_most_descriptors(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_NOFILE, &limit) < 0 ? METRICS_UNKNOWN : limit.rlim_cur;
}

uint64_t metrics_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void metrics_process_read(struct metrics_process *out_process)
{
    *out_process = (struct metrics_process){
        .cpu_us = read_cpu_us(),
        .virtual_bytes = METRICS_UNKNOWN,
        .resident_bytes = METRICS_UNKNOWN,
        .open_descriptors = count_descriptors(),
        .most_descriptors = read_most_descriptors(),
    };
    read_memory(out_process);
}
