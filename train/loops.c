/*
 * Built once a level, under the name LOOPS_TABLE, with that level's instructions. A vector is 64
 * bytes on every level; the compiler makes it of the registers that there are.
 */
#include "loops.h"

#include <stdint.h>

typedef float lanes __attribute__((vector_size(64), aligned(4), may_alias));
typedef int32_t lanes_bits __attribute__((vector_size(64), aligned(4), may_alias));
typedef uint32_t lanes_words __attribute__((vector_size(64), aligned(4), may_alias));

#define INLINE static inline __attribute__((always_inline))

enum {
#if defined(__AVX512F__)
    TILE_ROWS = 8, /* a tile's sums fill half of the registers */
#else
    TILE_ROWS = 4,
#endif
};

/* A tile of `rows` by 16 · vectors sums; both are constants where this is inlined. */
INLINE void product_tile(size_t rows, size_t vectors, size_t depth, loops_input a, loops_input b,
                         loops_matrix out)
{
    lanes sums[TILE_ROWS][2] = {{{0.0F}}};
    for (size_t k = 0; k < depth; k++) {
#pragma GCC unroll 2
        for (size_t v = 0; v < vectors; v++) {
            const lanes row = *(const lanes *)(b.at + k * b.stride + v * LOOPS_LANES);
#pragma GCC unroll 8
            for (size_t i = 0; i < rows; i++)
                sums[i][v] += a.at[i * a.stride + k] * row;
        }
    }
#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i++) {
#pragma GCC unroll 2
        for (size_t v = 0; v < vectors; v++)
            *(lanes *)(out.at + i * out.stride + v * LOOPS_LANES) = sums[i][v];
    }
}

INLINE void product_rows(size_t rows, size_t depth, size_t columns, loops_input a, loops_input b,
                         loops_matrix out)
{
    size_t j = 0;
    for (; j + (size_t)2 * LOOPS_LANES <= columns; j += (size_t)2 * LOOPS_LANES)
        product_tile(rows, 2, depth, a, (loops_input){b.at + j, b.stride},
                     (loops_matrix){out.at + j, out.stride});
    if (j < columns)
        product_tile(rows, 1, depth, a, (loops_input){b.at + j, b.stride},
                     (loops_matrix){out.at + j, out.stride});
}

static void product(size_t rows, size_t depth, size_t columns, loops_input a, loops_input b,
                    loops_matrix out)
{
    size_t i = 0;
    for (; i + TILE_ROWS <= rows; i += TILE_ROWS)
        product_rows(TILE_ROWS, depth, columns, (loops_input){a.at + i * a.stride, a.stride}, b,
                     (loops_matrix){out.at + i * out.stride, out.stride});
    if (rows - i >= TILE_ROWS / 2) {
        product_rows(TILE_ROWS / 2, depth, columns, (loops_input){a.at + i * a.stride, a.stride}, b,
                     (loops_matrix){out.at + i * out.stride, out.stride});
        i += TILE_ROWS / 2;
    }
    for (; i < rows; i++)
        product_rows(1, depth, columns, (loops_input){a.at + i * a.stride, a.stride}, b,
                     (loops_matrix){out.at + i * out.stride, out.stride});
}

/* As wide as the level's registers, so that chains of them stay there. */
#if defined(__AVX512F__)
typedef float whole_register __attribute__((vector_size(64)));
#elif defined(__AVX2__)
typedef float whole_register __attribute__((vector_size(32)));
#else
typedef float whole_register __attribute__((vector_size(16)));
#endif

enum {
    MULTIPLY_ADD_CHAINS = 12, /* that do not wait for each other */
    MULTIPLY_ADD_LANES = sizeof(whole_register) / sizeof(float),
};

static double multiply_add(size_t rounds, float factor, float *x)
{
    whole_register chains[MULTIPLY_ADD_CHAINS];
    const whole_register zero = {0.0F}, factors = zero + factor, ones = zero + 1.0F;
    for (size_t n = 0; n < MULTIPLY_ADD_CHAINS; n++)
        chains[n] = zero + *x + (float)n; /* what is the same would be computed once */
    for (size_t i = 0; i < rounds; i++) {
#pragma GCC unroll 12
        for (size_t n = 0; n < MULTIPLY_ADD_CHAINS; n++)
            chains[n] = chains[n] * factors + ones;
    }
    for (size_t n = 0; n < MULTIPLY_ADD_CHAINS; n++)
        *x += chains[n][0];
    return 2.0 * MULTIPLY_ADD_CHAINS * MULTIPLY_ADD_LANES * (double)rounds;
}

/* `count` rows of out, neighbours from k. */
INLINE void spread_tile(size_t count, size_t rows, size_t k, size_t j, loops_input a, loops_input b,
                        loops_matrix out)
{
    lanes sums[8];
#pragma GCC unroll 8
    for (size_t n = 0; n < count; n++)
        sums[n] = *(const lanes *)(out.at + (k + n) * out.stride + j);
    for (size_t i = 0; i < rows; i++) {
        const lanes row = *(const lanes *)(b.at + i * b.stride + j);
#pragma GCC unroll 8
        for (size_t n = 0; n < count; n++)
            sums[n] += a.at[i * a.stride + k + n] * row;
    }
#pragma GCC unroll 8
    for (size_t n = 0; n < count; n++)
        *(lanes *)(out.at + (k + n) * out.stride + j) = sums[n];
}

static void spread(size_t rows, size_t depth, size_t columns, loops_input a, loops_input b,
                   loops_matrix out)
{
    for (size_t j = 0; j < columns; j += LOOPS_LANES) {
        size_t k = 0;
        for (; k + 8 <= depth; k += 8)
            spread_tile(8, rows, k, j, a, b, out);
        for (; k < depth; k++)
            spread_tile(1, rows, k, j, a, b, out);
    }
}

/*
 * *x = e^{*x}, with a relative error of about 1e-7: 2^n · p(r), x = n ln 2 + r, |r| <= ln 2 / 2,
 * with the polynomial of Cephes' expf. Below -87 it is 0, above 88 as at 88.
 */
INLINE void exponential(lanes *x)
{
    const lanes zero = {0.0F};
    const lanes shift = zero + 0x1.8p23F; /* moves the units to the lowest bits */
    const lanes low = zero - 87.0F;
    const lanes high = zero + 88.0F;
    const lanes_bits alive = *x > low;
    const lanes_bits small = *x < high;
    lanes y = (lanes)(((lanes_bits)*x & small) | ((lanes_bits)high & ~small));
    const lanes shifted = y * 1.44269504F + shift;
    const lanes n = shifted - shift;
    y = y - n * 0.693359375F;
    y = y + n * 2.12194440e-4F;
    lanes p = y * 1.9875691500e-4F + 1.3981999507e-3F;
    p = p * y + 8.3334519073e-3F;
    p = p * y + 4.1665795894e-2F;
    p = p * y + 1.6666665459e-1F;
    p = p * y + 5.0000001201e-1F;
    p = p * (y * y) + y + 1.0F;
    const lanes_words power = ((lanes_words)shifted << 23) + (lanes_words)p;
    *x = (lanes)(power & (lanes_words)alive);
}

static float softmax(size_t columns, float factor, const float *weights, float *x)
{
    lanes sums = {0.0F};
    for (size_t j = 0; j < columns; j += LOOPS_LANES) {
        lanes e = *(const lanes *)(x + j) * factor;
        exponential(&e);
        e *= *(const lanes *)(weights + j);
        sums += e;
        *(lanes *)(x + j) = e;
    }
    float sum = 0.0F;
    for (size_t j = 0; j < LOOPS_LANES; j++)
        sum += sums[j];
    const float scale = sum > 0.0F ? 1.0F / sum : 0.0F;
    for (size_t j = 0; j < columns; j += LOOPS_LANES)
        *(lanes *)(x + j) *= scale;
    return sum;
}

static void softmax_slope(size_t columns, float offset, const float *x, float *slope, float *total)
{
    for (size_t j = 0; j < columns; j += LOOPS_LANES) {
        const lanes s = *(const lanes *)(x + j) * (*(const lanes *)(slope + j) - offset);
        *(lanes *)(slope + j) = s;
        *(lanes *)(total + j) += s;
    }
}

static void decay(size_t columns, float rate, const float *x, float *out)
{
    for (size_t j = 0; j < columns; j += LOOPS_LANES) {
        lanes e = *(const lanes *)(x + j) * -rate;
        exponential(&e);
        *(lanes *)(out + j) = e;
    }
}

static size_t nearest(size_t columns, const float *offsets, const float *x)
{
    lanes best = *(const lanes *)offsets - *(const lanes *)x;
    lanes_bits place = {0};
    for (size_t j = LOOPS_LANES; j < columns; j += LOOPS_LANES) {
        const lanes distance = *(const lanes *)(offsets + j) - *(const lanes *)(x + j);
        const lanes_bits nearer = distance < best;
        best = (lanes)(((lanes_bits)distance & nearer) | ((lanes_bits)best & ~nearer));
        place = (((place & 0) + (int32_t)j) & nearer) | (place & ~nearer);
    }
    size_t found = (size_t)place[0];
    float least = best[0];
    for (size_t j = 1; j < LOOPS_LANES; j++) {
        const size_t at = (size_t)place[j] + j;
        if (best[j] < least || (best[j] <= least && at < found)) {
            least = best[j];
            found = at;
        }
    }
    return found;
}

/*
 * A step of transposing 16 by 16: of each pair of rows that differ in one bit of their number, the
 * numbers whose place has that bit in the one change places with those of the other that have not.
 */
#define EXCHANGE(rows, bit, low, high)                                                             \
    for (size_t i = 0; i < LOOPS_LANES; i++)                                                       \
        if ((i & (bit)) == 0) {                                                                    \
            const lanes a = (rows)[i], b = (rows)[i | (bit)];                                      \
            (rows)[i] = __builtin_shufflevector(a, b, low);                                        \
            (rows)[i | (bit)] = __builtin_shufflevector(a, b, high);                               \
        }

#define LOW_1  0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30
#define HIGH_1 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31
#define LOW_2  0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29
#define HIGH_2 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31
#define LOW_4  0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27
#define HIGH_4 4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31
#define LOW_8  0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23
#define HIGH_8 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31

/* 16 rows' numbers from k to k + 15. */
INLINE void transpose_square(const float *const *from, size_t k, float *to, size_t stride)
{
    lanes rows[LOOPS_LANES];
#pragma GCC unroll 16
    for (size_t i = 0; i < LOOPS_LANES; i++)
        rows[i] = *(const lanes *)(from[i] + k);
#pragma GCC unroll 16
    EXCHANGE(rows, 1U, LOW_1, HIGH_1)
#pragma GCC unroll 16
    EXCHANGE(rows, 2U, LOW_2, HIGH_2)
#pragma GCC unroll 16
    EXCHANGE(rows, 4U, LOW_4, HIGH_4)
#pragma GCC unroll 16
    EXCHANGE(rows, 8U, LOW_8, HIGH_8)
#pragma GCC unroll 16
    for (size_t j = 0; j < LOOPS_LANES; j++)
        *(lanes *)(to + (k + j) * stride) = rows[j];
}

static void transpose(size_t count, size_t depth, const float *const *rows, loops_matrix out)
{
    const size_t squares = count / LOOPS_LANES * LOOPS_LANES;
    const size_t whole = depth / LOOPS_LANES * LOOPS_LANES;
    for (size_t i = 0; i < squares; i += LOOPS_LANES)
        for (size_t k = 0; k < whole; k += LOOPS_LANES)
            transpose_square(rows + i, k, out.at + i, out.stride);
    for (size_t i = 0; i < count; i++)
        for (size_t k = i < squares ? whole : 0; k < depth; k++)
            out.at[k * out.stride + i] = rows[i][k];
}

#define LOOPS_TEXT_OF(name) #name
#define LOOPS_TEXT(name)    LOOPS_TEXT_OF(name)

const train_loops LOOPS_TABLE = {
    .name = LOOPS_TEXT(LOOPS_TABLE),
    .product = product,
    .spread = spread,
    .softmax = softmax,
    .softmax_slope = softmax_slope,
    .decay = decay,
    .nearest = nearest,
    .multiply_add = multiply_add,
    .transpose = transpose,
};
