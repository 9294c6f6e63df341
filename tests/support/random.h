/*
 * Random numbers for tests: splitmix64, the same on every machine for the same seed.
 */
#ifndef VQL_TESTS_RANDOM_H
#define VQL_TESTS_RANDOM_H

#include <math.h>
#include <stdint.h>

/* The state is the seed; any value will do. */
typedef struct random_stream {
    uint64_t state;
} random_stream;

static inline uint64_t random_u64(random_stream *random)
{
    uint64_t z = (random->state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* A number below bound > 0; the bias is below bound / 2^32. */
static inline uint32_t random_below(random_stream *random, uint32_t bound)
{
    return (uint32_t)(((random_u64(random) >> 32) * bound) >> 32);
}

/* Uniform in [0, 1). */
static inline double random_uniform(random_stream *random)
{
    return (double)(random_u64(random) >> 11) * 0x1p-53;
}

/* Normal, mean 0 and variance 1 (Box and Muller). */
static inline double random_normal(random_stream *random)
{
    const double radius = sqrt(-2.0 * log(1.0 - random_uniform(random)));
    return radius * cos(6.283185307179586 * random_uniform(random));
}

#endif
