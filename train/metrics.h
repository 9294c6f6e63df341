/*
 * How good scores are: area under the ROC curve, the same within users, and log loss; of a task's
 * impressions altogether and by the length of their histories.
 */
#ifndef VQL_TRAIN_METRICS_H
#define VQL_TRAIN_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "dataset.h"

/* Lengths METRICS_FIRST[b] … METRICS_FIRST[b + 1] - 1 are bucket b's; the last has no end. */
enum { METRICS_BUCKETS = 8 };
extern const uint32_t METRICS_FIRST[METRICS_BUCKETS];

typedef struct metrics {
    size_t count;     /* of impressions */
    size_t positives; /* of them with label 1 */
    /*
     * The probability that a positive has a higher score than a negative, equal ones counted half.
     * NaN unless there are both.
     */
    double auc;
    /* The mean of the users' AUC, weighted by impressions, of users that have both; or NaN. */
    double gauc;
    double log_loss; /* the mean of -log of the probability given to the label; NaN of nothing */
} metrics;

typedef struct metrics_report {
    uint32_t tasks;
    metrics all[DATASET_MAX_TASKS];
    metrics by_length[DATASET_MAX_TASKS][METRICS_BUCKETS];
} metrics_report;

/*
 * Judges logits [count, tasks] of impressions, which are in order of user as a data set's are, so
 * that label columns[t] goes with the logits of task t; columns NULL: column t. A logit that is no
 * number makes its figures NaN. Returns VQL_OK or VQL_NO_MEMORY.
 */
vql_code metrics_judge(const train_impression *impressions, size_t count, uint32_t tasks,
                       const uint32_t *columns, const float *logits, metrics_report *out);

/* The mean of the tasks' AUC: what training calls better. NaN when one has none. */
double metrics_mean_auc(const metrics_report *report);

/* Writes "1000 - 4999" or "20000 and more" of a bucket to out. */
void metrics_bucket_name(uint32_t bucket, char *out, size_t capacity);

#endif
