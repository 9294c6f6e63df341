#include "random.h"

#include <math.h>

/* The finaliser of splitmix64 (Steele, Lea and Flood 2014). */
static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static const uint64_t golden = UINT64_C(0x9e3779b97f4a7c15);

random_stream random_open(uint64_t seed, random_purpose purpose, uint64_t index)
{
    const uint64_t key = mix(mix(seed + golden) ^ ((uint64_t)purpose << 56 | index));
    return (random_stream){key};
}

uint64_t random_bits(random_stream stream, uint64_t i)
{
    return mix(stream.key + golden * (i + 1));
}

double random_uniform(random_stream stream, uint64_t i)
{
    return (double)(random_bits(stream, i) >> 11) * 0x1p-53;
}

uint64_t random_below(random_stream stream, uint64_t i, uint64_t bound)
{
    return (uint64_t)(((unsigned __int128)random_bits(stream, i) * bound) >> 64);
}

double random_normal(random_stream stream, uint64_t i)
{
    const double radius = sqrt(-2.0 * log(1.0 - random_uniform(stream, 2 * i)));
    return radius * cos(6.283185307179586 * random_uniform(stream, 2 * i + 1));
}
