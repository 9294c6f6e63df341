/*
 * One pass over a batch: forward to logits, and backward to the gradients of every parameter.
 *
 * Keys, values and codes are computed once for every distinct row of the batch. Then each thread
 * has neighbouring moments, whose attention, head and loss it computes forward and backward without
 * waiting for another; last the slopes of rows are summed over the threads, in their order, and
 * handed to the projections and the embeddings.
 */
#ifndef VQL_TRAIN_PASS_H
#define VQL_TRAIN_PASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "batch.h"
#include "crew.h"
#include "kernel.h"
#include "loops.h"
#include "model.h"
#include "train_memory.h"

/* What a thread has for itself. */
typedef struct pass_thread {
    crew_part moments;                      /* of the batch */
    crew_part impressions;                  /* of those moments */
    float *key_slopes;                      /* [row_count, D]: of the keys that attention saw */
    float *value_slopes;                    /* [row_count, D] */
    float *gradients[TRAIN_MAX_PARAMETERS]; /* of weights and biases; NULL for other parameters */
    double decay_slopes[TRAIN_MAX_KERNELS]; /* of λ */
    double *mixture_slopes;                 /* of w: [H, R] */
    double loss;                            /* Σ BCE */
    double commitment;                      /* Σ of rows' counts times ‖k - C_z‖² */
    double operations; /* of attention in this pass: multiplications and additions */
    memory_buffer slope_room, rows_room, kappa_room, map_room, column_room, gather_room, block_room,
        pointer_room, head_room, select_room, search_room, chunk_room, cache_room, view_room,
        stack_room, debt_room;
} pass_thread;

typedef struct train_pass {
    train_model *model;
    const train_batch *batch;
    const train_loops *loops;
    train_crew *crew;
    uint64_t step;     /* for dropout */
    bool backward;     /* whether gradients are wanted; without, there is no dropout either */
    bool quantized;    /* whether attention is over codewords */
    double operations; /* of this pass, multiplications and additions, that are needed */
    train_kernel kernel;
    float *mixture; /* w: [H, R] */

    /* By slot. */
    float *row_inputs;        /* x: [row_count, X + E_a] */
    float *keys;              /* k: [row_count, D] */
    float *key_scales;        /* 1 / the root mean square before the norm: [row_count, H] */
    float *values;            /* v: [row_count, D] */
    uint32_t *codes;          /* z: [row_count, G]; when quantized */
    float *seen_keys;         /* what attention sees: k or k̂ */
    float *seen_values;       /* v, or the codeword's mean with quantize_values */
    uint64_t *row_signatures; /* [row_count, H]: of ATTENTION_HASH */

    /* By impression. */
    float *inputs;        /* h_0 = x ‖ o: [count, X + D] */
    float *queries;       /* q: [count, D] */
    float *query_scales;  /* [count, H] */
    uint64_t *signatures; /* [count, H] */
    float *logits;        /* [count, T] */

    float *input_slopes; /* [count, X + D] */
    float *query_slopes; /* [count, D] */
    float *row_slopes;   /* of x: [row_count, X + E_a] */

    float *planes; /* [H, HASH_BITS, X]: of ATTENTION_HASH */
    uint32_t threads;
    pass_thread *thread; /* [threads] */
    memory_buffer row_room, code_room, signature_room, impression_room, slope_room;
} train_pass;

train_pass *pass_new(train_model *model, train_crew *crew);
void pass_free(train_pass *pass);

/*
 * Computes the logits of the batch, which are valid until the next pass; with attention over
 * codewords, if the model has them, or else over keys.
 */
void pass_forward(train_pass *pass, const train_batch *batch, bool quantized);

/*
 * Computes the logits, and writes the gradient of the mean loss of the batch to every parameter.
 * Returns that loss, without the commitment; *commitment is Σ_g mean ‖k - C_z‖² / D.
 */
double pass_train(train_pass *pass, const train_batch *batch, uint64_t step, double *commitment);

#endif
