/*
 * Scores of impressions by the serving core itself, as vqld computes them: each user's events are
 * appended to a cache one by one, and impressions are scored when they come.
 */
#ifndef VQL_TRAIN_SERVING_H
#define VQL_TRAIN_SERVING_H

#include <stddef.h>
#include <stdint.h>

#include "dataset.h"
#include "vql/cache.h"
#include "vql/catalog.h"

/* How a model's names and rows correspond to a data set's. */
typedef struct serving_match {
    uint32_t *rows; /* [data's rows]: the catalog's */
    uint32_t types[DATASET_MAX_EVENT_TYPES];
    uint32_t tasks;                      /* of the model */
    uint32_t columns[DATASET_MAX_TASKS]; /* [tasks]: the data's column of each task */
} serving_match;

/*
 * Matches by names and item ids. data was read with min_count 0, so that no item is folded but by
 * the model. Returns VQL_OK, VQL_NO_MEMORY, or VQL_MISMATCH when the model lacks an event type of
 * the data or the data lacks a task of the model.
 */
vql_code serving_match_make(const dataset *data, const vql_catalog *catalog, serving_match *out,
                            vql_error *error);
void serving_match_free(serving_match *match);

typedef struct serving_options {
    vql_cache_format format;
    uint32_t max_history; /* older events are removed from the cache again; 0: all are kept */
    uint32_t threads;     /* at least 1 */
    void (*progress)(void *context, size_t scored); /* may be NULL; from the calling thread */
    void *context;
} serving_options;

/*
 * Writes the logits [count, tasks] of a split's impressions. They do not depend on the number of
 * threads. Returns VQL_OK or VQL_NO_MEMORY.
 */
vql_code serving_score(const dataset *data, train_split split, const vql_catalog *catalog,
                       const serving_match *match, const serving_options *options, float *logits);

#endif
