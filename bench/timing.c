#include "timing.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

double timing_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void timing_add(timing *t, double seconds)
{
    if (t->count < TIMING_RUNS)
        t->seconds[t->count++] = seconds;
}

static int compare(const void *left, const void *right)
{
    const double *a = left;
    const double *b = right;
    return *a < *b ? -1 : *a > *b;
}

/* The time below which a part of the runs lie. */
static double quantile(const timing *t, double part)
{
    double sorted[TIMING_RUNS];
    memcpy(sorted, t->seconds, t->count * sizeof *sorted);
    qsort(sorted, t->count, sizeof *sorted, compare);
    return sorted[(size_t)(part * (double)(t->count - 1) + 0.5)];
}

double timing_median(const timing *t)
{
    return quantile(t, 0.5);
}

double timing_best(const timing *t)
{
    return quantile(t, 0.0);
}

double timing_spread(const timing *t)
{
    return (quantile(t, 0.75) - quantile(t, 0.25)) / quantile(t, 0.5);
}
