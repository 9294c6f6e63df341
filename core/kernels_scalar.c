/*
 * The reference: plain C, each sum in the order of its formula.
 */
#include <math.h>

#include "kernels_portable.h"

static void axpy(size_t count, float a, const float *restrict x, float *restrict sum)
{
    for (size_t j = 0; j < count; j++)
        sum[j] += a * x[j];
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

static void exponential(size_t count, float *x)
{
    for (size_t j = 0; j < count; j++)
        x[j] = expf(x[j]);
}

static void product(size_t count, const float *const *rows, const float *panel, float *sums,
                    size_t stride)
{
    for (size_t m = 0; m < VQL_BLOCK; m++)
        for (size_t i = 0; i < count; i++)
            axpy(VQL_LANES, rows[m][i], panel + i * VQL_LANES, sums + m * stride);
}

static void totals(size_t count, const float *const *rows, const float *x, float *totals)
{
    for (size_t m = 0; m < VQL_BLOCK; m++) {
        totals[m] = 0.0f;
        for (size_t i = 0; i < count; i++)
            totals[m] += rows[m][i] * x[i];
    }
}

/* o from both sums of a tile. */
static void finish(float (*sums)[VQL_LANES], const float *divisors, const float *centre, float *o,
                   size_t stride)
{
    for (size_t m = 0; m < VQL_BLOCK; m++) {
        const float scale = divisors[m] > 0.0f ? 1.0f / divisors[m] : 0.0f;
        for (size_t j = 0; j < VQL_LANES; j++)
            o[m * stride + j] = scale > 0.0f ? centre[j] + sums[m][j] * scale : 0.0f;
    }
}

static void attend(size_t count, const float *const *rows, const vql_fold_tile *fold,
                   const vql_ahead *ahead, float *o, size_t stride)
{
    float sums[VQL_BLOCK][VQL_LANES] = {{0.0f}};
    float divisors[VQL_BLOCK];
    vql_ahead_rest(ahead, 0);
    totals(count, rows, fold->normalisers, divisors);
    product(count, rows, fold->panel, sums[0], VQL_LANES);
    finish(sums, divisors, fold->centre, o, stride);
}

static void attend_int16(size_t count, const int16_t *const *rows, const vql_fold_tile *fold,
                         const vql_ahead *ahead, float *o, size_t stride, int32_t *totals)
{
    const int16_t *panel = fold->panel;
    const int16_t *normalisers = fold->normalisers;
    vql_ahead_rest(ahead, 0);
    for (size_t m = 0; m < VQL_BLOCK; m++) {
        int32_t sums[VQL_LANES] = {0};
        totals[m] = 0;
        for (size_t i = 0; i < count; i++) {
            const int32_t weight = rows[m][i];
            const int16_t *row = panel + i / 2 * 2 * VQL_LANES + i % 2;
            totals[m] += weight * normalisers[i];
            for (size_t j = 0; j < VQL_LANES; j++)
                sums[j] += weight * row[2 * j];
        }
        const float scale = totals[m] > 0 ? 1.0f / (float)totals[m] : 0.0f;
        for (size_t j = 0; j < VQL_LANES; j++)
            o[m * stride + j] =
                totals[m] > 0 ? fold->centre[j] + (float)sums[j] * scale * fold->scales[j] : 0.0f;
    }
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

void vql_portable_rectify(size_t count, float *x)
{
    for (size_t j = 0; j < count; j++)
        x[j] = x[j] > 0.0f ? x[j] : 0.0f;
}

void vql_portable_compact_int16(size_t count, const uint32_t *mask, const int16_t *x, int16_t *out)
{
    for (size_t word = 0; word < (count + 31) / 32; word++)
        for (uint32_t bits = mask[word]; bits != 0; bits &= bits - 1)
            *out++ = x[word * 32 + (size_t)__builtin_ctz(bits)];
}

void vql_portable_compact(size_t count, const uint32_t *mask, const float *x, float *out)
{
    for (size_t word = 0; word < (count + 31) / 32; word++)
        for (uint32_t bits = mask[word]; bits != 0; bits &= bits - 1)
            *out++ = x[word * 32 + (size_t)__builtin_ctz(bits)];
}

const vql_kernels vql_kernels_scalar = {
    .name = "scalar",
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
