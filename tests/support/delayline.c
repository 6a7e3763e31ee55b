/*
 * delayline: passes packets between two TUN devices, each a fixed time after it came.
 *
 *     delayline FD FD ONE-WAY-MICROSECONDS
 *
 * FD are open TUN devices, in whatever namespaces; delayline.py makes them. Order is kept, nothing
 * is lost: where more is on its way than there is room for, packets wait in the device's own queue.
 * It ends when its standard input does, that is with whoever started it, and prints "up" when it
 * begins.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

/* What 100 Mbit/s of small packets (64 bytes) have on the way at 40 ms, and no fewer. */
#define SLOTS        8192
#define PACKET_BYTES 2048 /* above the devices' MTU */
#define NANO         INT64_C(1000000000)

struct packet {
    int64_t due_ns;
    size_t length;
    uint8_t bytes[PACKET_BYTES];
};

/* One way: from one device to the other. A ring, `first` is the oldest. */
struct way {
    int from;
    int to;
    size_t first;
    size_t count;
    struct packet packets[SLOTS];
};

static struct way ways[2];

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NANO + now.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

/* Takes in all that is there. The time of arrival is that of the turn: packets of one burst leave
 * as one. */
static void take(struct way *way, int64_t delay_ns)
{
    int64_t due_ns = now_ns() + delay_ns;
    while (way->count < SLOTS) {
        struct packet *packet = &way->packets[(way->first + way->count) % SLOTS];
        ssize_t got = read(way->from, packet->bytes, sizeof(packet->bytes));
        if (got < 0 && errno != EINTR) {
            if (errno == EAGAIN)
                return;
            die("delayline: read");
        }
        if (got > 0) {
            packet->length = (size_t)got;
            packet->due_ns = due_ns;
            way->count++;
        }
    }
}

/* A packet that the far device does not take (it is down, say) is lost, as on any line. */
static void give(struct way *way)
{
    int64_t now = now_ns();
    while (way->count > 0 && way->packets[way->first].due_ns <= now) {
        const struct packet *packet = &way->packets[way->first];
        ssize_t gone = write(way->to, packet->bytes, packet->length);
        (void)gone;
        way->first = (way->first + 1) % SLOTS;
        way->count--;
    }
}

/* Until when to wait, as a span; false: for as long as nothing comes. */
static bool next_due(struct timespec *out_span)
{
    int64_t due_ns = INT64_MAX;
    for (size_t i = 0; i < 2; i++)
        if (ways[i].count > 0 && ways[i].packets[ways[i].first].due_ns < due_ns)
            due_ns = ways[i].packets[ways[i].first].due_ns;
    if (due_ns == INT64_MAX)
        return false;
    int64_t span_ns = due_ns - now_ns();
    if (span_ns < 0)
        span_ns = 0;
    *out_span = (struct timespec){.tv_sec = span_ns / NANO, .tv_nsec = span_ns % NANO};
    return true;
}

/* Wakes up on time: no timer slack, and before whatever else runs, where that is permitted. */
static void be_punctual(void)
{
    prctl(PR_SET_TIMERSLACK, 1);
    struct sched_param first = {.sched_priority = 1};
    if (sched_setscheduler(0, SCHED_FIFO, &first) != 0)
        fprintf(stderr, "delayline: without real-time priority\n");
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: delayline FD FD ONE-WAY-MICROSECONDS\n");
        return 2;
    }
    int devices[2] = {atoi(argv[1]), atoi(argv[2])};
    int64_t delay_ns = atoll(argv[3]) * 1000;
    for (size_t i = 0; i < 2; i++) {
        ways[i].from = devices[i];
        ways[i].to = devices[1 - i];
        if (fcntl(devices[i], F_SETFL, O_NONBLOCK) != 0)
            die("delayline: fcntl");
    }
    be_punctual();
    if (puts("up") < 0 || fflush(stdout) != 0)
        die("delayline: stdout");

    for (;;) {
        struct pollfd ready[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                                 {.fd = devices[0], .events = ways[0].count < SLOTS ? POLLIN : 0},
                                 {.fd = devices[1], .events = ways[1].count < SLOTS ? POLLIN : 0}};
        struct timespec span;
        if (ppoll(ready, 3, next_due(&span) ? &span : NULL, NULL) < 0 && errno != EINTR)
            die("delayline: poll");
        if (ready[0].revents != 0)
            return 0;
        for (size_t i = 0; i < 2; i++) {
            take(&ways[i], delay_ns);
            give(&ways[i]);
        }
    }
}
