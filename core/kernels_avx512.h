/*
 * What the two AVX-512 levels share: the kernels of the lower one.
 */
#ifndef VQL_CORE_KERNELS_AVX512_H
#define VQL_CORE_KERNELS_AVX512_H

#include <immintrin.h>

#include "kernels_portable.h"

void vql_avx512_axpy(size_t count, float a, const float *x, float *sum);
void vql_avx512_spread(const vql_spread *to, size_t count, const vql_addend *addends,
                       const float *weights);
void vql_avx512_combine_int8(size_t count, size_t terms, const float *a, const uint8_t *x,
                             size_t stride, float *sum);
void vql_avx512_exponential(size_t count, float *x);
void vql_avx512_attend(size_t count, const float *const *rows, const vql_fold_tile *fold,
                       const vql_ahead *ahead, float *o, size_t stride);
void vql_avx512_product(size_t count, const float *const *rows, const float *panel, float *sums,
                        size_t stride);
void vql_avx512_totals(size_t count, const float *const *rows, const float *x, float *totals);
void vql_avx512_quantize(size_t count, float factor, const float *x, int16_t *out);
void vql_avx512_pack_int16(size_t count, const float *rows, size_t stride, const float *factors,
                           int16_t *panel);
void vql_avx512_rectify(size_t count, float *x);
void vql_avx512_compact(size_t count, const uint32_t *mask, const float *x, float *out);

/*
 * A block's sums stay in registers from the first codeword to o; all of this is inlined, with loops
 * unrolled, so that sum[m] is a register.
 */
#define VQL_AVX512_INLINE static inline __attribute__((always_inline))

/* The lanes of the last `left` numbers. */
VQL_AVX512_INLINE __mmask16 vql_avx512_tail(size_t left)
{
    return (__mmask16)((1u << left) - 1u);
}

VQL_AVX512_INLINE void vql_avx512_clear(__m512 *sum)
{
#pragma GCC unroll 8
    for (size_t m = 0; m < VQL_BLOCK; m++)
        sum[m] = _mm512_setzero_ps();
}

VQL_AVX512_INLINE void vql_avx512_load(__m512 *sum, const float *sums, size_t stride)
{
#pragma GCC unroll 8
    for (size_t m = 0; m < VQL_BLOCK; m++)
        sum[m] = _mm512_loadu_ps(sums + m * stride);
}

VQL_AVX512_INLINE void vql_avx512_store(const __m512 *sum, float *sums, size_t stride)
{
#pragma GCC unroll 8
    for (size_t m = 0; m < VQL_BLOCK; m++)
        _mm512_storeu_ps(sums + m * stride, sum[m]);
}

/* The sum of each register's lanes. */
VQL_AVX512_INLINE __m256 vql_avx512_reduce(const __m512 *sum)
{
    float totals[VQL_BLOCK];
#pragma GCC unroll 8
    for (size_t m = 0; m < VQL_BLOCK; m++)
        totals[m] = _mm512_reduce_add_ps(sum[m]);
    return _mm256_loadu_ps(totals);
}

/* o = centre + sum / total, 0 where the total is. */
VQL_AVX512_INLINE void vql_avx512_finish(const __m512 *sum, __m256 totals, const float *centre,
                                         float *o, size_t stride)
{
    const __m512 middle = _mm512_loadu_ps(centre);
    const __mmask8 kept = _mm256_cmp_ps_mask(totals, _mm256_setzero_ps(), _CMP_GT_OQ);
    float scales[VQL_BLOCK];
    _mm256_storeu_ps(scales, _mm256_maskz_div_ps(kept, _mm256_set1_ps(1.0f), totals));
#pragma GCC unroll 8
    for (size_t m = 0; m < VQL_BLOCK; m++) {
        const __mmask16 all = kept >> m & 1 ? 0xffff : 0;
        const __m512 scale = _mm512_set1_ps(scales[m]);
        _mm512_storeu_ps(o + m * stride, _mm512_maskz_fmadd_ps(all, sum[m], scale, middle));
    }
}

/* sum + the products of pairs of 16-bit integers, in one instruction where there is one. */
VQL_AVX512_INLINE __m512i vql_avx512_dot(__m512i sum, __m512i a, __m512i b)
{
#ifdef __AVX512VNNI__
    return _mm512_dpwssd_epi32(sum, a, b);
#else
    return _mm512_add_epi32(sum, _mm512_madd_epi16(a, b));
#endif
}

/* Two rows of the panel, interleaved, into a block's sums. */
VQL_AVX512_INLINE void vql_avx512_multiply_pair(__m512i *sum, const int16_t *const *rows, size_t i,
                                                const int16_t *panel)
{
    const __m512i values = _mm512_loadu_si512(panel + i * VQL_LANES);
#pragma GCC unroll 8
    for (size_t m = 0; m < VQL_BLOCK; m++)
        sum[m] = vql_avx512_dot(sum[m], values, _mm512_set1_epi32(vql_load_pair(rows[m] + i)));
}

/* Weights times normalisers of 2 · VQL_LANES codewords, of which `mask` has the pairs. */
VQL_AVX512_INLINE void vql_avx512_add_totals(__m512i *total, const int16_t *const *rows, size_t i,
                                             const int16_t *normalisers, __mmask16 mask)
{
    const __m512i factor = _mm512_maskz_loadu_epi32(mask, normalisers + i);
#pragma GCC unroll 8
    for (size_t m = 0; m < VQL_BLOCK; m++)
        total[m] = vql_avx512_dot(total[m], _mm512_maskz_loadu_epi32(mask, rows[m] + i), factor);
}

/* The kernel attend_int16, line by line as vql_avx512_attend. */
VQL_AVX512_INLINE void vql_avx512_attend_pairs(size_t count, const int16_t *const *rows,
                                               const vql_fold_tile *fold, const vql_ahead *ahead,
                                               float *o, size_t stride, int32_t *totals)
{
    const int16_t *panel = fold->panel;
    const int16_t *row[VQL_BLOCK];
    __m512i sum[VQL_BLOCK];
    __m512i total[VQL_BLOCK];
#pragma GCC unroll 8
    for (size_t m = 0; m < VQL_BLOCK; m++) {
        row[m] = rows[m];
        sum[m] = total[m] = _mm512_setzero_si512();
    }
    size_t i = 0;
    for (; i + 2 * VQL_LANES <= count; i += 2 * VQL_LANES) {
        vql_ahead_line(ahead, i / (2 * VQL_LANES), true);
        vql_avx512_add_totals(total, row, i, fold->normalisers, 0xffff);
#pragma GCC unroll 4
        for (size_t j = 0; j < 2 * VQL_LANES; j += 2)
            vql_avx512_multiply_pair(sum, row, i + j, panel);
    }
    if (i < count)
        vql_avx512_add_totals(total, row, i, fold->normalisers, vql_avx512_tail((count - i) / 2));
    for (; i < count; i += 2)
        vql_avx512_multiply_pair(sum, row, i, panel);
    for (size_t line = count / (2 * VQL_LANES); line < ahead->lines; line++)
        vql_ahead_line(ahead, line, true);
    const __m512 scales = _mm512_loadu_ps(fold->scales);
    __m512 scaled[VQL_BLOCK];
#pragma GCC unroll 8
    for (size_t m = 0; m < VQL_BLOCK; m++) {
        totals[m] = _mm512_reduce_add_epi32(total[m]);
        scaled[m] = _mm512_mul_ps(_mm512_cvtepi32_ps(sum[m]), scales);
    }
    const __m256i whole = _mm256_loadu_si256((const __m256i *)(const void *)totals);
    vql_avx512_finish(scaled, _mm256_cvtepi32_ps(whole), fold->centre, o, stride);
}

#endif
