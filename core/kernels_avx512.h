/*
 * What the two AVX-512 levels share: the kernels of the lower one.
 */
#ifndef VQL_CORE_KERNELS_AVX512_H
#define VQL_CORE_KERNELS_AVX512_H

#include <immintrin.h>

#include "kernels.h"

void vql_avx512_axpy(size_t count, float a, const float *x, float *sum);
void vql_avx512_spread(const vql_spread *to, size_t count, const vql_addend *addends,
                       const float *weights);
void vql_avx512_axpy_int8(size_t count, float a, const uint8_t *x, float *sum);
void vql_avx512_exponential(size_t count, float *x);
void vql_avx512_attend(size_t count, const float *const *rows, const vql_fold_tile *fold,
                       const vql_ahead *ahead, float *o, size_t stride);
void vql_avx512_product(size_t count, const float *const *rows, const float *panel, float *sums,
                        size_t stride);
void vql_avx512_totals(size_t count, const float *const *rows, const float *x, float *totals);
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

#endif
