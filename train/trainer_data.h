/*
 * What a trainer consists of, for the files that make it up.
 */
#ifndef VQL_TRAIN_TRAINER_DATA_H
#define VQL_TRAIN_TRAINER_DATA_H

#include "batch.h"
#include "census.h"
#include "crew.h"
#include "pass.h"
#include "trainer.h"

/* Where the training stands; checkpoints hold it as STATE_U64 and STATE_F64. */
typedef struct trainer_progress {
    uint64_t step;       /* done, in all */
    uint64_t epoch;      /* that is under way */
    uint64_t epoch_step; /* done in it */
    uint64_t quantized;  /* 0 or 1: of the model */
    uint64_t judged;     /* 0 or 1: there is a best epoch */
    uint64_t worse;      /* epochs since the best one */
    uint64_t best_quantized;
    uint64_t ended; /* 0 or 1: for want of patience */
} trainer_progress;

typedef struct trainer_sums {
    double best;       /* validation */
    double loss;       /* of the epoch's steps, by impressions */
    double commitment; /* likewise */
    double impressions;
    double seconds;
    double operations;
} trainer_sums;

struct trainer {
    const dataset *data;
    train_model *model;
    train_crew *crew;
    train_history *history;
    train_batch *batch;
    train_pass *pass;
    train_census census;
    trainer_progress progress;
    trainer_sums sums;
    uint64_t reseeded[TRAIN_MAX_GROUPS]; /* in the epoch */
    uint64_t epoch_steps, steps;         /* planned */
    double peak;                         /* operations a second, at most */
    uint32_t *order;                     /* [training impressions]: of the epoch under way */
    uint32_t *picks;                     /* [batch] */
    float *best[TRAIN_MAX_PARAMETERS];   /* the best epoch's values */
    train_codebook best_codebooks[TRAIN_MAX_GROUPS];
};

/* Keeps the model as the best one. */
void trainer_keep(trainer *t);

/* Writes the health of the codebooks [G], but for what was re-seeded. */
void trainer_examine(trainer *t, trainer_health *health);

#endif
