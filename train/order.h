/*
 * In which order an epoch takes the impressions.
 */
#ifndef VQL_TRAIN_ORDER_H
#define VQL_TRAIN_ORDER_H

#include <stddef.h>
#include <stdint.h>

#include "dataset.h"

/*
 * Writes a permutation of the impressions' numbers to order [count]: runs of `run` of one user's
 * in order of time, of equal times in any order, and the runs in any order.
 */
void order_epoch(const train_impressions *impressions, uint32_t run, uint64_t seed, uint32_t epoch,
                 uint32_t *order);

/* Sorts numbers upwards. */
void order_sort(uint32_t *numbers, size_t count);

#endif
