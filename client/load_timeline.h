/*
 * A run's intervals, one behind the other.
 */
#ifndef VQL_CLIENT_LOAD_TIMELINE_H
#define VQL_CLIENT_LOAD_TIMELINE_H

#include "load_run.h"

/* Latencies are those of calls that were answered with OK, since they were due. */
typedef struct load_point {
    double begin_s, end_s; /* from the end of the warm-up */
    double rate;           /* planned; 0: none was */
    load_counts counts;
    uint64_t p50_ns, p90_ns, p99_ns, p999_ns, most_ns;
    uint64_t waiting, in_flight;
    uint8_t *due, *sent; /* the latencies, encoded for load_log; owned */
    size_t due_bytes, sent_bytes;
    double due_most_ms, sent_most_ms;
} load_point;

typedef struct load_timeline {
    load_point *points;
    size_t count;
    load_histogram due, sent; /* the last interval's, of all kinds */
    bool keeps_histograms;
} load_timeline;

/* NULL when there is no memory. */
load_timeline *load_timeline_new(bool keeps_histograms);
void load_timeline_free(load_timeline *t);

/* Adds an interval. False when there is no memory. */
bool load_timeline_add(load_timeline *t, const load_interval *interval);

/* A point's calls that were answered with OK, a second. */
double load_point_rate(const load_point *p);

#endif
