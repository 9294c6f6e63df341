/*
 * AVX-512 F, BW and VL. A register is VQL_LANES floats; tails are masked.
 */
#include "kernels_avx512.h"

#include <immintrin.h>

#include "kernels_portable.h"

/* The lanes of the last `left` numbers. */
static inline __mmask16 tail_mask(size_t left)
{
    return (__mmask16)((1u << left) - 1u);
}

void vql_avx512_axpy(size_t count, float a, const float *x, float *sum)
{
    const __m512 factor = _mm512_set1_ps(a);
    size_t j = 0;
    for (; j + VQL_LANES <= count; j += VQL_LANES) {
        const __m512 more = _mm512_loadu_ps(x + j);
        _mm512_storeu_ps(sum + j, _mm512_fmadd_ps(factor, more, _mm512_loadu_ps(sum + j)));
    }
    const __mmask16 mask = tail_mask(count - j);
    const __m512 more = _mm512_maskz_loadu_ps(mask, x + j);
    const __m512 old = _mm512_maskz_loadu_ps(mask, sum + j);
    _mm512_mask_storeu_ps(sum + j, mask, _mm512_fmadd_ps(factor, more, old));
}

void vql_avx512_combine(size_t count, size_t terms, const float *a, const float *x, size_t stride,
                        float *sum)
{
    for (size_t j = 0; j < count; j += VQL_LANES) {
        const size_t left = count - j;
        const __mmask16 mask = left < VQL_LANES ? tail_mask(left) : (__mmask16)0xffff;
        __m512 total = _mm512_setzero_ps();
        for (size_t r = 0; r < terms; r++) {
            const __m512 term = _mm512_maskz_loadu_ps(mask, x + r * stride + j);
            total = _mm512_fmadd_ps(_mm512_set1_ps(a[r]), term, total);
        }
        _mm512_mask_storeu_ps(sum + j, mask, total);
    }
}

/* e^x as kernels_portable.h has it. */
static inline __m512 exponential_lanes(__m512 x)
{
    const __m512 least = _mm512_set1_ps(VQL_EXP_LEAST);
    const __mmask16 kept = _mm512_cmp_ps_mask(x, least, _CMP_GE_OQ);
    x = _mm512_max_ps(x, least);
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(VQL_EXP_INVERSE_LN2)),
                                          _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(VQL_EXP_LN2_HIGH), x);
    r = _mm512_fnmadd_ps(n, _mm512_set1_ps(VQL_EXP_LN2_LOW), r);
    __m512 polynomial = _mm512_set1_ps(vql_exp_terms[0]);
    for (size_t i = 1; i < VQL_EXP_TERMS; i++)
        polynomial = _mm512_fmadd_ps(polynomial, r, _mm512_set1_ps(vql_exp_terms[i]));
    return _mm512_maskz_scalef_ps(kept, polynomial, n);
}

void vql_avx512_exponential(size_t count, float *x)
{
    size_t j = 0;
    for (; j + VQL_LANES <= count; j += VQL_LANES)
        _mm512_storeu_ps(x + j, exponential_lanes(_mm512_loadu_ps(x + j)));
    const __mmask16 mask = tail_mask(count - j);
    const __m512 last = _mm512_maskz_loadu_ps(mask, x + j);
    _mm512_mask_storeu_ps(x + j, mask, exponential_lanes(last));
}

/* One row of the panel into a block's sums. */
static inline __attribute__((always_inline)) void
multiply_row(__m512 *sum, const float *const *rows, size_t i, const float *panel)
{
    const __m512 values = _mm512_loadu_ps(panel + i * VQL_LANES);
#pragma GCC unroll 8
    for (size_t m = 0; m < VQL_BLOCK; m++)
        sum[m] = _mm512_fmadd_ps(values, _mm512_set1_ps(rows[m][i]), sum[m]);
}

void vql_avx512_product(size_t count, const float *const *rows, const float *panel,
                        const vql_ahead *ahead, float *sums, size_t stride)
{
    const float *row[VQL_BLOCK];
    __m512 sum[VQL_BLOCK];
#pragma GCC unroll 8
    for (size_t m = 0; m < VQL_BLOCK; m++) {
        row[m] = rows[m];
        sum[m] = _mm512_loadu_ps(sums + m * stride);
    }
    size_t i = 0;
    for (; i + 2 <= count; i += 2) {
        vql_ahead_step(ahead, i / 2);
        multiply_row(sum, row, i, panel);
        multiply_row(sum, row, i + 1, panel);
    }
    if (i < count)
        multiply_row(sum, row, i, panel);
    vql_ahead_rest(ahead, i / 2);
#pragma GCC unroll 8
    for (size_t m = 0; m < VQL_BLOCK; m++)
        _mm512_storeu_ps(sums + m * stride, sum[m]);
}

/* The lower and upper halves of the pairs in 32-bit lanes, as floats. */
static inline __m512 lower(__m512i pairs)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
}

static inline __m512 upper(__m512i pairs)
{
    return _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32((int)0xffff0000)));
}

static void product_bf16(size_t count, const uint16_t *const *rows, const uint16_t *panel,
                         const vql_ahead *ahead, float *sums, size_t stride)
{
    __m512 sum[VQL_BLOCK];
#pragma GCC unroll 8
    for (size_t m = 0; m < VQL_BLOCK; m++)
        sum[m] = _mm512_loadu_ps(sums + m * stride);
    for (size_t i = 0; i < count; i += 2) {
        vql_ahead_step(ahead, i / 2);
        const __m512i values = _mm512_loadu_si512(panel + i * VQL_LANES);
        const __m512 even = lower(values);
        const __m512 odd = upper(values);
#pragma GCC unroll 8
        for (size_t m = 0; m < VQL_BLOCK; m++) {
            const __m512i pair = _mm512_set1_epi32(vql_load_pair(rows[m] + i));
            sum[m] = _mm512_fmadd_ps(even, lower(pair), sum[m]);
            sum[m] = _mm512_fmadd_ps(odd, upper(pair), sum[m]);
        }
    }
    vql_ahead_rest(ahead, count / 2);
#pragma GCC unroll 8
    for (size_t m = 0; m < VQL_BLOCK; m++)
        _mm512_storeu_ps(sums + m * stride, sum[m]);
}

void vql_avx512_totals(size_t count, const float *const *rows, const float *x, float *totals)
{
    __m512 sum[VQL_BLOCK];
#pragma GCC unroll 8
    for (size_t m = 0; m < VQL_BLOCK; m++)
        sum[m] = _mm512_setzero_ps();
    for (size_t i = 0; i < count; i += VQL_LANES) {
        const size_t left = count - i;
        const __mmask16 mask = left < VQL_LANES ? tail_mask(left) : (__mmask16)0xffff;
        const __m512 factor = _mm512_maskz_loadu_ps(mask, x + i);
#pragma GCC unroll 8
        for (size_t m = 0; m < VQL_BLOCK; m++)
            sum[m] = _mm512_fmadd_ps(factor, _mm512_maskz_loadu_ps(mask, rows[m] + i), sum[m]);
    }
#pragma GCC unroll 8
    for (size_t m = 0; m < VQL_BLOCK; m++)
        totals[m] = _mm512_reduce_add_ps(sum[m]);
}

static void totals_bf16(size_t count, const uint16_t *const *rows, const uint16_t *x, float *totals)
{
    __m512 sum[VQL_BLOCK];
#pragma GCC unroll 8
    for (size_t m = 0; m < VQL_BLOCK; m++)
        sum[m] = _mm512_setzero_ps();
    for (size_t i = 0; i < count; i += 2 * VQL_LANES) {
        const size_t pairs = (count - i) / 2;
        const __mmask16 mask = pairs < VQL_LANES ? tail_mask(pairs) : (__mmask16)0xffff;
        const __m512i factor = _mm512_maskz_loadu_epi32(mask, x + i);
        const __m512 even = lower(factor);
        const __m512 odd = upper(factor);
#pragma GCC unroll 8
        for (size_t m = 0; m < VQL_BLOCK; m++) {
            const __m512i pair = _mm512_maskz_loadu_epi32(mask, rows[m] + i);
            sum[m] = _mm512_fmadd_ps(even, lower(pair), sum[m]);
            sum[m] = _mm512_fmadd_ps(odd, upper(pair), sum[m]);
        }
    }
#pragma GCC unroll 8
    for (size_t m = 0; m < VQL_BLOCK; m++)
        totals[m] = _mm512_reduce_add_ps(sum[m]);
}

/*
 * Compressed in a register and stored under a mask: AVX-512's compressing store is an order of
 * magnitude slower on Zen 4.
 */
void vql_avx512_compact(size_t count, const uint32_t *mask, const float *x, float *out)
{
    for (size_t i = 0; i < count; i += VQL_LANES) {
        const uint32_t bits = mask[i / 32] >> (i % 32) & 0xffff;
        const unsigned kept = (unsigned)__builtin_popcount(bits);
        const __m512 all = _mm512_maskz_loadu_ps((__mmask16)bits, x + i);
        const __m512 packed = _mm512_maskz_compress_ps((__mmask16)bits, all);
        _mm512_mask_storeu_ps(out, tail_mask(kept), packed);
        out += kept;
    }
}

const vql_kernels vql_kernels_avx512 = {
    .name = "avx512",
    .axpy = vql_avx512_axpy,
    .combine = vql_avx512_combine,
    .exponential = vql_avx512_exponential,
    .product = vql_avx512_product,
    .product_bf16 = product_bf16,
    .totals = vql_avx512_totals,
    .totals_bf16 = totals_bf16,
    .compact = vql_avx512_compact,
    .compact_bf16 = vql_portable_compact_bf16,
    .narrow = vql_portable_narrow,
    .pack_bf16 = vql_portable_pack_bf16,
};
