/*
 * Small data sets for tests of training, made of random numbers.
 */
#ifndef VQL_TESTS_TRAIN_FIXTURE_H
#define VQL_TESTS_TRAIN_FIXTURE_H

#include "dataset.h"

typedef struct fixture_shape {
    uint32_t users, rows, types, tasks;
    uint32_t fields;      /* of 3 values each; an item has 0 to 2 of them */
    uint32_t events;      /* of a user: 0 to this many, of the last user exactly this many */
    uint32_t moments;     /* of a user, at different times */
    uint32_t impressions; /* of a moment: 1 to this many */
    uint64_t seed;
} fixture_shape;

/*
 * Times are whole hours, many of them equal, over about as many hours as there are events. All
 * three splits hold the same impressions. Release with dataset_free.
 */
dataset *fixture_dataset(const fixture_shape *shape);

#endif
