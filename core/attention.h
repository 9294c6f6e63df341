/*
 * Attention (vql.md §6) of candidates, a block of VQL_BLOCK at a time, over a history that is
 * folded per head into a panel of values and a vector of normalisers:
 *
 *     o_h = centre + Σ_a e^{ŝ_a} values[a] / Σ_a e^{ŝ_a} normalisers[a]
 *
 * a runs over the codewords in use only. Where at least half are, the others have rows of zeros
 * and a candidate's weights are read where they lie in the catalog's table; else those in use are
 * picked out first.
 *
 * In integers, weights are steps of 1/32,767, and each column of the values, and the normalisers,
 * are scaled so that their sizes sum to 65,535: no sum can leave 32 bits, and all are exact. The
 * mean value is taken out of the values before they are rounded, and added again at the end: it is
 * a centre that all weights leave in place, so that rounding is relative to how far values lie
 * apart, not to how large they are, and a history of one event is exact.
 */
#ifndef VQL_CORE_ATTENTION_H
#define VQL_CORE_ATTENTION_H

#include <stdbool.h>
#include <stdint.h>

#include "catalog_data.h"
#include "kernels.h"
#include "scratch.h"

enum { VQL_CHUNK = 64 }; /* candidates that go through attention together */

/* A head's folded history. */
typedef struct vql_folded_head {
    uint32_t codewords;  /* K */
    uint32_t occupied;   /* codewords in use; of the rest nothing is set when it is 0 */
    bool whole;          /* whether the panel has rows for all codewords */
    uint32_t rows;       /* of the panel: K or occupied, rounded up to even */
    uint32_t *mask;      /* [K / 32, rounded up]: a bit for each codeword in use */
    void *values;        /* [columns / 16] panels of [rows][16] */
    void *normalisers;   /* [rows] */
    float *centre;       /* [columns] */
    float *scales;       /* [columns]: of integers */
    int32_t least_total; /* of integers: a lesser total is too inexact */
} vql_folded_head;

typedef struct vql_attention {
    const vql_tables *tables;
    const vql_kernels *kernels;
    vql_scoring_format format;
    uint32_t columns; /* d, rounded up to VQL_LANES */

    vql_folded_head *heads; /* [H] */

    /* Scratch of setting a head: the panel's rows, in ascending order of their codewords. */
    float *fold_values;      /* [max K + 1, columns] */
    float *fold_normalisers; /* [max K + 1] */

    /* Scratch of a block. */
    float *logits;        /* [VQL_BLOCK, weight_stride] */
    float *wide_weights;  /* [weight_stride] */
    void *weights;        /* [VQL_BLOCK, weight_stride] */
    size_t weight_stride; /* max K, rounded up to lanes and one more pair */
} vql_attention;

/* Takes room for a catalog's attention; nothing is folded before vql_attention_clear. */
void vql_attention_take(vql_attention *attention, const vql_tables *tables, vql_scratch *scratch);

/* An empty history. */
void vql_attention_clear(vql_attention *attention);

/* Whether the history is empty: every o is zero. */
bool vql_attention_is_clear(const vql_attention *attention);

/*
 * Sets a head's folded history: values [K, columns], what is beyond d being zero, and normalisers
 * [K], zero for codewords that are not in use.
 */
void vql_attention_set_head(vql_attention *attention, uint32_t head, const float *values,
                            const float *normalisers);

/*
 * o of a chunk of candidates by their rows, o[n · stride + j]: D numbers each, and up to VQL_LANES
 * more behind them that mean nothing, but are finite. count is a multiple of VQL_BLOCK, at most
 * VQL_CHUNK. more: whether rows has VQL_BLOCK more of the chunk that follows, whose weights are
 * fetched meanwhile.
 */
void vql_attention_chunk(vql_attention *attention, const uint32_t *rows, size_t count, bool more,
                         float *o, size_t stride);

#endif
