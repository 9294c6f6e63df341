/*
 * Latencies of requests that were sent one after another, and their percentiles.
 */
#ifndef VQL_CLIENT_CTL_LATENCY_H
#define VQL_CLIENT_CTL_LATENCY_H

#include <stddef.h>
#include <stdint.h>

/* Sorts count latencies in place; latency_percentile needs them so. */
void latency_sort(uint64_t *ns, size_t count);

/*
 * The percentile p, 1 to 100, of count > 0 sorted latencies by the nearest rank: the smallest of
 * them that at least p percent of them do not exceed. Always one that was measured.
 */
uint64_t latency_percentile(const uint64_t *ns, size_t count, unsigned p);

#endif
