#include "cache_codec.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "vql/model.h"

enum {
    EXPONENT_BIAS = 127,
    EXPONENT_MOST = 254,
    BLOCK = 256, /* numbers rounded at a time */
};

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The next of a sequence of 64 random bits (splitmix64). */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* 16 random bits for the number at an index, from 32 that are drawn once a slice. */
static uint32_t dither_bits(uint32_t seed, size_t index)
{
    uint32_t z = seed + (uint32_t)index * UINT32_C(0x9e3779b9);
    z = (z ^ z >> 16) * UINT32_C(0x85ebca6b);
    z = (z ^ z >> 13) * UINT32_C(0xc2b2ae35);
    return z >> 16;
}

/* 2^(exponent - 127) for 0 <= exponent <= 254. */
static float step_of(uint32_t exponent)
{
    return exponent == 0 ? 0x1p-127f : float_of(exponent << 23);
}

/* 2^(127 - exponent); the largest float power of two where that is beyond a float. */
static float inverse_step_of(uint32_t exponent)
{
    return exponent == EXPONENT_MOST ? 0x1p-127f : float_of((EXPONENT_MOST - exponent) << 23);
}

/* What is beyond a float's range, at its end. */
static float clamped(float sum)
{
    const float above = sum < FLT_MAX ? sum : FLT_MAX;
    return above > -FLT_MAX ? above : -FLT_MAX;
}

static bool is_block(vql_cache_format format)
{
    return format == VQL_CACHE_INT16 || format == VQL_CACHE_INT8;
}

/* Bytes of S, without an exponent. */
static size_t sum_bytes(vql_cache_format format, size_t group_width)
{
    return format == VQL_CACHE_INT8 ? group_width : 2 * group_width;
}

size_t vql_codec_slice_bytes(vql_cache_format format, size_t group_width)
{
    if (format == VQL_CACHE_FP32)
        return (group_width + 1) * (sizeof(float) + sizeof(uint16_t));
    return sum_bytes(format, group_width) + (is_block(format) ? 1 : 0) + VQL_N_BYTES;
}

/* ---- n ---- */

static void store_n(uint8_t *at, float n, uint32_t dither)
{
    const uint32_t low = dither & ((UINT32_C(1) << VQL_N_DROPPED_BITS) - 1);
    const uint32_t bits = (bits_of(fminf(n, 0x1p127f)) + low) >> VQL_N_DROPPED_BITS;
    at[0] = (uint8_t)bits;
    at[1] = (uint8_t)(bits >> 8);
    at[2] = (uint8_t)(bits >> 16);
}

static uint8_t *n_of(vql_cache_format format, size_t group_width, uint8_t *slice)
{
    return slice + vql_codec_slice_bytes(format, group_width) - VQL_N_BYTES;
}

/* ---- floats with remainders ---- */

static double load_exact(const uint8_t *slice, size_t count, size_t j)
{
    float sum;
    uint16_t remainder;
    memcpy(&sum, slice + j * sizeof sum, sizeof sum);
    memcpy(&remainder, slice + count * sizeof sum + j * sizeof remainder, sizeof remainder);
    return (double)sum + (double)float_of((uint32_t)remainder << 16);
}

static void store_exact(uint8_t *slice, size_t count, size_t j, double exact)
{
    const float sum = (float)exact;
    const uint32_t bits = bits_of((float)(exact - (double)sum));
    const uint16_t remainder = (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
    memcpy(slice + j * sizeof sum, &sum, sizeof sum);
    memcpy(slice + count * sizeof sum + j * sizeof remainder, &remainder, sizeof remainder);
}

static void add_exact(uint8_t *slice, size_t count, const double *addend)
{
    for (size_t j = 0; j < count; j++)
        store_exact(slice, count, j, load_exact(slice, count, j) + addend[j]);
    if (!((float)load_exact(slice, count, count - 1) >= FLT_MIN))
        memset(slice, 0, count * (sizeof(float) + sizeof(uint16_t)));
}

static void shift_exact(uint8_t *slice, size_t count, int shift)
{
    const double factor = ldexp(1.0, -shift);
    for (size_t j = 0; j < count; j++)
        store_exact(slice, count, j, factor * load_exact(slice, count, j));
    if (!((float)load_exact(slice, count, count - 1) >= FLT_MIN))
        memset(slice, 0, count * (sizeof(float) + sizeof(uint16_t)));
}

/* ---- bfloat16 ---- */

static void load_bf16(const uint8_t *slice, size_t count, float *sums)
{
    for (size_t j = 0; j < count; j++) {
        uint16_t upper;
        memcpy(&upper, slice + 2 * j, sizeof upper);
        sums[j] = float_of((uint32_t)upper << 16);
    }
}

static void store_bf16(uint8_t *slice, size_t count, const float *sums, uint32_t seed)
{
    for (size_t j = 0; j < count; j++) {
        const uint32_t bits = bits_of(sums[j]);
        const uint32_t rounded = bits + dither_bits(seed, j);
        const bool overflows = (rounded >> 23 & 0xff) == 0xff;
        const uint16_t upper = (uint16_t)((overflows ? bits : rounded) >> 16);
        memcpy(slice + 2 * j, &upper, sizeof upper);
    }
}

/* ---- integers with an exponent ---- */

static void load_block(vql_cache_format format, const uint8_t *slice, size_t count, float *sums)
{
    if (format == VQL_CACHE_INT8) {
        const float step = step_of(slice[count]);
        for (size_t j = 0; j < count; j++)
            sums[j] = step * (float)(int8_t)slice[j];
        return;
    }
    const float step = step_of(slice[2 * count]);
    for (size_t j = 0; j < count; j++) {
        int16_t q;
        memcpy(&q, slice + 2 * j, sizeof q);
        sums[j] = step * (float)q;
    }
}

/* The smallest exponent whose steps hold `most` >= 0 in `steps` of them. */
static uint32_t exponent_for(float most, float steps)
{
    if (!(most > 0.0f))
        return 0;
    int above;
    const float part =
        frexpf(most / steps, &above); /* most / steps = part · 2^above, part >= 1/2 */
    const int exponent = (part > 0.5f ? above : above - 1) + EXPONENT_BIAS;
    return exponent < 0 ? 0 : exponent > EXPONENT_MOST ? EXPONENT_MOST : (uint32_t)exponent;
}

static void store_block(vql_cache_format format, uint8_t *slice, size_t count, const float *sums,
                        uint32_t seed)
{
    const int most_steps = format == VQL_CACHE_INT8 ? INT8_MAX : INT16_MAX;
    float most = 0.0f;
    for (size_t j = 0; j < count; j++)
        most = fabsf(sums[j]) > most ? fabsf(sums[j]) : most;
    const uint32_t exponent = exponent_for(most, (float)most_steps);
    const float inverse = inverse_step_of(exponent);
    int32_t q[BLOCK];
    for (size_t first = 0; first < count; first += BLOCK) {
        const size_t left = count - first < BLOCK ? count - first : BLOCK;
        for (size_t j = 0; j < left; j++) {
            const float dither = (float)dither_bits(seed, first + j) * 0x1p-16f;
            /* A sum of at least 0 before the conversion, which cuts towards 0. */
            const float steps = sums[first + j] * inverse + (float)(most_steps + 1);
            const int32_t down = (int32_t)steps;
            const int32_t up = steps - (float)down > dither ? 1 : 0;
            const int32_t rounded = down + up - (most_steps + 1);
            q[j] = rounded > most_steps    ? most_steps
                   : rounded < -most_steps ? -most_steps
                                           : rounded;
        }
        if (format == VQL_CACHE_INT8) {
            for (size_t j = 0; j < left; j++)
                slice[first + j] = (uint8_t)q[j];
        } else {
            for (size_t j = 0; j < left; j++) {
                const int16_t narrow = (int16_t)q[j];
                memcpy(slice + 2 * (first + j), &narrow, sizeof narrow);
            }
        }
    }
    slice[sum_bytes(format, count)] = (uint8_t)exponent;
}

/* ---- every format ---- */

static void load_sums(vql_cache_format format, size_t count, const uint8_t *slice, float *sums)
{
    if (format == VQL_CACHE_BF16)
        load_bf16(slice, count, sums);
    else
        load_block(format, slice, count, sums);
}

void vql_codec_load(vql_cache_format format, size_t group_width, const uint8_t *slice, double scale,
                    float *numbers)
{
    if (format == VQL_CACHE_FP32) {
        for (size_t j = 0; j <= group_width; j++)
            numbers[j] = (float)(scale * load_exact(slice, group_width + 1, j));
        return;
    }
    load_sums(format, group_width, slice, numbers);
    for (size_t j = 0; j < group_width; j++)
        numbers[j] *= (float)scale;
    const size_t end = vql_codec_slice_bytes(format, group_width);
    numbers[group_width] = (float)scale * vql_codec_short_normaliser(slice + end - VQL_N_BYTES);
}

void vql_codec_combine(vql_cache_format format, size_t group_width, uint32_t kernels,
                       const uint8_t *row, const float *factors, vql_codec_part part, float *sums)
{
    const vql_kernels *loops = vql_kernels_active();
    const size_t slice_bytes = vql_codec_slice_bytes(format, group_width);
    if (format == VQL_CACHE_INT8) {
        float steps[VQL_MAX_KERNELS];
        for (uint32_t r = 0; r < kernels; r++)
            steps[r] = factors[r] * step_of(row[r * slice_bytes + group_width]);
        loops->combine_int8(part.count, kernels, steps, row + part.first, slice_bytes, sums);
        return;
    }
    for (uint32_t r = 0; r < kernels; r++) {
        float numbers[VQL_MAX_WIDTH + 1];
        vql_codec_load(format, group_width, row + r * slice_bytes, 1.0, numbers);
        loops->axpy(part.count, factors[r], numbers + part.first, sums);
    }
}

void vql_codec_add(vql_cache_format format, size_t group_width, uint8_t *slice,
                   const double *addend, uint64_t *random)
{
    if (format == VQL_CACHE_FP32) {
        add_exact(slice, group_width + 1, addend);
        return;
    }
    uint8_t *at = n_of(format, group_width, slice);
    const float n = vql_codec_short_normaliser(at) + (float)addend[group_width];
    if (!(n >= FLT_MIN)) {
        memset(slice, 0, vql_codec_slice_bytes(format, group_width));
        return;
    }
    float sums[VQL_MAX_WIDTH];
    load_sums(format, group_width, slice, sums);
    for (size_t j = 0; j < group_width; j++)
        sums[j] = clamped(sums[j] + (float)addend[j]);
    const uint64_t bits = next_random(random);
    const uint32_t seed = (uint32_t)(bits >> 32);
    if (format == VQL_CACHE_BF16)
        store_bf16(slice, group_width, sums, seed);
    else
        store_block(format, slice, group_width, sums, seed);
    store_n(at, n, (uint32_t)bits);
}

void vql_codec_shift(vql_cache_format format, size_t group_width, uint8_t *slice, int shift)
{
    if (format == VQL_CACHE_FP32) {
        shift_exact(slice, group_width + 1, shift);
        return;
    }
    uint8_t *at = n_of(format, group_width, slice);
    const float n = (float)ldexp((double)vql_codec_short_normaliser(at), -shift);
    if (!(n >= FLT_MIN)) {
        memset(slice, 0, vql_codec_slice_bytes(format, group_width));
        return;
    }
    store_n(at, n, 0);
    if (is_block(format)) {
        uint8_t *exponent = at - 1;
        if (*exponent >= shift)
            *exponent = (uint8_t)(*exponent - shift);
        else
            memset(slice, 0, sum_bytes(format, group_width) + 1);
        return;
    }
    const float factor = (float)ldexp(1.0, -shift);
    for (size_t j = 0; j < group_width; j++) {
        float sum;
        load_bf16(slice + 2 * j, 1, &sum);
        const uint16_t upper = (uint16_t)(bits_of(factor * sum) >> 16);
        memcpy(slice + 2 * j, &upper, sizeof upper);
    }
}

/* ---- validation ---- */

static bool is_n(float n)
{
    return isfinite(n) && (n == 0.0f || n >= FLT_MIN);
}

static size_t check_exact(const uint8_t *slice, size_t count)
{
    for (size_t j = 0; j < count; j++) {
        float sum;
        memcpy(&sum, slice + j * sizeof sum, sizeof sum);
        const double remainder = load_exact(slice, count, j) - (double)sum;
        if (!isfinite(sum) || !(fabs(remainder) <= fabs((double)sum) * 0x1p-24))
            return j;
        if (j == count - 1 && !is_n(sum))
            return j;
    }
    return count;
}

size_t vql_codec_check(vql_cache_format format, size_t group_width, const uint8_t *slice)
{
    if (format == VQL_CACHE_FP32)
        return check_exact(slice, group_width + 1);
    for (size_t j = 0; j < group_width; j++) {
        float sum = 0.0f;
        if (format == VQL_CACHE_BF16)
            load_bf16(slice + 2 * j, 1, &sum);
        if (!isfinite(sum) || (format == VQL_CACHE_INT8 && slice[j] == 0x80) ||
            (format == VQL_CACHE_INT16 && slice[2 * j] == 0 && slice[2 * j + 1] == 0x80))
            return j;
    }
    const size_t end = vql_codec_slice_bytes(format, group_width);
    const bool exponent = !is_block(format) || slice[end - VQL_N_BYTES - 1] <= EXPONENT_MOST;
    return exponent && is_n(vql_codec_short_normaliser(slice + end - VQL_N_BYTES)) ? group_width + 1
                                                                                   : group_width;
}
