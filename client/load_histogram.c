#include "load_histogram.h"

#include <math.h>
#include <string.h>

/* How many counts there are up to the longest duration. */
static size_t used(const load_histogram *h)
{
    return h->total > 0 ? load_histogram_index(h->most_ns) + 1 : 0;
}

void load_histogram_merge(load_histogram *to, const load_histogram *from)
{
    for (size_t i = 0; i < used(from); i++)
        to->counts[i] += from->counts[i];
    to->total += from->total;
    to->sum_ns += from->sum_ns;
    to->most_ns = from->most_ns > to->most_ns ? from->most_ns : to->most_ns;
}

void load_histogram_clear(load_histogram *h)
{
    memset(h->counts, 0, used(h) * sizeof *h->counts);
    h->total = h->sum_ns = h->most_ns = 0;
}

/* The longest duration that is counted there. */
static uint64_t longest_at(size_t index)
{
    const size_t bucket = index / LOAD_HISTOGRAM_HALF;
    const unsigned shift = bucket > 1 ? (unsigned)bucket - 1 : 0;
    const uint64_t step = index - ((uint64_t)shift << 10);
    return ((step + 1) << shift) - 1;
}

uint64_t load_histogram_quantile(const load_histogram *h, double part)
{
    /* 0.02 · 50 is 1, whatever its last bits say. */
    const double wanted = fmax(ceil(part * (double)h->total * (1 - 1e-12)), 1);
    uint64_t seen = 0;
    for (size_t i = 0; i < used(h); i++) {
        seen += h->counts[i];
        if ((double)seen >= wanted) {
            const uint64_t longest = longest_at(i);
            return longest < h->most_ns ? longest : h->most_ns;
        }
    }
    return h->most_ns;
}

double load_histogram_mean(const load_histogram *h)
{
    return h->total > 0 ? (double)h->sum_ns / (double)h->total : 0;
}
