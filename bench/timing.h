/*
 * Times of repeated runs, and their median, least and spread.
 */
#ifndef VQL_BENCH_TIMING_H
#define VQL_BENCH_TIMING_H

#include <stddef.h>

enum { TIMING_RUNS = 64 }; /* the most that are kept */

typedef struct timing {
    double seconds[TIMING_RUNS];
    size_t count;
} timing;

/* Seconds since some moment, from a clock that is not set. */
double timing_now(void);

/* Keeps a run's time; beyond TIMING_RUNS it is dropped. */
void timing_add(timing *t, double seconds);

double timing_median(const timing *t);
double timing_best(const timing *t);

/* (third quartile - first quartile) / median. */
double timing_spread(const timing *t);

#endif
