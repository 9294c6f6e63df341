/*
 * What the levels of kernels share: loops that no level improves on, and the order in which
 * attend asks for lines ahead.
 */
#ifndef VQL_CORE_KERNELS_PORTABLE_H
#define VQL_CORE_KERNELS_PORTABLE_H

#include <float.h>
#include <stdbool.h>

#include "kernels.h"

#define VQL_ALWAYS_INLINE static inline __attribute__((always_inline))

/*
 * Asks for the line of a step: line step / 8 of row step % 8, into the second-level cache, which
 * keeps more requests under way than the first and has room for a block ahead.
 */
static inline void vql_ahead_step(const vql_ahead *ahead, size_t step)
{
    const size_t line = step / VQL_BLOCK;
    if (line < ahead->lines) {
        const char *row = ahead->rows[step % VQL_BLOCK];
        __builtin_prefetch(row + line * VQL_LINE, 0, 2);
    }
}

/* Asks for a line of every row, into the first-level cache or, for floats, the second. */
VQL_ALWAYS_INLINE void vql_ahead_line(const vql_ahead *ahead, size_t line, bool first_level)
{
    if (line >= ahead->lines)
        return;
#pragma GCC unroll 8
    for (size_t m = 0; m < VQL_BLOCK; m++)
        if (first_level)
            __builtin_prefetch((const char *)ahead->rows[m] + line * VQL_LINE, 0, 3);
        else
            __builtin_prefetch((const char *)ahead->rows[m] + line * VQL_LINE, 0, 2);
}

/* Asks for the lines of all steps from one on. */
static inline void vql_ahead_rest(const vql_ahead *ahead, size_t step)
{
    for (; step < ahead->lines * VQL_BLOCK; step++)
        vql_ahead_step(ahead, step);
}

static const vql_ahead vql_nothing_ahead = {.lines = 0};

/* The pair of 16-bit numbers at x, as the 32-bit lane that it is in a panel. */
static inline int32_t vql_load_pair(const int16_t *x)
{
    int32_t pair;
    __builtin_memcpy(&pair, x, sizeof pair);
    return pair;
}

/*
 * e^x = 2^n · e^r with n = round(x / ln 2), |r| <= ln 2 / 2, and e^r by its Taylor polynomial of
 * degree 7, whose remainder is below 2^-27. The upper part of ln 2 has few enough digits for its
 * product with n to be exact. Below VQL_EXP_LEAST, ln of the least normal float, it is 0.
 */
#define VQL_EXP_INVERSE_LN2 1.44269504f
#define VQL_EXP_LN2_HIGH    0.693359375f
#define VQL_EXP_LN2_LOW     (-2.12194440e-4f)
#define VQL_EXP_LEAST       (-87.3365f)

enum { VQL_EXP_TERMS = 8 };

static const float vql_exp_terms[VQL_EXP_TERMS] = {
    1.0f / 5040, 1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f,
};

/* VQL_LANES numbers, in as many registers as a level needs for them (GCC's vector extension). */
typedef float vql_lanes __attribute__((vector_size(VQL_LANES * sizeof(float))));
typedef int8_t vql_byte_lanes __attribute__((vector_size(VQL_LANES)));

/* value[j] += weight · (x[j] + y[j]) for j < width. */
VQL_ALWAYS_INLINE void vql_spread_value(size_t width, float weight, const float *x, const float *y,
                                        float *value)
{
    size_t j = 0;
    for (; j + VQL_LANES <= width; j += VQL_LANES) {
        vql_lanes item, type, sum;
        __builtin_memcpy(&item, x + j, sizeof item);
        __builtin_memcpy(&type, y + j, sizeof type);
        __builtin_memcpy(&sum, value + j, sizeof sum);
        sum += weight * (item + type);
        __builtin_memcpy(value + j, &sum, sizeof sum);
    }
    for (; j < width; j++)
        value[j] += weight * (x[j] + y[j]);
}

enum { VQL_ADDENDS_AHEAD = 8 }; /* whose values and codes are fetched */

VQL_ALWAYS_INLINE void vql_spread_width(const vql_spread *to, size_t width, size_t count,
                                        const vql_addend *addends, const float *weights)
{
    const size_t group = to->group;
    const size_t first = to->first;
    const size_t columns = to->columns;
    float *values = to->values;
    float *normalisers = to->normalisers;
    for (size_t i = 0; i < count; i++) {
        if (i + VQL_ADDENDS_AHEAD < count) {
            __builtin_prefetch(addends[i + VQL_ADDENDS_AHEAD].item_value + first);
            __builtin_prefetch(addends[i + VQL_ADDENDS_AHEAD].codes);
        }
        if (!(weights[i] >= FLT_MIN))
            continue;
        const size_t code = addends[i].codes[group];
        vql_spread_value(width, weights[i], addends[i].item_value + first,
                         addends[i].type_value + first, values + code * columns);
        normalisers[code] += weights[i];
    }
}

/* The kernel `spread`, compiled anew for each level, and for the usual width. */
VQL_ALWAYS_INLINE void vql_portable_spread(const vql_spread *to, size_t count,
                                           const vql_addend *addends, const float *weights)
{
    if (to->width == VQL_LANES)
        vql_spread_width(to, VQL_LANES, count, addends, weights);
    else
        vql_spread_width(to, to->width, count, addends, weights);
}

/*
 * x rounded to the nearest integer, at most 2^22 in size: 1.5 · 2^23 has steps of 1, and the lower
 * bits of the sum are those of the integer.
 */
VQL_ALWAYS_INLINE int16_t vql_round(float x)
{
    const float shifted = x + 0x1.8p23f;
    int32_t bits;
    __builtin_memcpy(&bits, &shifted, sizeof bits);
    return (int16_t)bits;
}

/* The kernel `quantize`, likewise. */
VQL_ALWAYS_INLINE void vql_portable_quantize(size_t count, float factor, const float *restrict x,
                                             int16_t *restrict out)
{
    for (size_t j = 0; j < count; j++)
        out[j] = vql_round(factor * x[j]);
}

/* The kernel `pack_int16`, likewise. */
VQL_ALWAYS_INLINE void vql_portable_pack_int16(size_t count, const float *restrict rows,
                                               size_t stride, const float *restrict factors,
                                               int16_t *restrict panel)
{
    for (size_t i = 0; i < count; i += 2, rows += 2 * stride, panel += 2 * VQL_LANES)
        for (size_t j = 0; j < VQL_LANES; j++) {
            panel[2 * j] = vql_round(factors[j] * rows[j]);
            panel[2 * j + 1] = vql_round(factors[j] * rows[stride + j]);
        }
}

/* The kernel `combine_int8`, likewise. */
VQL_ALWAYS_INLINE void vql_portable_combine_int8(size_t count, size_t terms, const float *a,
                                                 const uint8_t *x, size_t stride, float *sum)
{
    size_t j = 0;
    for (; j + VQL_LANES <= count; j += VQL_LANES) {
        vql_lanes total;
        __builtin_memcpy(&total, sum + j, sizeof total);
        for (size_t r = 0; r < terms; r++) {
            vql_byte_lanes bytes;
            __builtin_memcpy(&bytes, x + r * stride + j, sizeof bytes);
            total += a[r] * __builtin_convertvector(bytes, vql_lanes);
        }
        __builtin_memcpy(sum + j, &total, sizeof total);
    }
    for (; j < count; j++)
        for (size_t r = 0; r < terms; r++)
            sum[j] += a[r] * (float)(int8_t)x[r * stride + j];
}

void vql_portable_rectify(size_t count, float *x);
void vql_portable_compact(size_t count, const uint32_t *mask, const float *x, float *out);
void vql_portable_compact_int16(size_t count, const uint32_t *mask, const int16_t *x, int16_t *out);

#endif
