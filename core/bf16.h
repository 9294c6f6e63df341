/*
 * bfloat16: the upper half of a float, 8 bits of mantissa. Everything rounds to nearest, ties to
 * even; numbers are finite.
 */
#ifndef VQL_CORE_BF16_H
#define VQL_CORE_BF16_H

#include <stdint.h>
#include <string.h>

static inline uint16_t vql_bf16_from_float(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline float vql_bf16_to_float(uint16_t half)
{
    const uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

#endif
