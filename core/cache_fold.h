/*
 * How events become a cache's rows of sums (vql.md §6).
 */
#ifndef VQL_CORE_CACHE_FOLD_H
#define VQL_CORE_CACHE_FOLD_H

#include "cache_layout.h"

enum {
    VQL_FOLD_EVENTS = 256, /* folded at a time, so that a row is rounded once for all of them */
    VQL_FEW_WORDS = 64,    /* of a map on the stack: 4096 codewords */
};

/* A set of positions. */
typedef struct vql_codeword_map {
    uint64_t *bits;
    uint32_t words;
    uint64_t few[VQL_FEW_WORDS];
} vql_codeword_map;

/* An empty set. VQL_NO_MEMORY. */
vql_code vql_map_init(vql_codeword_map *map, uint32_t words, const vql_allocator *allocator);
void vql_map_release(vql_codeword_map *map, const vql_allocator *allocator);

/* Adds an event's positions in a layout to a set with a bit a position. */
void vql_map_add_event(uint64_t *bits, const vql_row_layout *layout, const vql_tables *tables,
                       const vql_cache_event *event);

/* Moves kernel r's base forward to time_ms, if it is later, which no sum's worth depends on. */
void vql_fold_rebase(vql_cache *cache, uint32_t kernel, int64_t time_ms);

/* Sets the bases of rows of zeros. */
void vql_fold_start(vql_cache *cache, int64_t time_ms);

/* Moves bases so that events up to time_ms can be folded. */
void vql_fold_advance(vql_cache *cache, int64_t time_ms);

/*
 * Folds events, `times` times each (1 or -1), into rows that are all there and whose counts have
 * room. The bases are not moved.
 */
void vql_fold_events(vql_cache *cache, const vql_cache_event *events, size_t count, int times);

/* Folds the tail's events and empties it; the same conditions. */
void vql_fold_tail(vql_cache *cache);

#endif
