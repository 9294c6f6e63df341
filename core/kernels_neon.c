/*
 * NEON of AArch64, which every such processor has. A tile is four registers wide and there are 32
 * registers, so that a block goes in two halves of four candidates: sixteen sums.
 */
#include <arm_neon.h>
#include <math.h>
#include <stdbool.h>

#include "kernels_portable.h"

enum {
    WIDTH = 4,
    TILE = VQL_LANES / WIDTH,
    HALF = VQL_BLOCK / 2,
};

static void axpy(size_t count, float a, const float *x, float *sum)
{
    size_t j = 0;
    for (; j + WIDTH <= count; j += WIDTH)
        vst1q_f32(sum + j, vfmaq_n_f32(vld1q_f32(sum + j), vld1q_f32(x + j), a));
    for (; j < count; j++)
        sum[j] = fmaf(a, x[j], sum[j]);
}

static void spread(const vql_spread *to, size_t count, const vql_addend *addends,
                   const float *weights)
{
    vql_portable_spread(to, count, addends, weights);
}

static void axpy_int8(size_t count, float a, const uint8_t *x, float *sum)
{
    vql_portable_axpy_int8(count, a, x, sum);
}

/* e^x as kernels_portable.h has it. */
static inline float32x4_t exponential_lanes(float32x4_t x)
{
    const uint32x4_t kept = vcgeq_f32(x, vdupq_n_f32(VQL_EXP_LEAST));
    x = vmaxq_f32(x, vdupq_n_f32(VQL_EXP_LEAST));
    const float32x4_t n = vrndnq_f32(vmulq_n_f32(x, VQL_EXP_INVERSE_LN2));
    float32x4_t r = vfmsq_n_f32(x, n, VQL_EXP_LN2_HIGH);
    r = vfmsq_n_f32(r, n, VQL_EXP_LN2_LOW);
    float32x4_t polynomial = vdupq_n_f32(vql_exp_terms[0]);
    for (size_t i = 1; i < VQL_EXP_TERMS; i++)
        polynomial = vfmaq_f32(vdupq_n_f32(vql_exp_terms[i]), polynomial, r);
    const uint32x4_t exponent = vreinterpretq_u32_s32(vshlq_n_s32(vcvtnq_s32_f32(n), 23));
    const uint32x4_t scaled = vaddq_u32(vreinterpretq_u32_f32(polynomial), exponent);
    return vreinterpretq_f32_u32(vandq_u32(kept, scaled));
}

static void exponential(size_t count, float *x)
{
    size_t j = 0;
    for (; j + WIDTH <= count; j += WIDTH)
        vst1q_f32(x + j, exponential_lanes(vld1q_f32(x + j)));
    for (; j < count; j++)
        x[j] = expf(x[j]);
}

/* One row of the panel, in registers, into four candidates' sums. */
static inline __attribute__((always_inline)) void multiply_row(float32x4_t (*sum)[TILE],
                                                               const float32x4_t *values,
                                                               const float *weights)
{
#pragma GCC unroll 4
    for (size_t m = 0; m < HALF; m++)
#pragma GCC unroll 4
        for (size_t j = 0; j < TILE; j++)
            sum[m][j] = vfmaq_n_f32(sum[m][j], values[j], weights[m]);
}

static inline void load_sums(float32x4_t (*sum)[TILE], const float *sums, size_t stride)
{
    for (size_t m = 0; m < HALF; m++)
        for (size_t j = 0; j < TILE; j++)
            sum[m][j] = vld1q_f32(sums + m * stride + j * WIDTH);
}

static inline void store_sums(float32x4_t (*sum)[TILE], float *sums, size_t stride)
{
    for (size_t m = 0; m < HALF; m++)
        for (size_t j = 0; j < TILE; j++)
            vst1q_f32(sums + m * stride + j * WIDTH, sum[m][j]);
}

/* sums += a product of tiles, fetching *ahead meanwhile. */
static void multiply(size_t count, const float *const *rows, const float *panel,
                     const vql_ahead *ahead, float *sums, size_t stride)
{
    size_t step = 0;
    for (size_t half = 0; half < VQL_BLOCK; half += HALF) {
        float32x4_t sum[HALF][TILE];
        load_sums(sum, sums + half * stride, stride);
        for (size_t i = 0; i < count; i++) {
            float32x4_t values[TILE];
            float weights[HALF];
            for (size_t j = 0; j < TILE; j++)
                values[j] = vld1q_f32(panel + i * VQL_LANES + j * WIDTH);
            for (size_t m = 0; m < HALF; m++)
                weights[m] = rows[half + m][i];
            if (i % 4 == 0)
                vql_ahead_step(ahead, step++);
            multiply_row(sum, values, weights);
        }
        store_sums(sum, sums + half * stride, stride);
    }
    vql_ahead_rest(ahead, step);
}

/* The lower and upper halves of the pairs in 32-bit lanes, as floats. */
static inline float32x4_t lower(uint32x4_t pairs)
{
    return vreinterpretq_f32_u32(vshlq_n_u32(pairs, 16));
}

static inline float32x4_t upper(uint32x4_t pairs)
{
    return vreinterpretq_f32_u32(vandq_u32(pairs, vdupq_n_u32(0xffff0000)));
}

static inline uint32x4_t load_lanes(const uint16_t *x)
{
    return vreinterpretq_u32_u16(vld1q_u16(x));
}

/* The lower or upper number of the pair at x. */
static inline float pair_number(const uint16_t *x, size_t half)
{
    const uint32_t bits = (uint32_t)x[half] << 16;
    float number;
    __builtin_memcpy(&number, &bits, sizeof number);
    return number;
}

/* The same in bfloat16. */
static void multiply_bf16(size_t count, const uint16_t *const *rows, const uint16_t *panel,
                          const vql_ahead *ahead, float *sums, size_t stride)
{
    size_t step = 0;
    for (size_t half = 0; half < VQL_BLOCK; half += HALF) {
        float32x4_t sum[HALF][TILE];
        load_sums(sum, sums + half * stride, stride);
        for (size_t i = 0; i < count; i += 2) {
            float32x4_t even[TILE], odd[TILE];
            float evens[HALF], odds[HALF];
            for (size_t j = 0; j < TILE; j++) {
                const uint32x4_t pairs = load_lanes(panel + i * VQL_LANES + j * 2 * WIDTH);
                even[j] = lower(pairs);
                odd[j] = upper(pairs);
            }
            for (size_t m = 0; m < HALF; m++) {
                evens[m] = pair_number(rows[half + m] + i, 0);
                odds[m] = pair_number(rows[half + m] + i, 1);
            }
            if (i % 8 == 0)
                vql_ahead_step(ahead, step++);
            multiply_row(sum, even, evens);
            multiply_row(sum, odd, odds);
        }
        store_sums(sum, sums + half * stride, stride);
    }
    vql_ahead_rest(ahead, step);
}

static void totals(size_t count, const float *const *rows, const float *x, float *totals)
{
    for (size_t m = 0; m < VQL_BLOCK; m++) {
        float32x4_t sum = vdupq_n_f32(0.0f);
        size_t i = 0;
        for (; i + WIDTH <= count; i += WIDTH)
            sum = vfmaq_f32(sum, vld1q_f32(rows[m] + i), vld1q_f32(x + i));
        totals[m] = vaddvq_f32(sum);
        for (; i < count; i++)
            totals[m] = fmaf(rows[m][i], x[i], totals[m]);
    }
}

static void totals_bf16(size_t count, const uint16_t *const *rows, const uint16_t *x, float *totals)
{
    for (size_t m = 0; m < VQL_BLOCK; m++) {
        float32x4_t sum = vdupq_n_f32(0.0f);
        size_t i = 0;
        for (; i + 2 * WIDTH <= count; i += 2 * WIDTH) {
            const uint32x4_t weights = load_lanes(rows[m] + i);
            const uint32x4_t factors = load_lanes(x + i);
            sum = vfmaq_f32(sum, lower(weights), lower(factors));
            sum = vfmaq_f32(sum, upper(weights), upper(factors));
        }
        totals[m] = vaddvq_f32(sum);
        for (; i < count; i++)
            totals[m] = fmaf(pair_number(rows[m] + i, 0), pair_number(x + i, 0), totals[m]);
    }
}

/* o of a tile from its sums [VQL_BLOCK, VQL_LANES] and their divisors. */
static void finish(const float *sums, const float *divisors, const float *centre, float *o,
                   size_t stride)
{
    for (size_t m = 0; m < VQL_BLOCK; m++) {
        const bool kept = divisors[m] > 0.0f;
        const float scale = kept ? 1.0f / divisors[m] : 0.0f;
        for (size_t j = 0; j < VQL_LANES; j += WIDTH) {
            const float32x4_t middle = kept ? vld1q_f32(centre + j) : vdupq_n_f32(0.0f);
            const float32x4_t sum = vld1q_f32(sums + m * VQL_LANES + j);
            vst1q_f32(o + m * stride + j, vfmaq_n_f32(middle, sum, scale));
        }
    }
}

static void attend(size_t count, const float *const *rows, const vql_fold_tile *fold,
                   const vql_ahead *ahead, float *o, size_t stride)
{
    float sums[VQL_BLOCK * VQL_LANES] = {0.0f};
    float divisors[VQL_BLOCK];
    totals(count, rows, fold->normalisers, divisors);
    multiply(count, rows, fold->panel, ahead, sums, VQL_LANES);
    finish(sums, divisors, fold->centre, o, stride);
}

static void attend_bf16(size_t count, const uint16_t *const *rows, const vql_fold_tile *fold,
                        const vql_ahead *ahead, float *o, size_t stride)
{
    float sums[VQL_BLOCK * VQL_LANES] = {0.0f};
    float divisors[VQL_BLOCK];
    totals_bf16(count, rows, fold->normalisers, divisors);
    multiply_bf16(count, rows, fold->panel, ahead, sums, VQL_LANES);
    finish(sums, divisors, fold->centre, o, stride);
}

static void product(size_t count, const float *const *rows, const float *panel, float *sums,
                    size_t stride)
{
    multiply(count, rows, panel, &vql_nothing_ahead, sums, stride);
}

static void product_bf16(size_t count, const uint16_t *const *rows, const uint16_t *panel,
                         float *sums, size_t stride)
{
    multiply_bf16(count, rows, panel, &vql_nothing_ahead, sums, stride);
}

const vql_kernels vql_kernels_neon = {
    .name = "neon",
    .axpy = axpy,
    .spread = spread,
    .axpy_int8 = axpy_int8,
    .exponential = exponential,
    .attend = attend,
    .attend_bf16 = attend_bf16,
    .product = product,
    .product_bf16 = product_bf16,
    .totals = totals,
    .rectify = vql_portable_rectify,
    .compact = vql_portable_compact,
    .compact_bf16 = vql_portable_compact_bf16,
    .narrow = vql_portable_narrow,
    .pack_bf16 = vql_portable_pack_bf16,
};
