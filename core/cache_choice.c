#include "cache_choice.h"

#include "cache_fold.h"
#include "cache_view.h"

void vql_cache_set_form(vql_cache *cache, vql_cache_form form)
{
    const vql_model *model = cache->catalog->model;
    vql_cache_rows rows = {0};
    cache->form = form;
    if (form != VQL_FORM_EVENTS) {
        const vql_row_layout layout = vql_row_layout_of(cache);
        for (uint32_t g = 0; g < layout.groups; g++)
            rows.codewords += vql_group_positions(&layout, model, g);
        rows.words = vql_rows_words(rows.codewords);
        rows.row_bytes = layout.kernels * layout.slice_bytes;
    }
    cache->rows = rows;
}

/* Adds the positions of all of a cache's events and items, in a layout, to a set. */
static void map_cache(uint64_t *bits, const vql_row_layout *layout, const vql_cache *cache)
{
    const vql_catalog *catalog = cache->catalog;
    for (uint32_t w = 0; cache->form == VQL_FORM_ITEMS && w < cache->rows.words; w++) {
        for (uint64_t left = vql_rows_occupied(&cache->rows)[w]; left != 0; left &= left - 1) {
            const uint32_t position = w * 64 + (uint32_t)__builtin_ctzll(left);
            const vql_cache_event event = vql_item_event(catalog->model, position);
            vql_map_add_event(bits, layout, catalog, &event);
        }
    }
    for (uint32_t i = 0; i < cache->tail.count; i++) {
        const vql_cache_event event = vql_events_get(&cache->tail, i);
        vql_map_add_event(bits, layout, catalog, &event);
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
    vql_cache_set_form(&like, form);
    const vql_row_layout layout = vql_row_layout_of(&like);
    vql_codeword_map map;
    const vql_code code = vql_map_init(&map, like.rows.words, &cache->allocator);
    if (code != VQL_OK)
        return code;
    map_cache(map.bits, &layout, cache);
    for (size_t i = 0; i < count; i++)
        vql_map_add_event(map.bits, &layout, cache->catalog, &events[i]);
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
    vql_cache_set_form(&like, form);
    return vql_rows_bytes_for(&like.rows, rows, 1);
}

/* Items or rows for what are events now, if either takes less than `bytes`. */
static vql_code choose_for_events(const vql_cache *cache, const vql_cache_event *events,
                                  size_t count, size_t bytes, vql_cache_form *form)
{
    const vql_shape *shape = &cache->catalog->model->shape;
    prospect of;
    vql_code code = VQL_OK;
    if (vql_items_fit(shape) && least_bytes(cache, VQL_FORM_ITEMS, 1) < bytes) {
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
    vql_cache_set_form(like, form);
    const vql_row_layout layout = vql_row_layout_of(like);
    vql_codeword_map map;
    vql_code code = vql_map_init(&map, like->rows.words, &cache->allocator);
    if (code != VQL_OK)
        return code;
    map_cache(map.bits, &layout, cache);
    code = vql_rows_reserve(&like->rows, map.bits, cache->events + cache->tail.count,
                            &cache->allocator);
    vql_map_release(&map, &cache->allocator);
    return code;
}

/* Gives rows of codewords, all zeros, the sums of a view of the same codewords. */
static void fill_sums(vql_cache *like, const vql_cache_view *view)
{
    const vql_row_layout layout = vql_row_layout_of(like);
    double addend[VQL_MAX_WIDTH + 1];
    for (uint32_t i = 0; i < view->count; i++) {
        const float *sums = vql_cache_row_sums(view, i);
        uint8_t *slices = vql_rows_slices(&like->rows, i);
        for (uint32_t r = 0; r < layout.kernels; r++) {
            for (size_t j = 0; j <= layout.width; j++)
                addend[j] = (double)sums[r * (layout.width + 1) + j];
            vql_codec_add(layout.format, layout.width, slices + r * layout.slice_bytes, addend,
                          &like->random);
        }
    }
}

/* Adds the items' counts to those of their codewords' rows. */
static void fill_counts(vql_cache *like, const vql_cache_rows *items)
{
    const vql_catalog *catalog = like->catalog;
    uint32_t item = 0;
    for (uint32_t w = 0; w < items->words; w++) {
        for (uint64_t left = vql_rows_occupied(items)[w]; left != 0; left &= left - 1) {
            const uint32_t position = w * 64 + (uint32_t)__builtin_ctzll(left);
            const vql_cache_event event = vql_item_event(catalog->model, position);
            const uint16_t *codes = vql_catalog_codes(catalog, event.row, event.event_type);
            const uint32_t count = vql_rows_count(items, item++);
            uint32_t first = 0;
            for (uint32_t g = 0; g < catalog->model->shape.groups; g++) {
                const uint32_t index = vql_rows_index(&like->rows, first + codes[g]);
                vql_rows_set_count(&like->rows, index, vql_rows_count(&like->rows, index) + count);
                first += catalog->model->codewords[g];
            }
        }
    }
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

/* Items become rows of codewords; the tail stays. */
static vql_code convert_items(vql_cache *cache)
{
    const uint32_t tail_count = cache->tail.count;
    vql_cache like = *cache;
    vql_cache_view *view;
    vql_code code = vql_cache_view_new(cache->catalog, &cache->allocator, &view);
    if (code != VQL_OK)
        return code;
    cache->tail.count = 0;
    code = make_rows(&like, cache, VQL_FORM_ROWS);
    if (code == VQL_OK) {
        vql_cache_view_load(view, cache);
        fill_sums(&like, view);
        fill_counts(&like, &cache->rows);
        vql_rows_release(&cache->rows, &cache->allocator);
        cache->rows = like.rows;
        cache->form = VQL_FORM_ROWS;
        cache->random = like.random;
        for (uint32_t r = 0; r < cache->catalog->model->shape.kernels; r++)
            cache->bases[r].gain = 1.0; /* the view's sums have it in them */
    }
    cache->tail.count = tail_count;
    vql_cache_view_free(view, &cache->allocator);
    return code;
}

vql_code vql_cache_convert(vql_cache *cache, vql_cache_form form)
{
    return cache->form == VQL_FORM_EVENTS ? convert_events(cache, form) : convert_items(cache);
}
