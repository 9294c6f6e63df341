/*
 * Random numbers by counter: the i-th number of a stream is a function of (seed, stream, i), so
 * that threads, order and resumption change nothing.
 */
#ifndef VQL_TRAIN_RANDOM_H
#define VQL_TRAIN_RANDOM_H

#include <stdint.h>

/* What a stream is for; a stream's number is its purpose and an index. */
typedef enum random_purpose {
    RANDOM_WEIGHTS = 1, /* by parameter */
    RANDOM_ORDER,       /* of the impressions, by epoch */
    RANDOM_DROPOUT,     /* by step */
    RANDOM_CODEBOOK,    /* k-means++, by group */
    RANDOM_RESEED,      /* by step */
    RANDOM_HASH,        /* the signatures' planes */
    RANDOM_EVENTS,      /* of a generated log, by user */
    RANDOM_IMPRESSIONS, /* likewise */
    RANDOM_INTERESTS,   /* likewise, by pair of users */
} random_purpose;

typedef struct random_stream {
    uint64_t key;
} random_stream;

random_stream random_open(uint64_t seed, random_purpose purpose, uint64_t index);

/* 64 random bits. */
uint64_t random_bits(random_stream stream, uint64_t i);

/* Uniform in [0, 1). */
double random_uniform(random_stream stream, uint64_t i);

/* Uniform in 0 … bound - 1; bound is at least 1. */
uint64_t random_below(random_stream stream, uint64_t i, uint64_t bound);

/* Of mean 0 and variance 1; takes the numbers 2 i and 2 i + 1. */
double random_normal(random_stream stream, uint64_t i);

#endif
