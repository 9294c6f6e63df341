/*
 * What is measured: a random model of the usual shape (D = 64, H = 4, G = 4, K = 256, R = 3, 20,000
 * items, a head of 64 and 32), users in whose history every codeword is in use, and candidates
 * drawn at random. Every function aborts when there is no memory.
 */
#ifndef VQL_BENCH_SCENE_H
#define VQL_BENCH_SCENE_H

#include <stddef.h>
#include <stdint.h>

#include "random.h"
#include "vql/cache.h"
#include "vql/catalog.h"

enum {
    SCENE_ITEMS = 20000,
    SCENE_HEADS = 4,
    SCENE_HEAD_WIDTH = 16,
    SCENE_WIDTH = SCENE_HEADS * SCENE_HEAD_WIDTH,
    SCENE_CODEWORDS = 256,
};

/* Codeword a of every group is the key of item a + 1, so that items 1 … 256 use them all. */
vql_model *scene_model(void);

/* Events of `count` items, one at least for each codeword, in the month before SCENE_NOW_MS. */
#define SCENE_NOW_MS INT64_C(1700000000000)
vql_cache_event *scene_history(size_t count);

/* Item ids drawn uniformly. */
uint64_t *scene_candidates(const vql_model *model, size_t count, uint64_t seed);

#endif
