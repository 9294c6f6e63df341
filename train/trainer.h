/*
 * Trains a model: epochs of steps, a validation after each, the best kept. One thread calls; the
 * trainer has threads of its own, config.threads in all. The same seed, data and number of threads
 * give the same model, bit by bit, on one machine.
 */
#ifndef VQL_TRAIN_TRAINER_H
#define VQL_TRAIN_TRAINER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "dataset.h"
#include "model.h"

typedef struct trainer trainer;

/* After every step. */
typedef struct trainer_step {
    uint32_t epoch;         /* from 0 */
    uint64_t step, steps;   /* done since the start of training; planned in all */
    uint64_t epoch_step;    /* done in this epoch */
    uint64_t epoch_steps;   /* an epoch has */
    size_t impressions;     /* of the step */
    uint64_t events;        /* that their histories have together */
    double loss;            /* the mean of Σ_τ BCE over the impressions */
    double commitment_loss; /* Σ_g mean ‖k - C_z‖² / D, without β */
    double rate;            /* AdamW's, of this step */
} trainer_step;

/* A codebook's state, from the rows weighted by their running counts. */
typedef struct trainer_health {
    double perplexity; /* e^entropy of the codewords' use: 1 … K_g */
    uint32_t dead;     /* codewords that no counted row has */
    uint32_t reseeded; /* codewords re-seeded in the epoch */
    double key_error;  /* Σ ‖k - k̂‖² / Σ ‖k‖² */
} trainer_health;

/* After every epoch. */
typedef struct trainer_epoch {
    uint32_t epoch;
    bool quantized; /* whether attention was over codewords */
    double loss;    /* the means of the epoch's steps */
    double commitment_loss;
    double operations; /* of the steps: multiplications and additions that are needed */
    double peak;       /* so many a second the threads do at most, as measured at the start */
    double seconds;    /* of the steps, without validation */
    uint64_t impressions;
    double validation; /* what validate returned; NaN when there are no such impressions */
    bool best;         /* the model of this epoch is the best so far, and kept */
    uint32_t groups;
    trainer_health health[TRAIN_MAX_GROUPS]; /* all zeros unless quantized */
    uint32_t kernels;
    const float *decay;  /* λ [R]; during the call only */
    const float *weight; /* w [H, R] */
} trainer_epoch;

typedef struct trainer_hooks {
    void *context;
    void (*step)(void *context, const trainer_step *step); /* may be NULL */
    /*
     * Judges the logits [count, tasks] of the validation split: the larger the better, the mean of
     * the tasks' AUC for instance.
     */
    double (*validate)(void *context, const float *logits);
    void (*epoch)(void *context, const trainer_epoch *epoch); /* may be NULL */
    const atomic_bool *stop; /* when true, training ends after the step; may be NULL */
} trainer_hooks;

/* What a checkpoint holds, by name: restored in place into a trainer of the same configuration. */
typedef enum trainer_state_type { STATE_F32, STATE_F64, STATE_U64 } trainer_state_type;

typedef struct trainer_state {
    char name[TRAIN_NAME_BYTES + 16];
    trainer_state_type type;
    size_t count;
    void *data; /* [count] */
} trainer_state;

typedef enum trainer_end { TRAINER_DONE, TRAINER_STOPPED } trainer_end;

/* The configuration has been checked. data outlives the trainer. */
vql_code trainer_new(const train_config *config, const dataset *data, trainer **out,
                     vql_error *error);
void trainer_free(trainer *trainer);

/*
 * Trains from where it stands to the end, or until *stop. Stopped, it can go on with another call,
 * or be saved; all its state is between two steps.
 */
trainer_end trainer_run(trainer *trainer, const trainer_hooks *hooks);

/*
 * The logits [count, tasks] of impressions of the trainer's data, in their order, by the model as
 * it is now. `max_history` of 0 is the configuration's; a smaller one shortens histories.
 */
void trainer_score(trainer *trainer, const train_impression *impressions, size_t count,
                   uint32_t max_history, float *logits);

/* What attention over codewords does to o on some impressions: §9. */
typedef struct trainer_error {
    double logit_error;  /* the mean of ε over impressions and heads */
    double output_error; /* the mean of ‖ô - o‖ / diam{v}: at most bound */
    double bound;        /* the mean of tanh(ε / 2) */
    double worst;        /* the largest ‖ô - o‖ / (tanh(ε / 2) · diam{v}): at most 1 */
} trainer_error;

/*
 * Compares attention over codewords with attention over keys, on impressions in order of user and
 * time. The model must be quantized. diam is that of the head's values in the history, from above:
 * twice the largest distance from their mean.
 */
trainer_error trainer_measure_error(trainer *trainer, const train_impression *impressions,
                                    size_t count);

/* The model as it is now. */
const train_model *trainer_model(const trainer *trainer);

/* Puts the best epoch's values back into the model; false when no epoch was judged. */
bool trainer_restore_best(trainer *trainer);

/* Writes up to `room` entries; returns how many there are. */
size_t trainer_states(trainer *trainer, trainer_state *out, size_t room);

/*
 * After states were written into: takes them over. Returns VQL_OK, or VQL_VALUE when they do not
 * belong together.
 */
vql_code trainer_restored(trainer *trainer, vql_error *error);

#endif
