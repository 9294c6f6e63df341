/*
 * The rows of a cache: for every codeword in use how many events it has, and its sums. One block of
 * memory, empty for no rows:
 *
 *   occupied [words] of 8      a bit a codeword, in the order of (group, code)
 *   before   [words] of 4      how many bits are set in the words before
 *   slices   [capacity, R]     cache_codec.h
 *   counts   [capacity] of count_bytes
 *
 * A codeword's position is its group's first position plus its code; its row's index is how many
 * bits are set before the position's.
 */
#ifndef VQL_CORE_CACHE_ROWS_H
#define VQL_CORE_CACHE_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vql/allocator.h"
#include "vql/cache.h"
#include "vql/error.h"

typedef struct vql_cache_rows {
    uint8_t *block; /* NULL for a capacity of 0 */
    uint32_t count;
    uint32_t capacity;
    uint32_t codewords; /* Σ_g K_g, or the positions of items */
    uint32_t words;     /* of a bit a codeword */
    uint32_t row_bytes;
    uint8_t count_bytes; /* 1, 2 or 4 */
} vql_cache_rows;

/* The words that bits for so many codewords take. */
static inline uint32_t vql_rows_words(uint32_t codewords)
{
    return (codewords + 63) / 64;
}

static inline uint64_t *vql_rows_occupied(const vql_cache_rows *rows)
{
    return (uint64_t *)(void *)rows->block;
}

static inline uint32_t *vql_rows_before(const vql_cache_rows *rows)
{
    return (uint32_t *)(void *)(rows->block + (size_t)rows->words * sizeof(uint64_t));
}

/* How many of the bits before position are set in a map with sums `before`. */
static inline uint32_t vql_bits_rank(const uint64_t *map, const uint32_t *before, uint32_t position)
{
    const uint64_t below = (UINT64_C(1) << position % 64) - 1;
    return before[position / 64] + (uint32_t)__builtin_popcountll(map[position / 64] & below);
}

static inline bool vql_bits_get(const uint64_t *map, uint32_t position)
{
    return (map[position / 64] >> position % 64 & 1) != 0;
}

static inline void vql_bits_set(uint64_t *map, uint32_t position)
{
    map[position / 64] |= UINT64_C(1) << position % 64;
}

/* Fills in `before` and returns how many bits are set in all. */
uint32_t vql_bits_sum(const uint64_t *map, uint32_t *before, uint32_t words);

/* Whether the codeword at a position has a row. */
static inline bool vql_rows_has(const vql_cache_rows *rows, uint32_t position)
{
    return rows->count > 0 && position < rows->codewords &&
           vql_bits_get(vql_rows_occupied(rows), position);
}

/* The index of the row of a position that has one. */
static inline uint32_t vql_rows_index(const vql_cache_rows *rows, uint32_t position)
{
    return vql_bits_rank(vql_rows_occupied(rows), vql_rows_before(rows), position);
}

/* The slices of a row. */
static inline uint8_t *vql_rows_slices(const vql_cache_rows *rows, uint32_t index)
{
    const size_t map_bytes = (size_t)rows->words * (sizeof(uint64_t) + sizeof(uint32_t));
    return rows->block + map_bytes + (size_t)index * rows->row_bytes;
}

uint32_t vql_rows_count(const vql_cache_rows *rows, uint32_t index);

/* count must fit count_bytes, as vql_rows_reserve made sure. */
void vql_rows_set_count(vql_cache_rows *rows, uint32_t index, uint32_t count);

/* Bytes of a block. */
size_t vql_rows_bytes(const vql_cache_rows *rows);

/* Bytes of a block for so many rows, none of which counts more than `most` events. */
size_t vql_rows_bytes_for(const vql_cache_rows *rows, uint32_t count, uint64_t most);

/*
 * Makes rows, of zeros where they are new, for exactly the positions in a map that has those of
 * all that are there, and counts that hold `most` events. The map has `codewords` positions, at
 * least as many as the rows'. VQL_NO_MEMORY leaves them as they were.
 */
vql_code vql_rows_reserve(vql_cache_rows *rows, const uint64_t *map, uint32_t codewords,
                          uint64_t most, const vql_allocator *allocator);

/* Allocates a block for rows that are all to be set by the caller. VQL_NO_MEMORY. */
vql_code vql_rows_allocate(vql_cache_rows *rows, uint32_t capacity, const vql_allocator *allocator);

/* Takes out the row of a position that has one; with the last one goes the block. */
void vql_rows_delete(vql_cache_rows *rows, uint32_t position, const vql_allocator *allocator);

/* Makes *to, of which nothing is set, a copy without spare room. VQL_NO_MEMORY. */
vql_code vql_rows_copy(vql_cache_rows *to, const vql_cache_rows *from,
                       const vql_allocator *allocator);

/* Releases what the rows hold. */
void vql_rows_release(vql_cache_rows *rows, const vql_allocator *allocator);

#endif
