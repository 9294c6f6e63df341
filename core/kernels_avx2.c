/*
 * AVX2 with FMA. A tile is two registers wide and there are 16 registers, so that a block goes in
 * two halves of four candidates: eight sums.
 */
#include <immintrin.h>
#include <math.h>
#include <stdbool.h>

#include "kernels_portable.h"

enum {
    WIDTH = 8,
    HALF = VQL_BLOCK / 2,
};

static void axpy(size_t count, float a, const float *x, float *sum)
{
    const __m256 factor = _mm256_set1_ps(a);
    size_t j = 0;
    for (; j + WIDTH <= count; j += WIDTH) {
        const __m256 old = _mm256_loadu_ps(sum + j);
        _mm256_storeu_ps(sum + j, _mm256_fmadd_ps(factor, _mm256_loadu_ps(x + j), old));
    }
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
static inline __m256 exponential_lanes(__m256 x)
{
    const __m256 least = _mm256_set1_ps(VQL_EXP_LEAST);
    const __m256 kept = _mm256_cmp_ps(x, least, _CMP_GE_OQ);
    x = _mm256_max_ps(x, least);
    const __m256 n = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(VQL_EXP_INVERSE_LN2)),
                                     _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(VQL_EXP_LN2_HIGH), x);
    r = _mm256_fnmadd_ps(n, _mm256_set1_ps(VQL_EXP_LN2_LOW), r);
    __m256 polynomial = _mm256_set1_ps(vql_exp_terms[0]);
    for (size_t i = 1; i < VQL_EXP_TERMS; i++)
        polynomial = _mm256_fmadd_ps(polynomial, r, _mm256_set1_ps(vql_exp_terms[i]));
    const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
    const __m256i scaled = _mm256_add_epi32(_mm256_castps_si256(polynomial), exponent);
    return _mm256_and_ps(kept, _mm256_castsi256_ps(scaled));
}

static void exponential(size_t count, float *x)
{
    size_t j = 0;
    for (; j + WIDTH <= count; j += WIDTH)
        _mm256_storeu_ps(x + j, exponential_lanes(_mm256_loadu_ps(x + j)));
    for (; j < count; j++)
        x[j] = expf(x[j]);
}

/* sums += a product of tiles, fetching *ahead meanwhile. */
static void multiply(size_t count, const float *const *rows, const float *panel,
                     const vql_ahead *ahead, float *sums, size_t stride)
{
    size_t step = 0;
    for (size_t half = 0; half < VQL_BLOCK; half += HALF) {
        __m256 sum[HALF][2];
#pragma GCC unroll 4
        for (size_t m = 0; m < HALF; m++) {
            sum[m][0] = _mm256_loadu_ps(sums + (half + m) * stride);
            sum[m][1] = _mm256_loadu_ps(sums + (half + m) * stride + WIDTH);
        }
        for (size_t i = 0; i < count; i++) {
            const __m256 left = _mm256_loadu_ps(panel + i * VQL_LANES);
            const __m256 right = _mm256_loadu_ps(panel + i * VQL_LANES + WIDTH);
            if (i % 4 == 0)
                vql_ahead_step(ahead, step++);
#pragma GCC unroll 4
            for (size_t m = 0; m < HALF; m++) {
                const __m256 weight = _mm256_broadcast_ss(rows[half + m] + i);
                sum[m][0] = _mm256_fmadd_ps(left, weight, sum[m][0]);
                sum[m][1] = _mm256_fmadd_ps(right, weight, sum[m][1]);
            }
        }
#pragma GCC unroll 4
        for (size_t m = 0; m < HALF; m++) {
            _mm256_storeu_ps(sums + (half + m) * stride, sum[m][0]);
            _mm256_storeu_ps(sums + (half + m) * stride + WIDTH, sum[m][1]);
        }
    }
    vql_ahead_rest(ahead, step);
}

static inline float sum_lanes(__m256 x)
{
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

static void totals(size_t count, const float *const *rows, const float *x, float *totals)
{
    for (size_t m = 0; m < VQL_BLOCK; m++) {
        __m256 sum = _mm256_setzero_ps();
        size_t i = 0;
        for (; i + WIDTH <= count; i += WIDTH)
            sum = _mm256_fmadd_ps(_mm256_loadu_ps(rows[m] + i), _mm256_loadu_ps(x + i), sum);
        totals[m] = sum_lanes(sum);
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
        const __m256 scale = _mm256_set1_ps(kept ? 1.0f / divisors[m] : 0.0f);
        for (size_t j = 0; j < VQL_LANES; j += WIDTH) {
            const __m256 middle = kept ? _mm256_loadu_ps(centre + j) : _mm256_setzero_ps();
            const __m256 sum = _mm256_loadu_ps(sums + m * VQL_LANES + j);
            _mm256_storeu_ps(o + m * stride + j, _mm256_fmadd_ps(sum, scale, middle));
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

static inline __m256i load_lanes(const int16_t *x)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)x);
}

/* One pair of the panel's rows into four candidates' sums. */
static inline __attribute__((always_inline)) void multiply_pair(__m256i (*sum)[2],
                                                                const int16_t *const *rows,
                                                                size_t i, const int16_t *panel)
{
    const __m256i left = load_lanes(panel + i * VQL_LANES);
    const __m256i right = load_lanes(panel + i * VQL_LANES + 2 * WIDTH);
#pragma GCC unroll 4
    for (size_t m = 0; m < HALF; m++) {
        const __m256i pair = _mm256_set1_epi32(vql_load_pair(rows[m] + i));
        sum[m][0] = _mm256_add_epi32(sum[m][0], _mm256_madd_epi16(left, pair));
        sum[m][1] = _mm256_add_epi32(sum[m][1], _mm256_madd_epi16(right, pair));
    }
}

/* Σ_i row[i] · x[i]. */
static int32_t total_int16(size_t count, const int16_t *row, const int16_t *x)
{
    __m256i sum = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 2 * WIDTH <= count; i += 2 * WIDTH)
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(load_lanes(row + i), load_lanes(x + i)));
    int32_t lanes[WIDTH];
    _mm256_storeu_si256((__m256i *)(void *)lanes, sum);
    int32_t total = 0;
    for (size_t j = 0; j < WIDTH; j++)
        total += lanes[j];
    for (; i < count; i++)
        total += row[i] * x[i];
    return total;
}

/* o of a candidate from its sums. */
static void finish_int16(const __m256i *sum, int32_t total, const vql_fold_tile *fold, float *o)
{
    const __m256 scale = _mm256_set1_ps(total > 0 ? 1.0f / (float)total : 0.0f);
    for (size_t j = 0; j < 2; j++) {
        const __m256 middle =
            total > 0 ? _mm256_loadu_ps(fold->centre + j * WIDTH) : _mm256_setzero_ps();
        const __m256 scales = _mm256_mul_ps(scale, _mm256_loadu_ps(fold->scales + j * WIDTH));
        _mm256_storeu_ps(o + j * WIDTH,
                         _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[j]), scales, middle));
    }
}

static void attend_int16(size_t count, const int16_t *const *rows, const vql_fold_tile *fold,
                         const vql_ahead *ahead, float *o, size_t stride, int32_t *totals)
{
    size_t step = 0;
    for (size_t m = 0; m < VQL_BLOCK; m++)
        totals[m] = total_int16(count, rows[m], fold->normalisers);
    for (size_t half = 0; half < VQL_BLOCK; half += HALF) {
        __m256i sum[HALF][2];
#pragma GCC unroll 4
        for (size_t m = 0; m < HALF; m++)
            sum[m][0] = sum[m][1] = _mm256_setzero_si256();
        for (size_t i = 0; i < count; i += 2) {
            if (i % 8 == 0)
                vql_ahead_step(ahead, step++);
            multiply_pair(sum, rows + half, i, fold->panel);
        }
#pragma GCC unroll 4
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

const vql_kernels vql_kernels_avx2 = {
    .name = "avx2",
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
