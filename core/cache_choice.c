#include "cache_choice.h"

#include <string.h>

#include "allocation.h"
#include "cache_fold.h"

void vql_cache_set_form(vql_cache *cache, vql_cache_form form, uint32_t positions)
{
    vql_cache_rows rows = {0};
    cache->form = form;
    if (form != VQL_FORM_EVENTS) {
        const vql_row_layout layout = vql_row_layout_of(cache);
        rows.codewords = positions;
        rows.words = vql_rows_words(rows.codewords);
        rows.row_bytes = layout.kernels * layout.slice_bytes;
    }
    cache->rows = rows;
}

/* Adds the positions of all of a cache's events and items, in a layout, to a set. */
static void map_cache(uint64_t *bits, const vql_row_layout *layout, const vql_cache *cache)
{
    const vql_tables *tables = cache->tables;
    for (uint32_t w = 0; cache->form == VQL_FORM_ITEMS && w < cache->rows.words; w++) {
        for (uint64_t left = vql_rows_occupied(&cache->rows)[w]; left != 0; left &= left - 1) {
            const uint32_t position = w * 64 + (uint32_t)__builtin_ctzll(left);
            const vql_cache_event event = vql_item_event(tables->model, position);
            vql_map_add_event(bits, layout, tables, &event);
        }
    }
    for (uint32_t i = 0; i < cache->tail.count; i++) {
        const vql_cache_event event = vql_events_get(&cache->tail, i);
        vql_map_add_event(bits, layout, tables, &event);
    }
}

/* What a cache would be in a form, with some more events. */
typedef struct prospect {
    size_t bytes;
    uint32_t rows;
} prospect;

static vql_code prospect_of(const vql_cache *cache, vql_cache_form form,
                            const vql_cache_event *events, size_t count, prospect *out)
{
    vql_cache like = *cache;
    vql_cache_set_form(&like, form, vql_form_positions(cache, form, events, count));
    const vql_row_layout layout = vql_row_layout_of(&like);
    vql_codeword_map map;
    const vql_code code = vql_map_init(&map, like.rows.words, &cache->allocator);
    if (code != VQL_OK)
        return code;
    map_cache(map.bits, &layout, cache);
    for (size_t i = 0; i < count; i++)
        vql_map_add_event(map.bits, &layout, cache->tables, &events[i]);
    out->rows = 0;
    for (uint32_t w = 0; w < map.words; w++)
        out->rows += (uint32_t)__builtin_popcountll(map.bits[w]);
    vql_map_release(&map, &cache->allocator);
    out->bytes = vql_rows_bytes_for(&like.rows, out->rows, cache->events + count);
    return VQL_OK;
}

/* The least that a form takes with so many rows: a bound that needs no map. */
static size_t least_bytes(const vql_cache *cache, vql_cache_form form, uint32_t rows)
{
    vql_cache like = *cache;
    vql_cache_set_form(&like, form, vql_form_positions(cache, form, NULL, 0));
    return vql_rows_bytes_for(&like.rows, rows, 1);
}

/* Items or rows for what are events now, if either takes less than `bytes`. */
static vql_code choose_for_events(const vql_cache *cache, const vql_cache_event *events,
                                  size_t count, size_t bytes, vql_cache_form *form)
{
    const vql_shape *shape = &cache->tables->model->shape;
    prospect of;
    vql_code code = VQL_OK;
    if (vql_items_fit(cache->tables) && least_bytes(cache, VQL_FORM_ITEMS, 1) < bytes) {
        code = prospect_of(cache, VQL_FORM_ITEMS, events, count, &of);
        if (code == VQL_OK && of.bytes < bytes && of.rows <= VQL_CACHE_MOST_ITEMS) {
            *form = VQL_FORM_ITEMS;
            bytes = of.bytes;
        }
    }
    if (code == VQL_OK && least_bytes(cache, VQL_FORM_ROWS, shape->groups) < bytes) {
        code = prospect_of(cache, VQL_FORM_ROWS, events, count, &of);
        if (code == VQL_OK && of.bytes < bytes)
            *form = VQL_FORM_ROWS;
    }
    return code;
}

/* Rows for what are items now, if they take less or the items get too many. */
static vql_code choose_for_items(const vql_cache *cache, const vql_cache_event *events,
                                 size_t count, vql_cache_form *form)
{
    prospect items;
    prospect rows;
    vql_code code = prospect_of(cache, VQL_FORM_ITEMS, events, count, &items);
    if (code == VQL_OK)
        code = prospect_of(cache, VQL_FORM_ROWS, events, count, &rows);
    if (code == VQL_OK && (rows.bytes < items.bytes || items.rows > VQL_CACHE_MOST_ITEMS))
        *form = VQL_FORM_ROWS;
    return code;
}

/* Whether a number passes a power of two on its way to another: when to look closely. */
static bool passes_power(size_t from, size_t to)
{
    return (from ^ to) > from;
}

vql_code vql_cache_choose(const vql_cache *cache, const vql_cache_event *events, size_t count,
                          int64_t first_ms, int64_t last_ms, vql_cache_form *form)
{
    const size_t kept = cache->tail.count + count;
    *form = cache->form;
    if (cache->form == VQL_FORM_EVENTS) {
        const size_t bytes = vql_events_bytes_with(&cache->tail, count, first_ms, last_ms);
        if (kept > VQL_CACHE_MOST_EVENTS_KEPT)
            return choose_for_events(cache, events, count, SIZE_MAX, form);
        if (passes_power(cache->tail.capacity_bytes, bytes))
            return choose_for_events(cache, events, count, bytes, form);
    } else if (cache->form == VQL_FORM_ITEMS && kept > VQL_CACHE_TAIL_EVENTS) {
        const size_t most = cache->rows.count + kept;
        if (most > VQL_CACHE_MOST_ITEMS || passes_power(cache->rows.count, most))
            return choose_for_items(cache, events, count, form);
    }
    return VQL_OK;
}

/* Makes rows of zeros in a form for what is in a cache, with counts that hold all its events. */
static vql_code make_rows(vql_cache *like, const vql_cache *cache, vql_cache_form form)
{
    vql_cache_set_form(like, form, vql_form_positions(cache, form, NULL, 0));
    const vql_row_layout layout = vql_row_layout_of(like);
    vql_codeword_map map;
    vql_code code = vql_map_init(&map, like->rows.words, &cache->allocator);
    if (code != VQL_OK)
        return code;
    map_cache(map.bits, &layout, cache);
    code = vql_rows_reserve(&like->rows, map.bits, like->rows.codewords,
                            cache->events + cache->tail.count, &cache->allocator);
    vql_map_release(&map, &cache->allocator);
    return code;
}

/* Adds an item, of which there are `count`, to the sums and counts of its codewords. */
static void add_item(vql_cache *like, uint32_t position, const float *factors, uint32_t count,
                     double *sums)
{
    const vql_tables *tables = like->tables;
    const vql_shape *shape = &tables->model->shape;
    const size_t width = shape->group_width;
    const vql_cache_event event = vql_item_event(tables->model, position);
    const uint16_t *codes = vql_tables_codes(tables, event.row, event.event_type);
    float value[VQL_MAX_WIDTH];
    vql_tables_value(tables, event.row, event.event_type, value);
    uint32_t first = 0;
    for (uint32_t g = 0; g < shape->groups; g++) {
        const uint32_t index = vql_rows_index(&like->rows, first + codes[g]);
        double *sum = sums + (size_t)index * shape->kernels * (width + 1);
        for (uint32_t r = 0; r < shape->kernels; r++, sum += width + 1) {
            for (size_t j = 0; j < width; j++)
                sum[j] += (double)factors[r] * (double)value[g * width + j];
            sum[width] += (double)factors[r];
        }
        vql_rows_set_count(&like->rows, index, vql_rows_count(&like->rows, index) + count);
        first += tables->model->codewords[g];
    }
}

/* Gives rows of codewords, all zeros, the counts of a cache's items, and sums their events. */
static void add_items(vql_cache *like, const vql_cache *cache, double *sums)
{
    const vql_row_layout layout = vql_row_layout_of(cache);
    const vql_cache_rows *items = &cache->rows;
    const uint8_t *slice = vql_rows_slices(items, 0);
    uint32_t item = 0;
    for (uint32_t w = 0; w < items->words; w++) {
        for (uint64_t left = vql_rows_occupied(items)[w]; left != 0; left &= left - 1) {
            const uint32_t position = w * 64 + (uint32_t)__builtin_ctzll(left);
            float factors[VQL_MAX_KERNELS] = {0.0f};
            for (uint32_t r = 0; r < layout.kernels; r++, slice += layout.slice_bytes)
                factors[r] = vql_codec_normaliser(layout.format, 0, layout.slice_bytes, slice);
            add_item(like, position, factors, vql_rows_count(items, item++), sums);
        }
    }
}

/* Items become rows of codewords, for the same bases; the tail stays. */
static vql_code convert_items(vql_cache *cache)
{
    const uint32_t tail_count = cache->tail.count;
    vql_cache like = *cache;
    cache->tail.count = 0;
    vql_code code = make_rows(&like, cache, VQL_FORM_ROWS);
    cache->tail.count = tail_count;
    if (code != VQL_OK)
        return code;
    const vql_row_layout layout = vql_row_layout_of(&like);
    const size_t slices = (size_t)like.rows.count * layout.kernels;
    const size_t numbers = slices * (layout.width + 1);
    double *sums = vql_allocate_array(&cache->allocator, numbers, sizeof *sums, NULL);
    if (sums == NULL) {
        vql_rows_release(&like.rows, &cache->allocator);
        return VQL_NO_MEMORY;
    }
    memset(sums, 0, numbers * sizeof *sums);
    add_items(&like, cache, sums);
    for (size_t i = 0; i < slices; i++)
        vql_codec_add(layout.format, layout.width,
                      vql_rows_slices(&like.rows, 0) + i * layout.slice_bytes,
                      sums + i * (layout.width + 1), &like.random);
    vql_release(&cache->allocator, sums);
    vql_rows_release(&cache->rows, &cache->allocator);
    cache->rows = like.rows;
    cache->form = VQL_FORM_ROWS;
    cache->random = like.random;
    return VQL_OK;
}

static vql_code convert_events(vql_cache *cache, vql_cache_form form)
{
    vql_cache like = *cache;
    const vql_code code = make_rows(&like, cache, form);
    if (code != VQL_OK)
        return code;
    cache->form = form;
    cache->rows = like.rows;
    vql_fold_start(cache, vql_events_latest(&cache->tail));
    vql_fold_tail(cache);
    vql_events_trim(&cache->tail, &cache->allocator);
    return VQL_OK;
}

vql_code vql_cache_convert(vql_cache *cache, vql_cache_form form)
{
    return cache->form == VQL_FORM_EVENTS ? convert_events(cache, form) : convert_items(cache);
}
