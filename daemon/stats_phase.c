/* stats_phase: see stats_phase.h. */
#include "stats_phase.h"

const struct stats_phase_bound stats_phase_bounds[STATS_PHASE_BOUNDS] = {
    {500, "0.0005"},  {1000, "0.001"},    {2500, "0.0025"}, {5000, "0.005"},  {10000, "0.01"},
    {25000, "0.025"}, {50000, "0.05"},    {100000, "0.1"},  {250000, "0.25"}, {500000, "0.5"},
    {1000000, "1"},   {2500000, "2.5"},   {5000000, "5"},   {10000000, "10"}, {30000000, "30"},
    {60000000, "60"}, {300000000, "300"},
};

/* A bound belongs to its bucket: le is "less or equal". */
void stats_phase_add(struct stats_phase *phase, uint64_t us)
{
    unsigned bucket = 0;
    while (bucket < STATS_PHASE_BOUNDS && us > stats_phase_bounds[bucket].us)
        bucket++;
    phase->counts[bucket]++;
    phase->sum_us += us;
}

const char *stats_phase_text(enum stats_phase_name name)
{
    static const char *const names[STATS_PHASES] = {
        [STATS_QUEUE] = "queue", [STATS_RESOLVE] = "resolve",       [STATS_CONNECT] = "connect",
        [STATS_TLS] = "tls",     [STATS_FIRST_BYTE] = "first_byte", [STATS_TOTAL] = "total",
    };
    return names[name];
}
