/*
 * A histogram of whole numbers in buckets of fixed bounds, which one thread counts in and any
 * thread may read (cell.h). A reader may see the sum of an observation before its bucket, or the
 * other way round.
 */
#ifndef VQL_SERVER_HISTOGRAM_H
#define VQL_SERVER_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "cell.h"

enum { HISTOGRAM_BOUNDS = 20 };

/* What a histogram's buckets are, and in which unit they are shown. */
typedef struct histogram_scale {
    size_t count;                      /* at most HISTOGRAM_BOUNDS */
    uint64_t bounds[HISTOGRAM_BOUNDS]; /* [count], growing: the most that is in a bucket */
    double unit;                       /* what one counts for */
} histogram_scale;

/* Nanoseconds, shown as seconds: from 25 us to 10 s. */
extern const histogram_scale histogram_seconds;

/* Numbers of things of a request: from 1 to 10,000. */
extern const histogram_scale histogram_items;

typedef struct histogram {
    cell buckets[HISTOGRAM_BOUNDS + 1]; /* the one behind the bounds is for what is above all */
    cell sum;
} histogram;

/* By the histogram's thread. */
void histogram_observe(histogram *h, const histogram_scale *scale, uint64_t value);

/* A copy that can be added up. */
typedef struct histogram_total {
    uint64_t buckets[HISTOGRAM_BOUNDS + 1];
    uint64_t sum;
} histogram_total;

/* Adds what a histogram has, by any thread. */
void histogram_add(histogram_total *total, const histogram *h);

#endif
