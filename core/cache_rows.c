#include "cache_rows.h"

#include <string.h>

#include "allocation.h"
#include "kernels.h"

uint32_t vql_cache_find_key(const uint32_t *keys, uint32_t count, uint32_t key)
{
    uint32_t first = 0;
    uint32_t left = count;
    while (left > 0) {
        const uint32_t half = left / 2;
        if (keys[first + half] < key) {
            first += half + 1;
            left -= half + 1;
        } else {
            left = half;
        }
    }
    return first;
}

uint32_t vql_cache_rows_find(const vql_cache_rows *rows, uint32_t key)
{
    return vql_cache_find_key(rows->keys, rows->count, key);
}

bool vql_cache_rows_holds(const vql_cache_rows *rows, uint32_t index, uint32_t key)
{
    return index < rows->count && rows->keys[index] == key;
}

static size_t row_bytes(size_t width, bool precise)
{
    const size_t number_bytes = sizeof(float) + (precise ? sizeof(uint16_t) : 0);
    return width * number_bytes + 2 * sizeof(uint32_t);
}

size_t vql_cache_rows_bytes(const vql_cache_rows *rows)
{
    return rows->capacity * row_bytes(rows->width, rows->remainders != NULL);
}

vql_code vql_cache_rows_new(vql_cache_rows *rows, uint32_t capacity, bool precise,
                            const vql_allocator *allocator)
{
    vql_cache_rows made = {.width = rows->width};
    if (capacity > 0) {
        const size_t bytes = row_bytes(made.width, precise);
        made.sums = vql_allocate_array(allocator, capacity, bytes, NULL);
        if (made.sums == NULL)
            return VQL_NO_MEMORY;
        made.capacity = capacity;
        made.keys = (uint32_t *)(void *)(made.sums + capacity * made.width);
        made.counts = made.keys + capacity;
        made.remainders = precise ? (uint16_t *)(void *)(made.counts + capacity) : NULL;
    }
    *rows = made;
    return VQL_OK;
}

void vql_cache_rows_release(vql_cache_rows *rows, const vql_allocator *allocator)
{
    vql_release(allocator, rows->sums);
}

/* Moves `count` rows; the two may be the same rows, and the runs may overlap. */
static void move_rows(vql_cache_rows *to, uint32_t to_index, const vql_cache_rows *from,
                      uint32_t from_index, uint32_t count)
{
    if (count == 0)
        return;
    const size_t width = to->width;
    const size_t numbers = count * width;
    memmove(to->sums + to_index * width, from->sums + from_index * width,
            numbers * sizeof *to->sums);
    memmove(to->keys + to_index, from->keys + from_index, count * sizeof *to->keys);
    memmove(to->counts + to_index, from->counts + from_index, count * sizeof *to->counts);
    if (to->remainders != NULL && from->remainders != NULL) {
        memmove(to->remainders + to_index * width, from->remainders + from_index * width,
                numbers * sizeof *to->remainders);
    } else if (to->remainders != NULL) {
        memset(to->remainders + to_index * width, 0, numbers * sizeof *to->remainders);
    }
}

/*
 * Merges from's rows and rows of zeros for keys into `to`, from the last to the first, so that both
 * may lie in one block.
 */
static void merge_rows(vql_cache_rows *to, const vql_cache_rows *from, const uint32_t *keys,
                       uint32_t count)
{
    uint32_t old = from->count;
    to->count = old + count;
    while (count > 0) {
        const uint32_t key = keys[count - 1];
        uint32_t run = 0;
        while (run < old && from->keys[old - 1 - run] > key)
            run++;
        old -= run;
        move_rows(to, old + count, from, old, run);
        count--;
        const uint32_t index = old + count;
        vql_cache_slice_clear(vql_cache_rows_slice(to, index, 0, to->width));
        to->keys[index] = key;
        to->counts[index] = 0;
    }
    if (to->sums != from->sums)
        move_rows(to, 0, from, 0, old);
}

vql_code vql_cache_rows_copy(vql_cache_rows *to, const vql_cache_rows *from,
                             const vql_allocator *allocator)
{
    to->width = from->width;
    const vql_code code = vql_cache_rows_new(to, from->count, from->remainders != NULL, allocator);
    if (code == VQL_OK)
        merge_rows(to, from, NULL, 0);
    return code;
}

/* Room for `needed` rows: half as much again as there is, but no more than `most`. */
static uint32_t grown_capacity(uint32_t capacity, uint32_t needed, uint32_t most)
{
    if (needed <= capacity)
        return capacity;
    const uint32_t half_more = capacity + capacity / 2;
    const uint32_t wanted = half_more < most ? half_more : most;
    return needed > wanted ? needed : wanted;
}

vql_code vql_cache_rows_insert(vql_cache_rows *rows, const uint32_t *keys, uint32_t count,
                               uint32_t most, bool precise, const vql_allocator *allocator)
{
    const vql_cache_rows old = *rows;
    const uint32_t needed = old.count + count;
    if (needed <= old.capacity && (!precise || old.remainders != NULL)) {
        merge_rows(rows, &old, keys, count);
        return VQL_OK;
    }
    const vql_code code = vql_cache_rows_new(rows, grown_capacity(old.capacity, needed, most),
                                             precise || old.remainders != NULL, allocator);
    if (code == VQL_OK) {
        merge_rows(rows, &old, keys, count);
        vql_release(allocator, old.sums);
    }
    return code;
}

void vql_cache_rows_delete(vql_cache_rows *rows, uint32_t index)
{
    move_rows(rows, index, rows, index + 1, rows->count - index - 1);
    rows->count--;
}

vql_cache_slice vql_cache_rows_slice(const vql_cache_rows *rows, uint32_t index, size_t offset,
                                     size_t count)
{
    const size_t first = index * rows->width + offset;
    return (vql_cache_slice){
        .sums = rows->sums + first,
        .remainders = rows->remainders == NULL ? NULL : rows->remainders + first,
        .count = count,
    };
}

float vql_cache_remainder(uint16_t remainder)
{
    const uint32_t bits = (uint32_t)remainder << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The upper half of a finite float, rounded to nearest, ties to even. */
static uint16_t upper_half(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/* sum + remainder = scale · (sum + remainder) + addend. */
static void update(float *sum, uint16_t *remainder, double scale, double addend)
{
    const double exact = scale * ((double)*sum + (double)vql_cache_remainder(*remainder)) + addend;
    *sum = (float)exact;
    *remainder = upper_half((float)(exact - (double)*sum));
}

void vql_cache_slice_add(vql_cache_slice slice, double a, const float *x)
{
    if (slice.remainders == NULL) {
        vql_kernels_active()->axpy(slice.count, (float)a, x, slice.sums);
        return;
    }
    for (size_t j = 0; j < slice.count; j++)
        update(&slice.sums[j], &slice.remainders[j], 1.0, a * (double)x[j]);
}

void vql_cache_slice_scale(vql_cache_slice slice, double a)
{
    if (slice.remainders == NULL) {
        for (size_t j = 0; j < slice.count; j++)
            slice.sums[j] = (float)(a * (double)slice.sums[j]);
        return;
    }
    for (size_t j = 0; j < slice.count; j++)
        update(&slice.sums[j], &slice.remainders[j], a, 0.0);
}

void vql_cache_slice_clear(vql_cache_slice slice)
{
    memset(slice.sums, 0, slice.count * sizeof *slice.sums);
    if (slice.remainders != NULL)
        memset(slice.remainders, 0, slice.count * sizeof *slice.remainders);
}
