/*
 * The loss of a model in training, computed in float64 straight from vql.md, one impression, event
 * and head after the other: what gradients are compared with, by central differences. Shares no
 * code with train/.
 */
#ifndef VQL_TESTS_TRAIN_REFERENCE_H
#define VQL_TESTS_TRAIN_REFERENCE_H

#include "dataset.h"
#include "model.h"

typedef struct train_reference {
    const train_model *model;
    const dataset *data;
    double *parameters[TRAIN_MAX_PARAMETERS]; /* the model's, to be changed at will */
    double *keys;    /* [I · A, D]: the keys at the parameters as they were at the start */
    double *values;  /* likewise */
    uint32_t *codes; /* [I · A, G]: frozen */
    double *weights; /* [I · A]: events of the row, once for each impression that sees them */
} train_reference;

/* Takes the model's parameters, and its codes if it is quantized. */
train_reference *reference_new(const train_model *model, const train_impressions *impressions);
void reference_free(train_reference *reference);

/*
 * The mean loss of the impressions, the commitment included. Straight-through: attention sees
 * k + (C_z - k), where what is in brackets stays as it was at the start.
 */
double reference_loss(const train_reference *reference, const train_impressions *impressions);

#endif
