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

static void combine_int8(size_t count, size_t terms, const float *a, const uint8_t *x,
                         size_t stride, float *sum)
{
    vql_portable_combine_int8(count, terms, a, x, stride, sum);
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

static void product(size_t count, const float *const *rows, const float *panel, float *sums,
                    size_t stride)
{
    multiply(count, rows, panel, &vql_nothing_ahead, sums, stride);
}

static int32_t total_int16(size_t count, const int16_t *row, const int16_t *x)
{
    int32x4_t sum = vdupq_n_s32(0);
    size_t i = 0;
    for (; i + WIDTH <= count; i += WIDTH)
        sum = vmlal_s16(sum, vld1_s16(row + i), vld1_s16(x + i));
    int32_t total = vaddvq_s32(sum);
    for (; i < count; i++)
        total += row[i] * x[i];
    return total;
}

/* A pair of the panel's rows into four candidates' sums, half a tile at a time. */
static inline __attribute__((always_inline)) void multiply_pair(int32x4_t (*sum)[TILE],
                                                                const int16_t *const *rows,
                                                                size_t i, const int16_t *panel)
{
#pragma GCC unroll 2
    for (size_t half = 0; half < 2; half++) {
        const int16x8x2_t pair = vld2q_s16(panel + i * VQL_LANES + half * VQL_LANES);
#pragma GCC unroll 4
        for (size_t m = 0; m < HALF; m++) {
            int32x4_t *to = sum[m] + 2 * half;
            const int16_t even = rows[m][i];
            const int16_t odd = rows[m][i + 1];
            to[0] = vmlal_n_s16(to[0], vget_low_s16(pair.val[0]), even);
            to[1] = vmlal_n_s16(to[1], vget_high_s16(pair.val[0]), even);
            to[0] = vmlal_n_s16(to[0], vget_low_s16(pair.val[1]), odd);
            to[1] = vmlal_n_s16(to[1], vget_high_s16(pair.val[1]), odd);
        }
    }
}

/* o of a candidate from its sums. */
static void finish_int16(const int32x4_t *sum, int32_t total, const vql_fold_tile *fold, float *o)
{
    const float scale = total > 0 ? 1.0f / (float)total : 0.0f;
    for (size_t j = 0; j < TILE; j++) {
        const float32x4_t middle =
            total > 0 ? vld1q_f32(fold->centre + j * WIDTH) : vdupq_n_f32(0.0f);
        const float32x4_t scales = vmulq_n_f32(vld1q_f32(fold->scales + j * WIDTH), scale);
        vst1q_f32(o + j * WIDTH, vfmaq_f32(middle, vcvtq_f32_s32(sum[j]), scales));
    }
}

static void attend_int16(size_t count, const int16_t *const *rows, const vql_fold_tile *fold,
                         const vql_ahead *ahead, float *o, size_t stride, int32_t *totals)
{
    size_t step = 0;
    for (size_t m = 0; m < VQL_BLOCK; m++)
        totals[m] = total_int16(count, rows[m], fold->normalisers);
    for (size_t half = 0; half < VQL_BLOCK; half += HALF) {
        int32x4_t sum[HALF][TILE];
        for (size_t m = 0; m < HALF; m++)
            for (size_t j = 0; j < TILE; j++)
                sum[m][j] = vdupq_n_s32(0);
        for (size_t i = 0; i < count; i += 2) {
            if (i % 8 == 0)
                vql_ahead_step(ahead, step++);
            multiply_pair(sum, rows + half, i, fold->panel);
        }
        for (size_t m = 0; m < HALF; m++)
            finish_int16(sum[m], totals[half + m], fold, o + (half + m) * stride);
    }
    vql_ahead_rest(ahead, step);
}

static void quantize(size_t count, float factor, const float *x, int16_t *out)
{
    vql_portable_quantize(count, factor, x, out);
}

static void pack_int16(size_t count, const float *rows, size_t stride, const float *factors,
                       int16_t *panel)
{
    vql_portable_pack_int16(count, rows, stride, factors, panel);
}

const vql_kernels vql_kernels_neon = {
    .name = "neon",
    .axpy = axpy,
    .spread = spread,
    .combine_int8 = combine_int8,
    .exponential = exponential,
    .attend = attend,
    .attend_int16 = attend_int16,
    .product = product,
    .totals = totals,
    .rectify = vql_portable_rectify,
    .compact = vql_portable_compact,
    .compact_int16 = vql_portable_compact_int16,
    .quantize = quantize,
    .pack_int16 = pack_int16,
};
