/*
 * A model in training on a small data set, with a batch of all its impressions.
 */
#ifndef VQL_TESTS_TRAIN_RIG_H
#define VQL_TESTS_TRAIN_RIG_H

#include "batch.h"
#include "crew.h"
#include "pass.h"
#include "train_fixture.h"

typedef struct train_rig {
    dataset *data;
    train_crew *crew;
    train_history *history;
    train_batch *batch;
    train_model *model;
    train_pass *pass;
} train_rig;

/* A small shape: D = 8, H = 4, G = 2, R = 2, one hidden layer; no warm phase. */
train_config rig_config(void);

/*
 * Weights and embeddings have the size that a trained model's have. VQL without a warm phase is
 * quantized, with codebooks made of all rows.
 */
train_rig rig_open(const train_config *config, const fixture_shape *shape);
void rig_close(train_rig *rig);

/* One pass over all impressions, with gradients; returns the loss with the commitment. */
double rig_train(train_rig *rig);

#endif
