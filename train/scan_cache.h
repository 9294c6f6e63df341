/*
 * A user's cache in training (vql.md §6): S and n by group, relative to a reference time.
 */
#ifndef VQL_TRAIN_SCAN_CACHE_H
#define VQL_TRAIN_SCAN_CACHE_H

#include "columns.h"

/* One group's part of a cache. */
typedef struct cache_group {
    float *sums;   /* S: [R, K_g, D_g] */
    float *masses; /* n: [R, K_g] */
} cache_group;

/* How many numbers a cache has. */
size_t scan_cache_size(const train_pass *pass);

cache_group scan_cache_group(const train_pass *pass, float *cache, uint32_t group);

/* Adds a row of the weights e^{-λ_r (t_ref - t_l)} [R]. */
void scan_cache_add(const train_pass *pass, float *cache, uint32_t slot, const float *weights);

/* Moves the reference time by hours >= 0. */
void scan_cache_advance(const train_pass *pass, float *cache, double hours);

#endif
