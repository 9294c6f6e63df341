/*
 * The distinct rows of every user's history. A row here is an (item, type) pair, of which key and
 * value are functions: item row · A + type. A user's rows are in the order in which they first
 * occur, so that those of a prefix of the history are a prefix of the user's rows.
 */
#ifndef VQL_TRAIN_HISTORY_H
#define VQL_TRAIN_HISTORY_H

#include <stddef.h>
#include <stdint.h>

#include "dataset.h"

typedef struct train_history {
    size_t *starts;  /* [users + 1]: user u's rows are those from starts[u] to starts[u + 1] */
    uint32_t *rows;  /* the distinct rows */
    uint32_t *first; /* beside them: which of the user's events has the row first, ascending */
    uint32_t *local; /* [events]: which of the user's rows the event has */
} train_history;

train_history *history_new(const dataset *data);
void history_free(train_history *history);

/* How many distinct rows the user's first `events` events have. */
uint32_t history_distinct(const train_history *history, uint32_t user, uint32_t events);

#endif
