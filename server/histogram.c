#include "histogram.h"

#define US UINT64_C(1000)
#define MS (1000 * US)
#define S  (1000 * MS)

const histogram_scale histogram_seconds = {
    .count = 18,
    .bounds = {25 * US, 50 * US, 100 * US, 250 * US, 500 * US, MS, 2500 * US, 5 * MS, 10 * MS,
               25 * MS, 50 * MS, 100 * MS, 250 * MS, 500 * MS, S, 2500 * MS, 5 * S, 10 * S},
    .unit = 1e-9,
};

const histogram_scale histogram_items = {
    .count = 13,
    .bounds = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000},
    .unit = 1,
};

void histogram_observe(histogram *h, const histogram_scale *scale, uint64_t value)
{
    size_t i = 0;
    while (i < scale->count && value > scale->bounds[i])
        i++;
    cell_add(&h->buckets[i], 1);
    cell_add(&h->sum, value);
}

void histogram_add(histogram_total *total, const histogram *h)
{
    for (size_t i = 0; i <= HISTOGRAM_BOUNDS; i++)
        total->buckets[i] += cell_get(&h->buckets[i]);
    total->sum += cell_get(&h->sum);
}
