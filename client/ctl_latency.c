#include "ctl_latency.h"

#include <stdlib.h>

static int compare(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left;
    const uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

void latency_sort(uint64_t *ns, size_t count)
{
    qsort(ns, count, sizeof *ns, compare);
}

uint64_t latency_percentile(const uint64_t *ns, size_t count, unsigned p)
{
    /* ⌈count · p / 100⌉, written so that no product overflows. */
    const size_t rank = count / 100 * p + (count % 100 * p + 99) / 100;
    return ns[rank - 1];
}
