/*
 * Adding one cache to another.
 */
#include <math.h>
#include <string.h>

#include "cache_codec.h"
#include "cache_fold.h"
#include "catalog_data.h"
#include "model_data.h"

/* A cache without rows: its events are appended. */
static vql_code merge_events(vql_cache *cache, const vql_cache *other)
{
    vql_cache_event events[VQL_CACHE_MOST_EVENTS_KEPT];
    for (uint32_t i = 0; i < other->tail.count; i++)
        events[i] = vql_events_get(&other->tail, i);
    const vql_code code = vql_cache_append(cache, events, other->tail.count);
    if (code == VQL_OK && other->reference_ms > cache->reference_ms)
        cache->reference_ms = other->reference_ms;
    return code;
}

static void map_cache(uint64_t *bits, const vql_cache *cache)
{
    const vql_cache_rows *rows = &cache->rows;
    for (uint32_t w = 0; w < rows->words && rows->count > 0; w++)
        bits[w] |= vql_rows_occupied(rows)[w];
    for (uint32_t i = 0; i < cache->tail.count; i++) {
        const vql_cache_event event = vql_events_get(&cache->tail, i);
        vql_map_add_event(bits, cache->catalog, &event);
    }
}

/* Makes rows for all codewords of both; no row can count more than all events. */
static vql_code reserve_both(vql_cache_rows *rows, const vql_cache *cache, const vql_cache *other)
{
    vql_codeword_map map;
    vql_code code = vql_map_init(&map, rows->words, &cache->allocator);
    if (code != VQL_OK)
        return code;
    map_cache(map.bits, cache);
    map_cache(map.bits, other);
    const uint64_t most = cache->events + other->events;
    code = vql_rows_reserve(rows, map.bits, most, &cache->allocator);
    vql_map_release(&map, &cache->allocator);
    return code;
}

/* Adds other's row at a position to the cache's. */
static void add_row(vql_cache *cache, const vql_cache *other, uint32_t position,
                    const double *factors)
{
    const vql_shape *shape = &cache->catalog->model->shape;
    const size_t width = shape->group_width;
    const uint32_t to_index = vql_rows_index(&cache->rows, position);
    const uint32_t from_index = vql_rows_index(&other->rows, position);
    uint8_t *to = vql_rows_slices(&cache->rows, to_index);
    const uint8_t *from = vql_rows_slices(&other->rows, from_index);
    const uint32_t count = vql_rows_count(&cache->rows, to_index);
    for (uint32_t r = 0; r < shape->kernels; r++) {
        float numbers[VQL_MAX_WIDTH + 1];
        double addend[VQL_MAX_WIDTH + 1];
        vql_codec_load(other->format, width, from, 1.0, numbers);
        for (size_t j = 0; j <= width; j++)
            addend[j] = factors[r] * (double)numbers[j];
        if (addend[width] > 0.0)
            vql_codec_add(cache->format, width, to, addend, &cache->random);
        from += vql_codec_slice_bytes(other->format, width);
        to += vql_codec_slice_bytes(cache->format, width);
    }
    vql_rows_set_count(&cache->rows, to_index, count + vql_rows_count(&other->rows, from_index));
}

static void add_rows(vql_cache *cache, const vql_cache *other)
{
    const vql_model *model = cache->catalog->model;
    double factors[VQL_MAX_KERNELS];
    for (uint32_t r = 0; r < model->shape.kernels; r++) {
        const vql_cache_base to = cache->bases[r];
        const vql_cache_base from = other->bases[r];
        const double lengths =
            (double)model->decay[r] * vql_cache_hours(from.time_ms, to.time_ms);
        factors[r] = from.gain * exp(lengths) / to.gain;
    }
    const uint64_t *occupied = vql_rows_occupied(&other->rows);
    for (uint32_t w = 0; w < other->rows.words; w++)
        for (uint64_t left = occupied[w]; left != 0; left &= left - 1)
            add_row(cache, other, w * 64 + (uint32_t)__builtin_ctzll(left), factors);
}

static void fold_other_tail(vql_cache *cache, const vql_cache *other)
{
    vql_cache_event events[VQL_CACHE_TAIL_EVENTS];
    for (uint32_t i = 0; i < other->tail.count; i++)
        events[i] = vql_events_get(&other->tail, i);
    vql_fold_events(cache, events, other->tail.count, 1);
}

/* The latest time in both tails. */
static int64_t latest_of(const vql_cache *cache, const vql_cache *other)
{
    const vql_cache *const caches[] = {cache, other};
    int64_t latest_ms = 0;
    for (size_t c = 0; c < 2; c++) {
        for (uint32_t i = 0; i < caches[c]->tail.count; i++) {
            const vql_cache_event event = vql_events_get(&caches[c]->tail, i);
            latest_ms = event.time_ms > latest_ms ? event.time_ms : latest_ms;
        }
    }
    return latest_ms;
}

vql_code vql_cache_merge(vql_cache *cache, const vql_cache *other)
{
    const uint32_t kernels = cache->catalog->model->shape.kernels;
    if (other->events > VQL_CACHE_MAX_EVENTS - cache->events)
        return VQL_VALUE;
    if (other->rows.count == 0)
        return merge_events(cache, other);
    const bool first = cache->rows.count == 0;
    const vql_code code = reserve_both(&cache->rows, cache, other);
    if (code != VQL_OK)
        return code;
    if (first)
        memcpy(cache->bases, other->bases, kernels * sizeof *cache->bases);
    for (uint32_t r = 0; r < kernels; r++)
        vql_fold_rebase(cache, r, other->bases[r].time_ms);
    vql_fold_advance(cache, latest_of(cache, other));
    vql_fold_tail(cache);
    add_rows(cache, other);
    fold_other_tail(cache, other);
    vql_events_trim(&cache->tail, &cache->allocator);
    cache->events += other->events;
    if (other->reference_ms > cache->reference_ms)
        cache->reference_ms = other->reference_ms;
    return VQL_OK;
}
