/*
 * AVX-512 F, BW and VL. A register is VQL_LANES floats; tails are masked.
 */
#include "kernels_avx512.h"
#include "kernels_portable.h"

void vql_avx512_axpy(size_t count, float a, const float *x, float *sum)
{
    const __m512 factor = _mm512_set1_ps(a);
    size_t j = 0;
    for (; j + VQL_LANES <= count; j += VQL_LANES) {
        const __m512 more = _mm512_loadu_ps(x + j);
        _mm512_storeu_ps(sum + j, _mm512_fmadd_ps(factor, more, _mm512_loadu_ps(sum + j)));
    }
    const __mmask16 mask = vql_avx512_tail(count - j);
    const __m512 more = _mm512_maskz_loadu_ps(mask, x + j);
    const __m512 old = _mm512_maskz_loadu_ps(mask, sum + j);
    _mm512_mask_storeu_ps(sum + j, mask, _mm512_fmadd_ps(factor, more, old));
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
    if (j == count)
        return;
    const __mmask16 mask = vql_avx512_tail(count - j);
    const __m512 last = _mm512_maskz_loadu_ps(mask, x + j);
    _mm512_mask_storeu_ps(x + j, mask, exponential_lanes(last));
}

/* One row of the panel into a block's sums. */
VQL_AVX512_INLINE void multiply_row(__m512 *sum, const float *const *rows, size_t i,
                                    const float *panel)
{
    const __m512 values = _mm512_loadu_ps(panel + i * VQL_LANES);
#pragma GCC unroll 8
    for (size_t m = 0; m < VQL_BLOCK; m++)
        sum[m] = _mm512_fmadd_ps(values, _mm512_set1_ps(rows[m][i]), sum[m]);
}

/* The whole panel into a block's sums, fetching *ahead meanwhile. */
VQL_AVX512_INLINE void multiply(size_t count, const float *const *rows, const float *panel,
                                const vql_ahead *ahead, __m512 *sum)
{
    const float *row[VQL_BLOCK];
#pragma GCC unroll 8
    for (size_t m = 0; m < VQL_BLOCK; m++)
        row[m] = rows[m];
    size_t i = 0;
    for (; i + 2 <= count; i += 2) {
        vql_ahead_step(ahead, i / 2);
        multiply_row(sum, row, i, panel);
        multiply_row(sum, row, i + 1, panel);
    }
    if (i < count)
        multiply_row(sum, row, i, panel);
    vql_ahead_rest(ahead, i / 2);
}

/* Weights times normalisers of the codewords from i to count, VQL_LANES at once. */
VQL_AVX512_INLINE void add_totals(size_t i, size_t count, const float *const *rows,
                                  const float *normalisers, __m512 *sum)
{
    for (; i < count; i += VQL_LANES) {
        const size_t left = count - i;
        const __mmask16 mask = left < VQL_LANES ? vql_avx512_tail(left) : (__mmask16)0xffff;
        const __m512 factor = _mm512_maskz_loadu_ps(mask, normalisers + i);
#pragma GCC unroll 8
        for (size_t m = 0; m < VQL_BLOCK; m++)
            sum[m] = _mm512_fmadd_ps(factor, _mm512_maskz_loadu_ps(mask, rows[m] + i), sum[m]);
    }
}

/*
 * Lane by lane and a line of weights at a time: the totals' loads bring the line into the
 * first-level cache, from which the values' take its numbers one by one.
 */
void vql_avx512_attend(size_t count, const float *const *rows, const vql_fold_tile *fold,
                       const vql_ahead *ahead, float *o, size_t stride)
{
    const float *panel = fold->panel;
    const float *normalisers = fold->normalisers;
    const float *row[VQL_BLOCK];
    __m512 sum[VQL_BLOCK];
    __m512 total[VQL_BLOCK];
    vql_avx512_clear(sum);
    vql_avx512_clear(total);
#pragma GCC unroll 8
    for (size_t m = 0; m < VQL_BLOCK; m++)
        row[m] = rows[m];
    size_t i = 0;
    for (; i + VQL_LANES <= count; i += VQL_LANES) {
        const __m512 factor = _mm512_loadu_ps(normalisers + i);
        vql_ahead_line(ahead, i / VQL_LANES, false);
#pragma GCC unroll 8
        for (size_t m = 0; m < VQL_BLOCK; m++)
            total[m] = _mm512_fmadd_ps(factor, _mm512_loadu_ps(row[m] + i), total[m]);
#pragma GCC unroll 4
        for (size_t j = 0; j < VQL_LANES; j++)
            multiply_row(sum, row, i + j, panel);
    }
    add_totals(i, count, row, normalisers, total);
    for (; i < count; i++)
        multiply_row(sum, row, i, panel);
    for (size_t line = count / VQL_LANES; line < ahead->lines; line++)
        vql_ahead_line(ahead, line, false);
    vql_avx512_finish(sum, vql_avx512_reduce(total), fold->centre, o, stride);
}

void vql_avx512_product(size_t count, const float *const *rows, const float *panel, float *sums,
                        size_t stride)
{
    __m512 sum[VQL_BLOCK];
    vql_avx512_load(sum, sums, stride);
    multiply(count, rows, panel, &vql_nothing_ahead, sum);
    vql_avx512_store(sum, sums, stride);
}

void vql_avx512_totals(size_t count, const float *const *rows, const float *x, float *totals)
{
    __m512 sum[VQL_BLOCK];
    vql_avx512_clear(sum);
    add_totals(0, count, rows, x, sum);
    _mm256_storeu_ps(totals, vql_avx512_reduce(sum));
}

static void attend_int16(size_t count, const int16_t *const *rows, const vql_fold_tile *fold,
                         const vql_ahead *ahead, float *o, size_t stride, int32_t *totals)
{
    vql_avx512_attend_pairs(count, rows, fold, ahead, o, stride, totals);
}

void vql_avx512_rectify(size_t count, float *x)
{
    const __m512 zero = _mm512_setzero_ps();
    size_t j = 0;
    for (; j + VQL_LANES <= count; j += VQL_LANES)
        _mm512_storeu_ps(x + j, _mm512_max_ps(_mm512_loadu_ps(x + j), zero));
    const __mmask16 mask = vql_avx512_tail(count - j);
    const __m512 last = _mm512_maskz_loadu_ps(mask, x + j);
    _mm512_mask_storeu_ps(x + j, mask, _mm512_max_ps(last, zero));
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
        _mm512_mask_storeu_ps(out, vql_avx512_tail(kept), packed);
        out += kept;
    }
}

const vql_kernels vql_kernels_avx512 = {
    .name = "avx512",
    .axpy = vql_avx512_axpy,
    .spread = vql_portable_spread,
    .combine_int8 = vql_portable_combine_int8,
    .exponential = vql_avx512_exponential,
    .attend = vql_avx512_attend,
    .attend_int16 = attend_int16,
    .product = vql_avx512_product,
    .totals = vql_avx512_totals,
    .rectify = vql_avx512_rectify,
    .compact = vql_avx512_compact,
    .compact_int16 = vql_portable_compact_int16,
    .quantize = vql_portable_quantize,
    .pack_int16 = vql_portable_pack_int16,
};
