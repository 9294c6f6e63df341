/*
 * The rows of a cache: for every codeword in use its key, how many events it has, and its sums.
 * One block of memory holds four parallel arrays, sorted by key:
 *
 *   sums [capacity, width] · keys [capacity] · counts [capacity] · remainders [capacity, width]
 *
 * A remainder is what its sum lacks to the exact one, as the upper half of a float (bfloat16):
 * float + remainder carry about 33 bits. Where there are no remainders the pointer is NULL.
 */
#ifndef VQL_CORE_CACHE_ROWS_H
#define VQL_CORE_CACHE_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vql/allocator.h"
#include "vql/error.h"

typedef struct vql_cache_rows {
    size_t width; /* numbers a row: R · (D_g + 1) */
    uint32_t count;
    uint32_t capacity;
    float *sums; /* the block; NULL for a capacity of 0 */
    uint32_t *keys;
    uint32_t *counts;
    uint16_t *remainders;
} vql_cache_rows;

/* A run of numbers of one row. */
typedef struct vql_cache_slice {
    float *sums;
    uint16_t *remainders; /* NULL where there are none */
    size_t count;
} vql_cache_slice;

/* The key of a codeword: sorts by group, then code. */
static inline uint32_t vql_cache_key(uint32_t group, uint32_t code)
{
    return group << 16 | code;
}

/* The index of the first of `count` ascending keys that is not below key; count if all are. */
uint32_t vql_cache_find_key(const uint32_t *keys, uint32_t count, uint32_t key);

/* The same for the rows' keys. */
uint32_t vql_cache_rows_find(const vql_cache_rows *rows, uint32_t key);

/* Whether the row at an index, as vql_cache_rows_find gave it, is that of key. */
bool vql_cache_rows_holds(const vql_cache_rows *rows, uint32_t index, uint32_t key);

/* Makes room for exactly `capacity` rows in *rows, of which only width is set. VQL_NO_MEMORY. */
vql_code vql_cache_rows_new(vql_cache_rows *rows, uint32_t capacity, bool precise,
                            const vql_allocator *allocator);

/* Releases what the rows hold. */
void vql_cache_rows_release(vql_cache_rows *rows, const vql_allocator *allocator);

/* Makes *to, of which nothing is set, a copy without spare room. VQL_NO_MEMORY. */
vql_code vql_cache_rows_copy(vql_cache_rows *to, const vql_cache_rows *from,
                             const vql_allocator *allocator);

/*
 * Inserts rows of zeros for keys: `count` of them, ascending, none of them there yet. Room grows by
 * half, to at most `most` rows. precise: there must be remainders afterwards. VQL_NO_MEMORY leaves
 * the rows as they were.
 */
vql_code vql_cache_rows_insert(vql_cache_rows *rows, const uint32_t *keys, uint32_t count,
                               uint32_t most, bool precise, const vql_allocator *allocator);

/* Takes out the row at index < count. */
void vql_cache_rows_delete(vql_cache_rows *rows, uint32_t index);

/* Bytes in the block. */
size_t vql_cache_rows_bytes(const vql_cache_rows *rows);

/* Numbers offset … offset + count of the row at an index. */
vql_cache_slice vql_cache_rows_slice(const vql_cache_rows *rows, uint32_t index, size_t offset,
                                     size_t count);

/* slice[j] += a · x[j]. */
void vql_cache_slice_add(vql_cache_slice slice, double a, const float *x);

/* slice[j] *= a. */
void vql_cache_slice_scale(vql_cache_slice slice, double a);

/* slice[j] = 0. */
void vql_cache_slice_clear(vql_cache_slice slice);

/* The float that a remainder stands for. */
float vql_cache_remainder(uint16_t remainder);

#endif
