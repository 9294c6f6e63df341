/*
 * Histograms in HdrHistogram's own formats, which its tools read: the encoding V2, compressed, and
 * the log 1.3 (https://github.com/HdrHistogram/HdrHistogram, HistogramLogWriter).
 */
#ifndef VQL_CLIENT_LOAD_LOG_H
#define VQL_CLIENT_LOAD_LOG_H

#include <stdio.h>

#include "load_timeline.h"

/*
 * A histogram in the encoding V2, not compressed: quick, while a run goes on. Malloc'd; NULL when
 * there is no memory.
 */
uint8_t *load_log_encode(const load_histogram *h, size_t *bytes);

/* What is compressed, in Base64, for a line of a log. Malloc'd; NULL when there is no memory. */
char *load_log_compress(const uint8_t *encoded, size_t bytes);

/*
 * Writes a timeline that keeps histograms: each interval's latencies with the tags "due" and
 * "sent", since those moments. start_s: when the warm-up ended, in seconds of the Unix epoch. False
 * when there is no memory.
 */
bool load_log_write(FILE *file, const load_timeline *t, double start_s);

#endif
