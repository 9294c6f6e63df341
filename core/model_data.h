/*
 * What a model is made of, for the files of core/ alone. All matrices are row-major float32,
 * whatever the file held.
 */
#ifndef VQL_CORE_MODEL_DATA_H
#define VQL_CORE_MODEL_DATA_H

#include "vql/model.h"

/* A static field: item i's values are indices[offsets[i] … offsets[i+1]), rows of embedding. */
typedef struct vql_field {
    char name[VQL_MAX_NAME_BYTES + 1];
    uint32_t width;    /* E_f */
    uint32_t values;   /* V */
    float *embedding;  /* [V, E_f] */
    uint32_t *offsets; /* [I+1], ascending */
    uint32_t *indices; /* [offsets[I]], each < V */
} vql_field;

typedef struct vql_layer {
    uint32_t inputs, outputs;
    float *weight; /* [outputs, inputs] */
    float *bias;   /* [outputs] */
} vql_layer;

struct vql_model {
    vql_allocator allocator;
    vql_shape shape;
    uint64_t fingerprint;
    size_t bytes;
    double rms_epsilon;

    char name[VQL_MAX_NAME_BYTES + 1];
    char (*tasks)[VQL_MAX_NAME_BYTES + 1];       /* [T] */
    char (*event_types)[VQL_MAX_NAME_BYTES + 1]; /* [A] */

    uint64_t *item_ids;    /* [I]; item_ids[0] is ignored */
    uint32_t item_width;   /* E */
    float *item_embedding; /* [I, E] */
    uint32_t field_count;
    vql_field *fields; /* in the order of x's parts, after the item embedding */

    float *type_embedding; /* [A, E_a] */
    float *query_weight;   /* [D, X] */
    float *key_weight;     /* [D, X+E_a] */
    float *value_weight;   /* [D, X+E_a] */

    uint32_t *codewords;  /* [G]: K_g */
    float **codebooks;    /* [G] of [K_g, D_g] */
    float *decay;         /* [R]: λ_r per hour, ascending */
    float *kernel_weight; /* [H, R]: w_{h,r} */

    uint32_t layer_count;
    vql_layer *layers; /* the first takes X+D inputs, the last gives T outputs */
};

/* The mean of some of a field's values, each < V: E_f numbers, zeros if there are none. */
void vql_field_mean(const vql_field *field, const uint32_t *values, size_t count, double *mean);

/* x_i of a row < I, in float64: X numbers. */
void vql_model_item(const vql_model *model, uint32_t row, double *x);

/* e_a of an event type < A, in float64: E_a numbers. */
void vql_model_type(const vql_model *model, uint32_t event_type, double *e);

#endif
