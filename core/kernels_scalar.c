/*
 * The reference: plain C, each sum in the order of its formula.
 */
#include <math.h>

#include "bf16.h"
#include "kernels_portable.h"

static void axpy(size_t count, float a, const float *restrict x, float *restrict sum)
{
    for (size_t j = 0; j < count; j++)
        sum[j] += a * x[j];
}

static void combine(size_t count, size_t terms, const float *a, const float *x, size_t stride,
                    float *restrict sum)
{
    for (size_t j = 0; j < count; j++)
        sum[j] = a[0] * x[j];
    for (size_t r = 1; r < terms; r++)
        axpy(count, a[r], x + r * stride, sum);
}

static void exponential(size_t count, float *x)
{
    for (size_t j = 0; j < count; j++)
        x[j] = expf(x[j]);
}

static void product(size_t count, const float *const *rows, const float *panel,
                    const vql_ahead *ahead, float *sums, size_t stride)
{
    vql_ahead_rest(ahead, 0);
    for (size_t m = 0; m < VQL_BLOCK; m++)
        for (size_t i = 0; i < count; i++)
            axpy(VQL_LANES, rows[m][i], panel + i * VQL_LANES, sums + m * stride);
}

static void product_bf16(size_t count, const uint16_t *const *rows, const uint16_t *panel,
                         const vql_ahead *ahead, float *sums, size_t stride)
{
    vql_ahead_rest(ahead, 0);
    for (size_t m = 0; m < VQL_BLOCK; m++) {
        for (size_t i = 0; i < count; i++) {
            const float weight = vql_bf16_to_float(rows[m][i]);
            const uint16_t *row = panel + i / 2 * 2 * VQL_LANES + i % 2;
            for (size_t j = 0; j < VQL_LANES; j++)
                sums[m * stride + j] += weight * vql_bf16_to_float(row[2 * j]);
        }
    }
}

static void totals(size_t count, const float *const *rows, const float *x, float *totals)
{
    for (size_t m = 0; m < VQL_BLOCK; m++) {
        totals[m] = 0.0f;
        for (size_t i = 0; i < count; i++)
            totals[m] += rows[m][i] * x[i];
    }
}

static void totals_bf16(size_t count, const uint16_t *const *rows, const uint16_t *x, float *totals)
{
    for (size_t m = 0; m < VQL_BLOCK; m++) {
        totals[m] = 0.0f;
        for (size_t i = 0; i < count; i++)
            totals[m] += vql_bf16_to_float(rows[m][i]) * vql_bf16_to_float(x[i]);
    }
}

void vql_portable_compact(size_t count, const uint32_t *mask, const float *x, float *out)
{
    for (size_t word = 0; word < (count + 31) / 32; word++)
        for (uint32_t bits = mask[word]; bits != 0; bits &= bits - 1)
            *out++ = x[word * 32 + (size_t)__builtin_ctz(bits)];
}

void vql_portable_compact_bf16(size_t count, const uint32_t *mask, const uint16_t *x,
                               uint16_t *out)
{
    for (size_t word = 0; word < (count + 31) / 32; word++)
        for (uint32_t bits = mask[word]; bits != 0; bits &= bits - 1)
            *out++ = x[word * 32 + (size_t)__builtin_ctz(bits)];
}

void vql_portable_narrow(size_t count, const float *x, uint16_t *out)
{
    for (size_t j = 0; j < count; j++)
        out[j] = vql_bf16_from_float(x[j]);
}

void vql_portable_pack_bf16(size_t count, const float *rows, size_t stride, uint16_t *panel)
{
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < VQL_LANES; j++)
            panel[(i / 2 * VQL_LANES + j) * 2 + i % 2] = vql_bf16_from_float(rows[i * stride + j]);
}

const vql_kernels vql_kernels_scalar = {
    .name = "scalar",
    .axpy = axpy,
    .combine = combine,
    .exponential = exponential,
    .product = product,
    .product_bf16 = product_bf16,
    .totals = totals,
    .totals_bf16 = totals_bf16,
    .compact = vql_portable_compact,
    .compact_bf16 = vql_portable_compact_bf16,
    .narrow = vql_portable_narrow,
    .pack_bf16 = vql_portable_pack_bf16,
};
