/*
 * AVX-512 with VNNI and VBMI2: a dot product of pairs of 16-bit integers, twice as many
 * multiply-adds an instruction as in float32, and their compression in a register.
 */
#include "kernels_avx512.h"
#include "kernels_portable.h"

static void attend_int16(size_t count, const int16_t *const *rows, const vql_fold_tile *fold,
                         const vql_ahead *ahead, float *o, size_t stride, int32_t *totals)
{
    vql_avx512_attend_pairs(count, rows, fold, ahead, o, stride, totals);
}

static void compact_int16(size_t count, const uint32_t *mask, const int16_t *x, int16_t *out)
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

const vql_kernels vql_kernels_avx512vnni = {
    .name = "avx512vnni",
    .axpy = vql_avx512_axpy,
    .spread = vql_avx512_spread,
    .combine_int8 = vql_avx512_combine_int8,
    .exponential = vql_avx512_exponential,
    .attend = vql_avx512_attend,
    .attend_int16 = attend_int16,
    .product = vql_avx512_product,
    .totals = vql_avx512_totals,
    .rectify = vql_avx512_rectify,
    .compact = vql_avx512_compact,
    .compact_int16 = compact_int16,
    .quantize = vql_avx512_quantize,
    .pack_int16 = vql_avx512_pack_int16,
};
