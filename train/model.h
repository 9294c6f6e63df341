/*
 * The model in training: its parameters with their gradients and AdamW's moments, the codebooks,
 * and what they are estimated from. All matrices are row-major float32; a projection's and a
 * layer's are [outputs, inputs]. Names and shapes of parameters are those of docs/MODEL_FORMAT.md,
 * but for time.raw_decay [R] and time.raw_weight [H, R], of which λ = softplus and w = softmax.
 */
#ifndef VQL_TRAIN_MODEL_H
#define VQL_TRAIN_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "dataset.h"
#include "vql/error.h"

enum {
    TRAIN_NAME_BYTES = 96,
    TRAIN_MAX_PARAMETERS = DATASET_MAX_FIELDS + 2 * (TRAIN_MAX_HIDDEN + 1) + 7,
};

typedef enum train_rate { RATE_WEIGHT, RATE_EMBEDDING, RATE_KERNEL, RATE_FROZEN } train_rate;

typedef struct train_tensor {
    char name[TRAIN_NAME_BYTES];
    uint32_t rows, columns; /* a vector has 1 row */
    train_rate rate;
    float *value;    /* [rows, columns], and so are the others */
    float *gradient; /* of the last step */
    float *first;    /* AdamW's moments */
    float *second;
} train_tensor;

typedef struct train_codebook {
    uint32_t codewords; /* K_g */
    float *value;       /* C: [K_g, D_g] */
    float *mass;        /* N: [K_g] */
    float *sum;         /* M: [K_g, D_g] */
    float *value_sum;   /* [K_g, D_g]: of values, for quantize_values; else NULL */
} train_codebook;

typedef struct train_model {
    train_config config;
    const dataset *data;  /* outlives the model */
    uint32_t x_width;     /* X */
    uint32_t event_width; /* X + E_a */
    uint32_t head_width;  /* d */
    uint32_t group_width; /* D_g */
    uint32_t kernels;     /* R, at least 1: without a kernel λ = 0 and w = 1 */
    uint32_t layers;      /* of the head */

    uint32_t parameter_count;
    train_tensor parameters[TRAIN_MAX_PARAMETERS];
    train_tensor *item;                         /* item.embedding [I, E] */
    train_tensor *fields[DATASET_MAX_FIELDS];   /* field.NAME.embedding [V, E_f] */
    train_tensor *type;                         /* event_type.embedding [A, E_a] */
    train_tensor *query;                        /* attention.query.weight [D, X] */
    train_tensor *key;                          /* attention.key.weight [D, X + E_a] */
    train_tensor *value;                        /* attention.value.weight [D, X + E_a] */
    train_tensor *raw_decay;                    /* time.raw_decay [1, R] */
    train_tensor *raw_weight;                   /* time.raw_weight [H, R] */
    train_tensor *weight[TRAIN_MAX_HIDDEN + 1]; /* head.N.weight [out, in] */
    train_tensor *bias[TRAIN_MAX_HIDDEN + 1];   /* head.N.bias [1, out] */

    bool quantized; /* the codebooks exist: attention is over codewords from now on */
    train_codebook codebooks[TRAIN_MAX_GROUPS];
    float *counts; /* [I, A]: the running count of every (item, type) row */
} train_model;

/*
 * A model of the configuration, which has been checked, for the data, with weights drawn from the
 * seed. Returns VQL_OK, VQL_NO_MEMORY, or VQL_VALUE when the data's shape exceeds a limit.
 */
vql_code train_model_new(const train_config *config, const dataset *data, train_model **out,
                         vql_error *error);

/* NULL is allowed. */
void train_model_free(train_model *model);

/* λ [R] ascending, and w [H, R] in that order: the tensors time.decay and time.weight. */
void train_model_kernel(const train_model *model, float *decay, float *weight);

#endif
