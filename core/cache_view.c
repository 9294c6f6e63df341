#include "cache_view.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "allocation.h"
#include "cache_fold.h"
#include "kernels.h"

/*
 * Up to this many addends a row on average are added in float32, with a relative error below
 * 64 · 2^-25 = 2e-6; more of them with compensated sums.
 */
enum {
    PLAIN_ADDENDS = 64,
};

vql_code vql_cache_view_new(const vql_catalog *catalog, const vql_allocator *allocator,
                            vql_cache_view **out)
{
    const vql_model *model = catalog->model;
    const size_t width = (size_t)model->shape.kernels * (model->shape.group_width + 1);
    size_t codewords = 0;
    for (uint32_t g = 0; g < model->shape.groups; g++)
        codewords += model->codewords[g];
    const uint32_t words = vql_rows_words((uint32_t)codewords);
    const size_t row_bytes = 2 * width * sizeof(float) + 2 * sizeof(uint32_t);
    const size_t bytes = sizeof(vql_cache_view) + model->shape.kernels * sizeof(int64_t) +
                         words * sizeof(uint64_t) + model->shape.groups * sizeof(uint32_t) +
                         codewords * row_bytes;
    vql_cache_view *view = allocator->allocate(allocator->context, bytes);
    if (view == NULL)
        return VQL_NO_MEMORY;
    view->width = width;
    view->words = words;
    view->base_ms = (int64_t *)(void *)(view + 1);
    view->occupied = (uint64_t *)(void *)(view->base_ms + model->shape.kernels);
    view->starts = (uint32_t *)(void *)(view->occupied + words);
    view->slots = view->starts + model->shape.groups;
    view->keys = view->slots + codewords;
    view->sums = (float *)(void *)(view->keys + codewords);
    view->lost = view->sums + codewords * width;
    for (uint32_t g = 0, first = 0; g < model->shape.groups; first += model->codewords[g++])
        view->starts[g] = first;
    *out = view;
    return VQL_OK;
}

void vql_cache_view_free(vql_cache_view *view, const vql_allocator *allocator)
{
    vql_release(allocator, view);
}

uint32_t vql_cache_view_find(const vql_cache_view *view, uint32_t key)
{
    uint32_t first = 0;
    uint32_t left = view->count;
    while (left > 0) {
        const uint32_t half = left / 2;
        if (view->keys[first + half] < key) {
            first += half + 1;
            left -= half + 1;
        } else {
            left = half;
        }
    }
    return first;
}

/* Marks the codewords of an event. */
static void mark_event(vql_cache_view *view, const vql_catalog *catalog,
                       const vql_cache_event *event)
{
    const uint16_t *codes = vql_catalog_codes(catalog, event->row, event->event_type);
    for (uint32_t g = 0; g < catalog->model->shape.groups; g++)
        vql_bits_set(view->occupied, view->starts[g] + codes[g]);
}

/* Which codewords are in use. */
static void load_map(vql_cache_view *view, const vql_cache *cache)
{
    const vql_cache_rows *rows = &cache->rows;
    memset(view->occupied, 0, view->words * sizeof *view->occupied);
    if (cache->form == VQL_FORM_ROWS)
        memcpy(view->occupied, vql_rows_occupied(rows), view->words * sizeof *view->occupied);
    for (uint32_t w = 0; w < rows->words && cache->form == VQL_FORM_ITEMS; w++) {
        for (uint64_t left = vql_rows_occupied(rows)[w]; left != 0; left &= left - 1) {
            const uint32_t position = w * 64 + (uint32_t)__builtin_ctzll(left);
            const vql_cache_event event = vql_item_event(cache->catalog->model, position);
            mark_event(view, cache->catalog, &event);
        }
    }
    for (uint32_t i = 0; i < cache->tail.count; i++) {
        const vql_cache_event event = vql_events_get(&cache->tail, i);
        mark_event(view, cache->catalog, &event);
    }
}

/* The rows' keys, and where each codeword's row is. */
static void load_keys(vql_cache_view *view, const vql_model *model)
{
    uint32_t index = 0;
    uint32_t group = 0;
    uint32_t first = 0;
    for (uint32_t w = 0; w < view->words; w++) {
        for (uint64_t left = view->occupied[w]; left != 0; left &= left - 1) {
            const uint32_t position = w * 64 + (uint32_t)__builtin_ctzll(left);
            while (position - first >= model->codewords[group])
                first += model->codewords[group++];
            view->keys[index] = vql_cache_key(group, position - first);
            view->slots[position] = index++;
        }
    }
    view->count = index;
}

/*
 * Sets the view's bases, which events of the tail may be too far ahead of the cache's for, and what
 * the cache's sums have to be multiplied by.
 */
static void load_bases(vql_cache_view *view, const vql_cache *cache, double *scales)
{
    const vql_model *model = cache->catalog->model;
    const int64_t latest_ms = vql_events_latest(&cache->tail);
    for (uint32_t r = 0; r < model->shape.kernels; r++) {
        const vql_cache_base base = cache->bases[r];
        const double decay = (double)model->decay[r];
        const double lengths = decay * vql_cache_hours(latest_ms, base.time_ms);
        const bool moves = cache->rows.count == 0 || lengths > VQL_CACHE_WINDOW;
        view->base_ms[r] = moves ? latest_ms : base.time_ms;
        scales[r] = cache->rows.count == 0 ? 0.0 : base.gain * exp(moves ? -lengths : 0.0);
    }
}

static void load_row(float *sums, const vql_cache *cache, uint32_t position, const double *scales)
{
    const vql_row_layout layout = vql_row_layout_of(cache);
    const uint8_t *slices = vql_rows_slices(&cache->rows, vql_rows_index(&cache->rows, position));
    for (uint32_t r = 0; r < layout.kernels; r++)
        vql_codec_load(layout.format, layout.width, slices + r * layout.slice_bytes, scales[r],
                       sums + r * (layout.width + 1));
}

static void load_rows(vql_cache_view *view, const vql_cache *cache, const double *scales)
{
    float *sums = view->sums;
    for (uint32_t w = 0; w < view->words; w++) {
        for (uint64_t left = view->occupied[w]; left != 0; left &= left - 1) {
            const uint32_t position = w * 64 + (uint32_t)__builtin_ctzll(left);
            if (cache->form == VQL_FORM_ROWS && vql_rows_has(&cache->rows, position))
                load_row(sums, cache, position, scales);
            else
                memset(sums, 0, view->width * sizeof *sums);
            sums += view->width;
        }
    }
    const size_t items = cache->form == VQL_FORM_ITEMS ? cache->rows.count : 0;
    const size_t addends = (items + cache->tail.count) * cache->catalog->model->shape.groups;
    view->carries = addends > (size_t)view->count * PLAIN_ADDENDS;
    if (view->carries)
        memset(view->lost, 0, view->count * view->width * sizeof *view->lost);
}

/* *sum += addend, with what is lost to rounding carried along (Kahan). */
static void add_carried(float addend, float *sum, float *lost)
{
    const float whole = addend - *lost;
    const float before = *sum;
    *sum = before + whole;
    *lost = (*sum - before) - whole;
}

/* The spread of a value into row `index`, with compensated sums. */
static void spread_carried(vql_cache_view *view, uint32_t index, const float *factors,
                           const float *value, const vql_shape *shape)
{
    const size_t width = shape->group_width;
    float *sums = view->sums + index * view->width;
    float *lost = view->lost + index * view->width;
    for (uint32_t r = 0; r < shape->kernels; r++) {
        const size_t at = r * (width + 1);
        for (size_t j = 0; j < width; j++)
            add_carried(factors[r] * value[j], &sums[at + j], &lost[at + j]);
        add_carried(factors[r], &sums[at + width], &lost[at + width]);
    }
}

/* Rounds factors, those that a float cannot hold to 0. */
static void round_factors(uint32_t kernels, const double *factors, float *rounded)
{
    for (uint32_t r = 0; r < kernels; r++)
        rounded[r] = factors[r] >= (double)FLT_MIN ? (float)factors[r] : 0.0f;
}

/* The same for all groups of an event. */
static void add_event_carried(vql_cache_view *view, const vql_catalog *catalog,
                              const vql_cache_event *event, const float *factors)
{
    const vql_shape *shape = &catalog->model->shape;
    const uint16_t *codes = vql_catalog_codes(catalog, event->row, event->event_type);
    float value[VQL_MAX_WIDTH];
    vql_catalog_value(catalog, event->row, event->event_type, value);
    for (uint32_t g = 0; g < shape->groups; g++)
        spread_carried(view, view->slots[view->starts[g] + codes[g]], factors,
                       value + (size_t)g * shape->group_width, shape);
}

/* Adds [v^g ‖ 1] times each kernel's factor to the sums of its codeword. */
static void add_event(vql_cache_view *view, const vql_catalog *catalog,
                      const vql_cache_event *event, const double *factors)
{
    const vql_shape *shape = &catalog->model->shape;
    const uint16_t *codes = vql_catalog_codes(catalog, event->row, event->event_type);
    float rounded[VQL_MAX_KERNELS];
    float *sums[VQL_MAX_HEADS];
    round_factors(shape->kernels, factors, rounded);
    if (view->carries) {
        add_event_carried(view, catalog, event, rounded);
        return;
    }
    for (uint32_t g = 0; g < shape->groups; g++)
        sums[g] = view->sums + view->slots[view->starts[g] + codes[g]] * view->width;
    vql_kernels_active()->spread(shape->groups, shape->group_width, shape->kernels, rounded,
                                 catalog->value_item + (size_t)event->row * shape->width,
                                 catalog->value_type + (size_t)event->event_type * shape->width,
                                 sums);
}

/* Adds the items, each as an event with the sums of its factors. */
static void load_items(vql_cache_view *view, const vql_cache *cache, const double *scales)
{
    const vql_row_layout layout = vql_row_layout_of(cache);
    const uint64_t *occupied = vql_rows_occupied(&cache->rows);
    const uint8_t *slice = vql_rows_slices(&cache->rows, 0);
    for (uint32_t w = 0; w < cache->rows.words; w++) {
        for (uint64_t left = occupied[w]; left != 0; left &= left - 1) {
            const uint32_t position = w * 64 + (uint32_t)__builtin_ctzll(left);
            const vql_cache_event event = vql_item_event(cache->catalog->model, position);
            double factors[VQL_MAX_KERNELS];
            for (uint32_t r = 0; r < layout.kernels; r++) {
                float n;
                vql_codec_load(layout.format, 0, slice, scales[r], &n);
                factors[r] = (double)n;
                slice += layout.slice_bytes;
            }
            add_event(view, cache->catalog, &event, factors);
        }
    }
}

static void load_tail(vql_cache_view *view, const vql_cache *cache)
{
    const vql_model *model = cache->catalog->model;
    double factors[VQL_MAX_KERNELS];
    int64_t time_ms = -1;
    for (uint32_t i = 0; i < cache->tail.count; i++) {
        const vql_cache_event event = vql_events_get(&cache->tail, i);
        if (event.time_ms != time_ms) {
            for (uint32_t r = 0; r < model->shape.kernels; r++) {
                const double hours = vql_cache_hours(event.time_ms, view->base_ms[r]);
                factors[r] = exp((double)model->decay[r] * hours);
            }
            time_ms = event.time_ms;
        }
        add_event(view, cache->catalog, &event, factors);
    }
}

void vql_cache_view_load(vql_cache_view *view, const vql_cache *cache)
{
    double scales[VQL_MAX_KERNELS];
    view->reference_ms = cache->reference_ms;
    load_map(view, cache);
    load_keys(view, cache->catalog->model);
    load_bases(view, cache, scales);
    load_rows(view, cache, scales);
    if (cache->form == VQL_FORM_ITEMS)
        load_items(view, cache, scales);
    load_tail(view, cache);
}
