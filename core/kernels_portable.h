/*
 * What the levels of kernels share: loops that no level improves on, and the order in which
 * attend asks for lines ahead.
 */
#ifndef VQL_CORE_KERNELS_PORTABLE_H
#define VQL_CORE_KERNELS_PORTABLE_H

#include "kernels.h"

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

/* Asks for the lines of all steps from one on. */
static inline void vql_ahead_rest(const vql_ahead *ahead, size_t step)
{
    for (; step < ahead->lines * VQL_BLOCK; step++)
        vql_ahead_step(ahead, step);
}

static const vql_ahead vql_nothing_ahead = {.lines = 0};

/* The pair of bfloat16 numbers at x, as the 32-bit lane that it is in a panel. */
static inline int32_t vql_load_pair(const uint16_t *x)
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

void vql_portable_spread(size_t groups, size_t width, size_t terms, const float *a, const float *x,
                         const float *y, float *const *sums);
void vql_portable_rectify(size_t count, float *x);
void vql_portable_compact(size_t count, const uint32_t *mask, const float *x, float *out);
void vql_portable_compact_bf16(size_t count, const uint32_t *mask, const uint16_t *x,
                               uint16_t *out);
void vql_portable_narrow(size_t count, const float *x, uint16_t *out);
void vql_portable_pack_bf16(size_t count, const float *rows, size_t stride, uint16_t *panel);

#endif
