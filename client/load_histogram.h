/*
 * A histogram of durations in nanoseconds with three significant digits, laid out as HdrHistogram's
 * (http://hdrhistogram.org): 1 ns to an hour, a longer duration counts as an hour.
 */
#ifndef VQL_CLIENT_LOAD_HISTOGRAM_H
#define VQL_CLIENT_LOAD_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum {
    LOAD_HISTOGRAM_DIGITS = 3,
    LOAD_HISTOGRAM_HALF = 1024,                       /* values that a bucket tells apart */
    LOAD_HISTOGRAM_COUNTS = 33 * LOAD_HISTOGRAM_HALF, /* the least that reach an hour */
};

#define LOAD_HISTOGRAM_MOST_NS UINT64_C(3600000000000)

typedef struct load_histogram {
    uint64_t total;
    uint64_t most_ns, sum_ns;
    uint64_t counts[LOAD_HISTOGRAM_COUNTS];
} load_histogram;

static inline size_t load_histogram_index(uint64_t ns)
{
    const unsigned bits = 63U - (unsigned)__builtin_clzll(ns | (2 * LOAD_HISTOGRAM_HALF - 1));
    const unsigned shift = bits - 10;
    return ((size_t)shift << 10) + (size_t)(ns >> shift);
}

static inline void load_histogram_add(load_histogram *h, uint64_t ns)
{
    if (ns > LOAD_HISTOGRAM_MOST_NS)
        ns = LOAD_HISTOGRAM_MOST_NS;
    h->counts[load_histogram_index(ns)]++;
    h->total++;
    h->sum_ns += ns;
    if (ns > h->most_ns)
        h->most_ns = ns;
}

/* Adds what the other has. */
void load_histogram_merge(load_histogram *to, const load_histogram *from);

void load_histogram_clear(load_histogram *h);

/*
 * The least duration, to the histogram's digits and rounded up, that this part of all (0 to 1) do
 * not exceed; 0 when there are none.
 */
uint64_t load_histogram_quantile(const load_histogram *h, double part);

/* In nanoseconds; 0 when there are none. */
double load_histogram_mean(const load_histogram *h);

#endif
