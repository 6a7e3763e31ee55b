/* figure: see figure.h. */
#include "figure.h"

#include <math.h>
#include <stdio.h>

/* Numbers of more digits are shortened. */
#define MAX_PLAIN 99999.5

/* Above it all that can be said is "a lot": no counter of a daemon gets there. */
#define MAX_NUMBER 999e12

/* 0.29 * 100 is a little less than 29. */
#define ROUNDING 1e-9

static void put_unknown(char out[FIGURE_BYTES])
{
    snprintf(out, FIGURE_BYTES, "-");
}

void figure_count(char out[FIGURE_BYTES], double number)
{
    static const char units[] = "kMGT";
    size_t unit = 0;
    if (isnan(number)) {
        put_unknown(out);
        return;
    }
    if (number < MAX_PLAIN) {
        snprintf(out, FIGURE_BYTES, "%.0f", number > 0 ? number : 0);
        return;
    }
    number = (number < MAX_NUMBER ? number : MAX_NUMBER) / 1000;
    while (number >= 999.5 && units[unit + 1]) {
        number /= 1000;
        unit++;
    }
    snprintf(out, FIGURE_BYTES, "%.*f%c", number < 9.95, number, units[unit]);
}

void figure_fine(char out[FIGURE_BYTES], double number)
{
    if (number > 0 && number < 9.95)
        snprintf(out, FIGURE_BYTES, "%.1f", number);
    else
        figure_count(out, number);
}

void figure_percent(char out[FIGURE_BYTES], double ratio)
{
    if (isnan(ratio)) {
        put_unknown(out);
        return;
    }
    ratio = ratio > 0 ? ratio : 0;
    unsigned whole = ratio < 1 ? (unsigned)(ratio * 100 + ROUNDING) : 100;
    snprintf(out, FIGURE_BYTES, "%u%%", whole);
}

/* The larger unit and two digits of the smaller: "5m03". */
static void put_pair(char out[FIGURE_BYTES], double smaller, unsigned per_larger, char unit)
{
    unsigned long long all = (unsigned long long)smaller;
    snprintf(out, FIGURE_BYTES, "%llu%c%02llu", all / per_larger, unit, all % per_larger);
}

void figure_duration(char out[FIGURE_BYTES], double ms)
{
    double seconds = (ms > 0 ? (ms < MAX_NUMBER ? ms : MAX_NUMBER) : 0) / 1000;
    if (isnan(ms))
        put_unknown(out);
    else if (seconds < 9.95)
        snprintf(out, FIGURE_BYTES, "%.1fs", seconds);
    else if (seconds < 60)
        snprintf(out, FIGURE_BYTES, "%us", (unsigned)seconds);
    else if (seconds < 3600)
        put_pair(out, seconds, 60, 'm');
    else if (seconds < 24 * 3600)
        put_pair(out, seconds / 60, 60, 'h');
    else
        put_pair(out, seconds / 3600, 24, 'd');
}
