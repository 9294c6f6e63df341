#include "cache_rows.h"

#include <string.h>

#include "allocation.h"

uint32_t vql_bits_sum(const uint64_t *map, uint32_t *before, uint32_t words)
{
    uint32_t sum = 0;
    for (uint32_t w = 0; w < words; w++) {
        before[w] = sum;
        sum += (uint32_t)__builtin_popcountll(map[w]);
    }
    return sum;
}

static uint8_t *counts_of(const vql_cache_rows *rows)
{
    return vql_rows_slices(rows, rows->capacity);
}

uint32_t vql_rows_count(const vql_cache_rows *rows, uint32_t index)
{
    uint32_t count = 0;
    memcpy(&count, counts_of(rows) + (size_t)index * rows->count_bytes, rows->count_bytes);
    return count;
}

void vql_rows_set_count(vql_cache_rows *rows, uint32_t index, uint32_t count)
{
    memcpy(counts_of(rows) + (size_t)index * rows->count_bytes, &count, rows->count_bytes);
}

static uint8_t count_bytes_for(uint64_t most)
{
    if (most <= UINT8_MAX)
        return 1;
    return most <= UINT16_MAX ? 2 : 4;
}

static size_t block_bytes(const vql_cache_rows *rows)
{
    return (size_t)rows->words * (sizeof(uint64_t) + sizeof(uint32_t)) +
           (size_t)rows->capacity * (rows->row_bytes + rows->count_bytes);
}

size_t vql_rows_bytes(const vql_cache_rows *rows)
{
    return rows->block == NULL ? 0 : block_bytes(rows);
}

size_t vql_rows_bytes_for(const vql_cache_rows *rows, uint32_t count, uint64_t most)
{
    vql_cache_rows made = *rows;
    made.capacity = count;
    made.count_bytes = count_bytes_for(most);
    return block_bytes(&made);
}

vql_code vql_rows_allocate(vql_cache_rows *rows, uint32_t capacity, const vql_allocator *allocator)
{
    vql_cache_rows made = *rows;
    made.capacity = capacity;
    made.block = vql_allocate_array(allocator, block_bytes(&made), 1, NULL);
    if (made.block == NULL)
        return VQL_NO_MEMORY;
    *rows = made;
    return VQL_OK;
}

/* Sets the rows' map. */
static void set_map(vql_cache_rows *rows, const uint64_t *map)
{
    memcpy(vql_rows_occupied(rows), map, (size_t)rows->words * sizeof *map);
    rows->count = vql_bits_sum(map, vql_rows_before(rows), rows->words);
}

/* Fills made, which has rows for all of from's positions, with from's rows, and with zeros. */
static void fill_rows(vql_cache_rows *made, const vql_cache_rows *from)
{
    const uint64_t *map = vql_rows_occupied(made);
    uint32_t index = 0;
    for (uint32_t w = 0; w < made->words; w++) {
        for (uint64_t left = map[w]; left != 0; left &= left - 1) {
            const uint32_t position = w * 64 + (uint32_t)__builtin_ctzll(left);
            uint8_t *slices = vql_rows_slices(made, index);
            if (vql_rows_has(from, position)) {
                const uint32_t old = vql_rows_index(from, position);
                memcpy(slices, vql_rows_slices(from, old), made->row_bytes);
                vql_rows_set_count(made, index, vql_rows_count(from, old));
            } else {
                memset(slices, 0, made->row_bytes);
                vql_rows_set_count(made, index, 0);
            }
            index++;
        }
    }
}

/* An eighth of spare room, but no more than the codewords that there are. */
static uint32_t grown_capacity(const vql_cache_rows *rows, uint32_t needed, uint32_t most)
{
    if (needed <= rows->capacity)
        return rows->capacity;
    const uint32_t more = needed + needed / 8;
    return more < most ? more : most;
}

/* Moves rows apart, from the last to the first, to make place for those that map adds. */
static void spread_rows(vql_cache_rows *rows, const uint64_t *map)
{
    uint64_t *occupied = vql_rows_occupied(rows);
    uint32_t old = rows->count;
    uint32_t index = vql_bits_sum(map, vql_rows_before(rows), rows->words);
    rows->count = index;
    for (uint32_t w = rows->words; w-- > 0 && index > old;) {
        for (uint32_t bit = 64; bit-- > 0 && index > old;) {
            if ((map[w] >> bit & 1) == 0)
                continue;
            uint8_t *slices = vql_rows_slices(rows, --index);
            if ((occupied[w] >> bit & 1) != 0) {
                old--;
                memcpy(slices, vql_rows_slices(rows, old), rows->row_bytes);
                vql_rows_set_count(rows, index, vql_rows_count(rows, old));
            } else {
                memset(slices, 0, rows->row_bytes);
                vql_rows_set_count(rows, index, 0);
            }
        }
    }
    memcpy(occupied, map, (size_t)rows->words * sizeof *map);
}

vql_code vql_rows_reserve(vql_cache_rows *rows, const uint64_t *map, uint32_t codewords,
                          uint64_t most, const vql_allocator *allocator)
{
    const uint32_t words = vql_rows_words(codewords);
    uint32_t needed = 0;
    for (uint32_t w = 0; w < words; w++)
        needed += (uint32_t)__builtin_popcountll(map[w]);
    const uint8_t count_bytes = count_bytes_for(most);
    const bool wide = rows->count_bytes >= count_bytes;
    if (needed == rows->count && (wide || needed == 0))
        return VQL_OK;
    if (needed <= rows->capacity && wide && words == rows->words) {
        spread_rows(rows, map);
        return VQL_OK;
    }
    vql_cache_rows made = *rows;
    const uint32_t capacity = grown_capacity(rows, needed, codewords);
    made.codewords = codewords;
    made.words = words;
    made.count_bytes = wide ? rows->count_bytes : count_bytes;
    const vql_code code = vql_rows_allocate(&made, capacity, allocator);
    if (code != VQL_OK)
        return code;
    set_map(&made, map);
    fill_rows(&made, rows);
    vql_release(allocator, rows->block);
    *rows = made;
    return VQL_OK;
}

void vql_rows_delete(vql_cache_rows *rows, uint32_t position, const vql_allocator *allocator)
{
    const uint32_t index = vql_rows_index(rows, position);
    const uint32_t behind = rows->count - index - 1;
    if (rows->count == 1) {
        vql_release(allocator, rows->block);
        rows->block = NULL;
        rows->count = rows->capacity = 0;
        return;
    }
    uint8_t *slices = vql_rows_slices(rows, index);
    uint8_t *counts = counts_of(rows) + (size_t)index * rows->count_bytes;
    memmove(slices, slices + rows->row_bytes, (size_t)behind * rows->row_bytes);
    memmove(counts, counts + rows->count_bytes, (size_t)behind * rows->count_bytes);
    uint64_t *occupied = vql_rows_occupied(rows);
    occupied[position / 64] &= ~(UINT64_C(1) << position % 64);
    rows->count = vql_bits_sum(occupied, vql_rows_before(rows), rows->words);
}

vql_code vql_rows_copy(vql_cache_rows *to, const vql_cache_rows *from,
                       const vql_allocator *allocator)
{
    vql_cache_rows made = *from;
    made.block = NULL;
    made.capacity = 0;
    if (from->count > 0) {
        const vql_code code = vql_rows_allocate(&made, from->count, allocator);
        if (code != VQL_OK)
            return code;
        set_map(&made, vql_rows_occupied(from));
        fill_rows(&made, from);
    }
    *to = made;
    return VQL_OK;
}

void vql_rows_release(vql_cache_rows *rows, const vql_allocator *allocator)
{
    vql_release(allocator, rows->block);
}
