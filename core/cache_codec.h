/*
 * How one kernel's slice of a row is kept: D_g numbers S, then n (vql.md §6), in one of the formats
 * of vql/cache.h. All are little-endian and without padding, so that a row in memory is a row of
 * the serialized form.
 *
 *   FP32   S ‖ n [D_g + 1] of 4 · remainders [D_g + 1] of 2
 *   BF16   S [D_g] of 2 · n of 3
 *   INT16  q [D_g] of 2 · exponent of 1 · n of 3           S = q · 2^(exponent - 127)
 *   INT8   q [D_g] of 1 · exponent of 1 · n of 3
 *
 * A remainder is what its float lacks to the exact sum, as the upper half of a float: together they
 * carry about 33 bits. An n of 3 bytes is a float without its sign and its last 7 bits: 17 bits of
 * precision. An n is 0 or at least FLT_MIN: what has decayed further is gone, S with it.
 *
 * Adding to a sum of few bits loses every addend below half a step when rounded to nearest ("signal
 * swamping", arXiv 2505.00347). Here what does not fit is rounded up or down at random, with the
 * probabilities that make the expected sum exact. An exponent is the smallest that holds the
 * slice's largest number, so that what is already there is rounded only when it grows.
 */
#ifndef VQL_CORE_CACHE_CODEC_H
#define VQL_CORE_CACHE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "kernels.h"
#include "vql/cache.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "rows are kept little-endian"
#endif

/* Bytes of a slice of D_g + 1 numbers. */
size_t vql_codec_slice_bytes(vql_cache_format format, size_t group_width);

/* numbers[j] = scale · slice[j], D_g + 1 of them. */
void vql_codec_load(vql_cache_format format, size_t group_width, const uint8_t *slice, double scale,
                    float *numbers);

enum {
    VQL_N_BYTES = 3,
    VQL_N_DROPPED_BITS = 7, /* of a float's */
};

/* The float that an n of 3 bytes stands for. */
static inline float vql_codec_short_normaliser(const uint8_t *at)
{
    const uint32_t number = (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16;
    const uint32_t bits = number << VQL_N_DROPPED_BITS;
    float n;
    memcpy(&n, &bits, sizeof n);
    return n;
}

/* n of a slice of `slice_bytes`. */
static inline float vql_codec_normaliser(vql_cache_format format, size_t group_width,
                                         size_t slice_bytes, const uint8_t *slice)
{
    if (format != VQL_CACHE_FP32)
        return vql_codec_short_normaliser(slice + slice_bytes - VQL_N_BYTES);
    float n;
    memcpy(&n, slice + group_width * sizeof n, sizeof n);
    return n;
}

/* Some of a slice's numbers S: `count` from `first` on. */
typedef struct vql_codec_part {
    size_t first, count;
} vql_codec_part;

/*
 * sums[j] += Σ_r factors[r] · S_r[first + j] for j < count, where S_r are `kernels` slices one
 * after the other: a row.
 */
void vql_codec_combine(vql_cache_format format, size_t group_width, uint32_t kernels,
                       const uint8_t *row, const float *factors, vql_codec_part part, float *sums);

/*
 * slice[j] += addend[j], D_g + 1 of them, and a slice whose n is then below FLT_MIN is cleared.
 * random: the state of the generator that rounds.
 */
void vql_codec_add(vql_cache_format format, size_t group_width, uint8_t *slice,
                   const double *addend, uint64_t *random);

/* slice[j] *= 2^-shift, shift >= 0: exact but for what falls below the format's range. */
void vql_codec_shift(vql_cache_format format, size_t group_width, uint8_t *slice, int shift);

/*
 * The index of the first number that no slice may hold: not finite, an n below FLT_MIN, a remainder
 * that is not one. D_g + 1 when all are good.
 */
size_t vql_codec_check(vql_cache_format format, size_t group_width, const uint8_t *slice);

#endif
