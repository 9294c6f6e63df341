/*
 * Random numbers for measurements: splitmix64, the same on every machine.
 */
#ifndef VQL_BENCH_RANDOM_H
#define VQL_BENCH_RANDOM_H

#include <stdint.h>

static inline uint64_t bench_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Below `limit`. */
static inline uint32_t bench_random_below(uint64_t *state, uint32_t limit)
{
    return (uint32_t)((bench_random(state) >> 32) * limit >> 32);
}

/* From 0 to below 1. */
static inline double bench_random_unit(uint64_t *state)
{
    return (double)(bench_random(state) >> 11) * 0x1p-53;
}

#endif
