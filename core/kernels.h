/*
 * The inner loops of scoring, behind a table of function pointers: one table a level of instruction
 * set, the scalar one the reference that the others are compared with. Shapes are the caller's
 * duty; nothing may alias unless said; no pointer needs an alignment beyond its type's.
 *
 * Attention over candidates and the layers of the head are one matrix product, made of tiles:
 *
 *     panel [count, 16]          VQL_LANES columns, one AVX-512 register wide: 16 is also the
 *                                width of a head in the usual shape
 *     rows  [VQL_BLOCK][count]   a block of candidates; each row anywhere in memory
 *     sums  [VQL_BLOCK, 16]      one register a candidate on AVX-512: eight sums in flight cover
 *                                the latency of a multiply-add, and share each load of the panel
 *
 * A row of the panel is loaded once and multiplied by one broadcast number of each candidate. In
 * 16-bit integers two rows are interleaved, so that a 32-bit lane holds the numbers of codewords 2i
 * and 2i + 1, which is what a dot-product instruction of pairs takes:
 *
 *     int16 panel [count / 2, 16, 2]
 *
 * Products of integers are summed exactly, in 32 bits: it is the caller's duty that every column's
 * and the normalisers' sizes sum to at most 65,535 and that no weight is negative, so that no sum
 * leaves them.
 */
#ifndef VQL_CORE_KERNELS_H
#define VQL_CORE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

#include "vql/kernels.h"

enum {
    VQL_BLOCK = 8,  /* candidates a tile */
    VQL_LANES = 16, /* columns a tile */
    VQL_LINE = 64,  /* bytes a cache line; memory is fetched and aligned by it */
};

/* A folded history, as far as one tile sees it, in the format of the kernel that takes it. */
typedef struct vql_fold_tile {
    const void *panel;
    const void *normalisers; /* n: [count] */
    const float *centre;     /* [VQL_LANES] */
    const float *scales;     /* [VQL_LANES]: of integers alone */
} vql_fold_tile;

/*
 * What will be read soon: `lines` cache lines from each of VQL_BLOCK addresses. attend asks for
 * them between its steps, a line or a block of lines at a time: all at once, they would wait for
 * each other. lines of 0: nothing.
 */
typedef struct vql_ahead {
    const void *rows[VQL_BLOCK];
    size_t lines;
} vql_ahead;

/* An event of a fold. */
typedef struct vql_addend {
    const float *item_value, *type_value; /* [D]: its value is the sum of both */
    const uint16_t *codes;                /* [G] */
} vql_addend;

/* A head's folded sums, to which events are spread by their codes in the head's group. */
typedef struct vql_spread {
    uint32_t group;
    uint32_t first;     /* the head's first column of a value */
    uint32_t width;     /* d */
    uint32_t columns;   /* numbers from one row of values to the next */
    float *values;      /* [K, columns] */
    float *normalisers; /* [K] */
} vql_spread;

typedef struct vql_kernels {
    const char *name;

    /* sum[j] += a · x[j] for j < count. */
    void (*axpy)(size_t count, float a, const float *x, float *sum);

    /*
     * Adds weights[i] · [v ‖ 1] of each of `count` events to the values and normaliser of its
     * codeword. A weight below FLT_MIN adds nothing.
     */
    void (*spread)(const vql_spread *to, size_t count, const vql_addend *addends,
                   const float *weights);

    /* sum[j] += Σ_{r < terms} a[r] · x[r · stride + j] for j < count, of signed bytes. */
    void (*combine_int8)(size_t count, size_t terms, const float *a, const uint8_t *x,
                         size_t stride, float *sum);

    /*
     * x[j] = e^{x[j]} for j < count, x[j] <= 88; what is below FLT_MIN may become 0. The same
     * number gives the same result wherever it stands, so that calls may be cut anywhere.
     */
    void (*exponential)(size_t count, float *x);

    /*
     * A tile of attention (vql.md §6) for a block of candidates:
     *
     *     o[m · stride + j] = centre[j] + Σ_i rows[m][i] · panel[i][j] / Σ_i rows[m][i] · n[i]
     *
     * for j < VQL_LANES and i < count; 0 where the divisor is 0. Fetches *ahead meanwhile.
     */
    void (*attend)(size_t count, const float *const *rows, const vql_fold_tile *fold,
                   const vql_ahead *ahead, float *o, size_t stride);

    /*
     * The same in integers, times the scales; count is even:
     *
     *     o[m · stride + j] = centre[j] + scales[j] · Σ_i rows[m][i] · panel[i][j] / totals[m]
     *
     * with totals[m] = Σ_i rows[m][i] · n[i], which are written too.
     */
    void (*attend_int16)(size_t count, const int16_t *const *rows, const vql_fold_tile *fold,
                         const vql_ahead *ahead, float *o, size_t stride, int32_t *totals);

    /* sums[m · stride + j] += Σ_{i < count} rows[m][i] · panel[i][j]: a tile of a layer. */
    void (*product)(size_t count, const float *const *rows, const float *panel, float *sums,
                    size_t stride);

    /* totals[m] = Σ_{i < count} rows[m][i] · x[i]. */
    void (*totals)(size_t count, const float *const *rows, const float *x, float *totals);

    /* x[j] = max(x[j], 0) for j < count. */
    void (*rectify)(size_t count, float *x);

    /* Writes x[i] of the bits i < count that are set in mask ([count / 32], rounded up). */
    void (*compact)(size_t count, const uint32_t *mask, const float *x, float *out);
    void (*compact_int16)(size_t count, const uint32_t *mask, const int16_t *x, int16_t *out);

    /* out[j] = factor · x[j], at most 32,767 in size, rounded to the nearest, for j < count. */
    void (*quantize)(size_t count, float factor, const float *x, int16_t *out);

    /*
     * Rounds VQL_LANES columns of `count` rows (an even number), `stride` numbers apart, times
     * factors [VQL_LANES], to an integer panel.
     */
    void (*pack_int16)(size_t count, const float *rows, size_t stride, const float *factors,
                       int16_t *panel);
} vql_kernels;

/* The table in use. */
const vql_kernels *vql_kernels_active(void);

/* The table of a level that is supported here, by name; NULL when there is none. */
const vql_kernels *vql_kernels_find(const char *name);

extern const vql_kernels vql_kernels_scalar;
#if defined(__x86_64__)
extern const vql_kernels vql_kernels_avx2;
extern const vql_kernels vql_kernels_avx512;
extern const vql_kernels vql_kernels_avx512vnni;
#elif defined(__aarch64__)
extern const vql_kernels vql_kernels_neon;
#endif

#endif
