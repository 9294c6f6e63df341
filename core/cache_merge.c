/*
 * Adding one cache to another.
 */
#include <math.h>
#include <string.h>

#include "cache_fold.h"

/* A cache of events alone: they are appended. */
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

/* Makes rows for everything in both; no row can count more than all events. */
static vql_code reserve_both(vql_cache *cache, const vql_cache *other)
{
    const vql_row_layout layout = vql_row_layout_of(cache);
    const vql_cache *const caches[] = {cache, other};
    const uint32_t ours = vql_form_positions(cache, cache->form, NULL, 0);
    const uint32_t theirs = vql_form_positions(other, cache->form, NULL, 0);
    const uint32_t positions = ours > theirs ? ours : theirs;
    vql_codeword_map map;
    vql_code code = vql_map_init(&map, vql_rows_words(positions), &cache->allocator);
    if (code != VQL_OK)
        return code;
    for (size_t c = 0; c < 2; c++) {
        const vql_cache *from = caches[c];
        for (uint32_t w = 0; w < from->rows.words && from->rows.count > 0; w++)
            map.bits[w] |= vql_rows_occupied(&from->rows)[w];
        for (uint32_t i = 0; i < from->tail.count; i++) {
            const vql_cache_event event = vql_events_get(&from->tail, i);
            vql_map_add_event(map.bits, &layout, cache->tables, &event);
        }
    }
    code = vql_rows_reserve(&cache->rows, map.bits, positions, cache->events + other->events,
                            &cache->allocator);
    vql_map_release(&map, &cache->allocator);
    return code;
}

/* Adds other's row at a position to the cache's. */
static void add_row(vql_cache *cache, const vql_cache *other, uint32_t position,
                    const double *factors)
{
    const vql_row_layout layout = vql_row_layout_of(cache);
    const vql_row_layout from_layout = vql_row_layout_of(other);
    const uint32_t to_index = vql_rows_index(&cache->rows, position);
    const uint32_t from_index = vql_rows_index(&other->rows, position);
    uint8_t *to = vql_rows_slices(&cache->rows, to_index);
    const uint8_t *from = vql_rows_slices(&other->rows, from_index);
    const uint32_t count = vql_rows_count(&cache->rows, to_index);
    for (uint32_t r = 0; r < layout.kernels; r++) {
        float numbers[VQL_MAX_WIDTH + 1];
        double addend[VQL_MAX_WIDTH + 1];
        vql_codec_load(from_layout.format, layout.width, from, 1.0, numbers);
        for (size_t j = 0; j <= layout.width; j++)
            addend[j] = factors[r] * (double)numbers[j];
        if (addend[layout.width] > 0.0)
            vql_codec_add(layout.format, layout.width, to, addend, &cache->random);
        from += from_layout.slice_bytes;
        to += layout.slice_bytes;
    }
    vql_rows_set_count(&cache->rows, to_index, count + vql_rows_count(&other->rows, from_index));
}

/* Adds other's rows; no base of other's is later than the cache's. */
static void add_rows(vql_cache *cache, const vql_cache *other)
{
    const vql_model *model = cache->tables->model;
    double factors[VQL_MAX_KERNELS];
    for (uint32_t r = 0; r < model->shape.kernels; r++) {
        const vql_cache_base to = cache->bases[r];
        const vql_cache_base from = other->bases[r];
        const double hours = vql_cache_hours(from.time_ms, to.time_ms);
        factors[r] = from.gain * exp((double)model->decay[r] * hours) / to.gain;
    }
    const uint64_t *occupied = vql_rows_occupied(&other->rows);
    for (uint32_t w = 0; w < other->rows.words; w++)
        for (uint64_t left = occupied[w]; left != 0; left &= left - 1)
            add_row(cache, other, w * 64 + (uint32_t)__builtin_ctzll(left), factors);
}

/* Adds a cache's rows, of the same form, and its tail. */
static vql_code merge_rows(vql_cache *cache, const vql_cache *other)
{
    const uint32_t kernels = cache->tables->model->shape.kernels;
    const int64_t latest_ms = vql_events_latest(&cache->tail);
    const int64_t other_ms = vql_events_latest(&other->tail);
    vql_cache_event events[VQL_CACHE_TAIL_EVENTS];
    const vql_code code = reserve_both(cache, other);
    if (code != VQL_OK)
        return code;
    for (uint32_t r = 0; r < kernels; r++)
        vql_fold_rebase(cache, r, other->bases[r].time_ms);
    vql_fold_advance(cache, latest_ms > other_ms ? latest_ms : other_ms);
    vql_fold_tail(cache);
    add_rows(cache, other);
    for (uint32_t i = 0; i < other->tail.count; i++)
        events[i] = vql_events_get(&other->tail, i);
    vql_fold_events(cache, events, other->tail.count, 1);
    cache->events += other->events;
    if (other->reference_ms > cache->reference_ms)
        cache->reference_ms = other->reference_ms;
    return VQL_OK;
}

/* Gives a copy and another the same form, that of rows of codewords if either has it. */
static vql_code merge_forms(vql_cache *copy, vql_cache *other)
{
    const bool rows = copy->form == VQL_FORM_ROWS || other->form == VQL_FORM_ROWS;
    vql_cache *const caches[] = {copy, other};
    vql_code code = VQL_OK;
    for (size_t c = 0; c < 2 && code == VQL_OK; c++) {
        if (caches[c]->form == VQL_FORM_EVENTS && caches[c]->events == 0)
            continue;
        if (rows && caches[c]->form != VQL_FORM_ROWS)
            code = vql_cache_convert(caches[c], VQL_FORM_ROWS);
        else if (caches[c]->form == VQL_FORM_EVENTS)
            code = vql_cache_convert(caches[c], VQL_FORM_ITEMS);
    }
    return code;
}

/* Makes an empty cache another's contents, in its own format. */
static void start_from(vql_cache *copy, const vql_cache *other)
{
    vql_cache_set_form(copy, other->form, other->rows.codewords);
    memcpy(copy->bases, other->bases, copy->tables->model->shape.kernels * sizeof *copy->bases);
}

/* Merges copies, which can be changed before it is known that all goes well. */
static vql_code merge_copies(vql_cache *copy, vql_cache *other)
{
    const vql_code code = merge_forms(copy, other);
    if (code != VQL_OK)
        return code;
    if (copy->form == VQL_FORM_EVENTS)
        start_from(copy, other);
    return merge_rows(copy, other);
}

vql_code vql_cache_merge(vql_cache *cache, const vql_cache *other)
{
    if (other->events > VQL_CACHE_MAX_EVENTS - cache->events)
        return VQL_VALUE;
    if (other->form == VQL_FORM_EVENTS)
        return merge_events(cache, other);
    vql_cache *copy;
    vql_cache *other_copy;
    vql_code code = vql_cache_clone(cache, &copy);
    if (code != VQL_OK)
        return code;
    code = vql_cache_clone(other, &other_copy);
    if (code == VQL_OK) {
        code = merge_copies(copy, other_copy);
        vql_cache_free(other_copy);
    }
    if (code == VQL_OK)
        vql_cache_take(cache, copy);
    else
        vql_cache_free(copy);
    return code;
}
