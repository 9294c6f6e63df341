/*
 * The impressions of one step, in order of user and time, and what their histories consist of.
 *
 * A moment is the impressions of one user at one time: they have the same history with the same
 * weights of the temporal kernel. A slot is the number of a distinct row (history.h) in the batch.
 */
#ifndef VQL_TRAIN_BATCH_H
#define VQL_TRAIN_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "history.h"
#include "train_memory.h"

enum { BATCH_NO_SLOT = UINT32_MAX };

typedef struct train_moment {
    uint32_t user;
    uint32_t begin, end;   /* the user's events that are seen */
    uint32_t first, count; /* impressions */
} train_moment;

typedef struct train_batch {
    const dataset *data;
    const train_history *history;
    const train_impression **impressions; /* [count] */
    size_t count;
    train_moment *moments; /* [moment_count], covering the impressions in order */
    size_t moment_count;
    uint32_t *rows; /* [row_count], by slot */
    size_t row_count;
    float *row_counts; /* [row_count]: events of the row, once for each impression that sees them */
    double events;     /* their sum */
    uint32_t *slots;   /* [I · A]: by row; BATCH_NO_SLOT for one that is not in the batch */
    memory_buffer impression_room, moment_room, row_room, count_room, seen_room;
} train_batch;

train_batch *batch_new(const dataset *data, const train_history *history);
void batch_free(train_batch *batch);

/*
 * Fills the batch with impressions from[picks[0 … count - 1]], or from[0 … count - 1] when picks is
 * NULL. They must be in order of user and time. Histories are cut to the last max_history events.
 */
void batch_fill(train_batch *batch, const train_impression *from, const uint32_t *picks,
                size_t count, uint32_t max_history);

#endif
