/*
 * Codebooks in training: assignment of keys to codewords (vql.md §4), their start by k-means over
 * the running counts, and from then on their estimate from the keys that are assigned to them, as
 * an exponentially weighted mean.
 */
#ifndef VQL_TRAIN_CODEBOOK_H
#define VQL_TRAIN_CODEBOOK_H

#include "crew.h"
#include "loops.h"
#include "model.h"
#include "train_memory.h"

/* Writes the codes [count, G] of keys [count, D]: the nearest codeword, of equals the first. */
void codebook_assign(const train_model *model, const train_loops *loops, const float *keys,
                     size_t count, memory_buffer *room, uint32_t *codes);

/* Likewise the codes of one group: codes[i · G] is that of keys [count, D]'s row i. */
void codebook_assign_group(const train_model *model, const train_loops *loops, uint32_t group,
                           const float *keys, size_t count, memory_buffer *room, uint32_t *codes);

/* Keys with their weights: those of a batch, or all that were counted. */
typedef struct codebook_rows {
    size_t count;
    const float *keys;     /* k: [count, D] */
    const float *values;   /* v: [count, D] */
    const float *weights;  /* [count] */
    const uint32_t *codes; /* [count, G] */
} codebook_rows;

/* Starts the codebooks from the rows' keys (codes are not read): the model is quantized then. */
void codebook_begin(train_model *model, train_crew *crew, const codebook_rows *rows);

/*
 * N ← m N + (1 - m) n and M ← m M + (1 - m) Σ weight · k with the weights of the rows scaled so
 * that a codeword's mean is 1, then C = M / N; m is codebook_memory.
 */
void codebook_update(train_model *model, train_crew *crew, const codebook_rows *rows);

/*
 * Gives every codeword with N < 0.02 a key drawn with probability ∝ weight · ‖k - C_z‖², N = 0.2
 * and M = 0.2 C. Adds how many there were to counts [G].
 */
void codebook_reseed(train_model *model, const codebook_rows *rows, uint64_t step,
                     uint32_t *counts);

#endif
