/*
 * Random numbers for load: the same seed gives the same load (splitmix64; Steele, Lea, Flood 2014).
 */
#ifndef VQL_CLIENT_LOAD_RANDOM_H
#define VQL_CLIENT_LOAD_RANDOM_H

#include <stdint.h>

typedef struct load_random {
    uint64_t state; /* begins with the seed */
} load_random;

static inline uint64_t load_random_bits(load_random *r)
{
    uint64_t z = r->state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

/* Between 0 and 1, and neither. */
static inline double load_random_unit(load_random *r)
{
    return ((double)(load_random_bits(r) >> 11) + 0.5) * 0x1p-53;
}

/* From 0 to below count, not 0. */
static inline uint64_t load_random_below(load_random *r, uint64_t count)
{
    return load_random_bits(r) % count;
}

#endif
