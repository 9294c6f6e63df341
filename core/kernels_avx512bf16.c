/*
 * AVX-512 with BF16 and VBMI2: a dot product of pairs, twice as many multiply-adds an instruction
 * as in float32.
 */
#include "kernels_avx512.h"
#include "kernels_portable.h"

/* Two rows of the panel, interleaved, into a block's sums. */
VQL_AVX512_INLINE void multiply_pair(__m512 *sum, const uint16_t *const *rows, size_t i,
                                     const uint16_t *panel)
{
    const __m512bh values = (__m512bh)_mm512_loadu_si512(panel + i * VQL_LANES);
#pragma GCC unroll 8
    for (size_t m = 0; m < VQL_BLOCK; m++) {
        const __m512bh pair = (__m512bh)_mm512_set1_epi32(vql_load_pair(rows[m] + i));
        sum[m] = _mm512_dpbf16_ps(sum[m], values, pair);
    }
}

/* Weights times normalisers of the codewords from i to count, two a lane. */
VQL_AVX512_INLINE void add_totals(size_t i, size_t count, const uint16_t *const *rows,
                                  const uint16_t *normalisers, __m512 *sum)
{
    for (; i < count; i += 2 * VQL_LANES) {
        const size_t pairs = (count - i) / 2;
        const __mmask16 mask = pairs < VQL_LANES ? vql_avx512_tail(pairs) : (__mmask16)0xffff;
        const __m512bh factor = (__m512bh)_mm512_maskz_loadu_epi32(mask, normalisers + i);
#pragma GCC unroll 8
        for (size_t m = 0; m < VQL_BLOCK; m++) {
            const __m512bh weights = (__m512bh)_mm512_maskz_loadu_epi32(mask, rows[m] + i);
            sum[m] = _mm512_dpbf16_ps(sum[m], weights, factor);
        }
    }
}

/* By lines of weights, as vql_avx512_attend. */
static void attend_bf16(size_t count, const uint16_t *const *rows, const vql_fold_tile *fold,
                        const vql_ahead *ahead, float *o, size_t stride)
{
    const uint16_t *panel = fold->panel;
    const uint16_t *normalisers = fold->normalisers;
    const uint16_t *row[VQL_BLOCK];
    __m512 sum[VQL_BLOCK];
    __m512 total[VQL_BLOCK];
    vql_avx512_clear(sum);
    vql_avx512_clear(total);
#pragma GCC unroll 8
    for (size_t m = 0; m < VQL_BLOCK; m++)
        row[m] = rows[m];
    size_t i = 0;
    for (; i + 2 * VQL_LANES <= count; i += 2 * VQL_LANES) {
        const __m512bh factor = (__m512bh)_mm512_loadu_si512(normalisers + i);
        vql_ahead_line(ahead, i / (2 * VQL_LANES));
#pragma GCC unroll 8
        for (size_t m = 0; m < VQL_BLOCK; m++)
            total[m] =
                _mm512_dpbf16_ps(total[m], (__m512bh)_mm512_loadu_si512(row[m] + i), factor);
#pragma GCC unroll 4
        for (size_t j = 0; j < 2 * VQL_LANES; j += 2)
            multiply_pair(sum, row, i + j, panel);
    }
    add_totals(i, count, row, normalisers, total);
    for (; i < count; i += 2)
        multiply_pair(sum, row, i, panel);
    for (size_t line = count / (2 * VQL_LANES); line < ahead->lines; line++)
        vql_ahead_line(ahead, line);
    vql_avx512_finish(sum, vql_avx512_reduce(total), fold->centre, o, stride);
}

static void product_bf16(size_t count, const uint16_t *const *rows, const uint16_t *panel,
                         float *sums, size_t stride)
{
    const uint16_t *row[VQL_BLOCK];
    __m512 sum[VQL_BLOCK];
    vql_avx512_load(sum, sums, stride);
#pragma GCC unroll 8
    for (size_t m = 0; m < VQL_BLOCK; m++)
        row[m] = rows[m];
    for (size_t i = 0; i < count; i += 2)
        multiply_pair(sum, row, i, panel);
    vql_avx512_store(sum, sums, stride);
}

static void compact_bf16(size_t count, const uint32_t *mask, const uint16_t *x, uint16_t *out)
{
    for (size_t i = 0; i < count; i += 32) {
        const uint32_t bits = mask[i / 32];
        const unsigned kept = (unsigned)__builtin_popcount(bits);
        const __m512i all = _mm512_maskz_loadu_epi16(bits, x + i);
        const __mmask32 stored = (__mmask32)((UINT64_C(1) << kept) - 1);
        _mm512_mask_storeu_epi16(out, stored, _mm512_maskz_compress_epi16(bits, all));
        out += kept;
    }
}

static void narrow(size_t count, const float *x, uint16_t *out)
{
    size_t j = 0;
    for (; j + VQL_LANES <= count; j += VQL_LANES)
        _mm256_storeu_si256((__m256i *)(void *)(out + j),
                            (__m256i)_mm512_cvtneps_pbh(_mm512_loadu_ps(x + j)));
    vql_portable_narrow(count - j, x + j, out + j);
}

static void pack_bf16(size_t count, const float *rows, size_t stride, uint16_t *panel)
{
    for (size_t i = 0; i < count; i += 2) {
        const __m256bh even = _mm512_cvtneps_pbh(_mm512_loadu_ps(rows + i * stride));
        const __m256bh odd = _mm512_cvtneps_pbh(_mm512_loadu_ps(rows + (i + 1) * stride));
        const __m512i upper = _mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)odd), 16);
        const __m512i pairs = _mm512_or_si512(upper, _mm512_cvtepu16_epi32((__m256i)even));
        _mm512_storeu_si512(panel + i * VQL_LANES, pairs);
    }
}

const vql_kernels vql_kernels_avx512bf16 = {
    .name = "avx512bf16",
    .axpy = vql_avx512_axpy,
    .spread = vql_avx512_spread,
    .axpy_int8 = vql_avx512_axpy_int8,
    .exponential = vql_avx512_exponential,
    .attend = vql_avx512_attend,
    .attend_bf16 = attend_bf16,
    .product = vql_avx512_product,
    .product_bf16 = product_bf16,
    .totals = vql_avx512_totals,
    .rectify = vql_avx512_rectify,
    .compact = vql_avx512_compact,
    .compact_bf16 = compact_bf16,
    .narrow = narrow,
    .pack_bf16 = pack_bf16,
};
