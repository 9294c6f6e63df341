#include "cache_fold.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "allocation.h"

vql_code vql_map_init(vql_codeword_map *map, uint32_t words, const vql_allocator *allocator)
{
    map->words = words;
    map->bits = map->few;
    if (words > VQL_FEW_WORDS)
        map->bits = vql_allocate_array(allocator, words, sizeof *map->bits, NULL);
    if (map->bits == NULL)
        return VQL_NO_MEMORY;
    memset(map->bits, 0, words * sizeof *map->bits);
    return VQL_OK;
}

void vql_map_release(vql_codeword_map *map, const vql_allocator *allocator)
{
    if (map->bits != map->few)
        vql_release(allocator, map->bits);
}

/* Those of the model's items, and of spare ones up to the last that is there, in whole words. */
static uint32_t item_positions(const vql_cache *cache, const vql_cache_event *events, size_t count)
{
    const vql_shape *shape = &cache->tables->model->shape;
    const uint32_t mapped = cache->form == VQL_FORM_ITEMS ? cache->rows.codewords : 0;
    uint32_t rows = shape->items;
    for (uint32_t i = 0; i < cache->tail.count; i++) {
        const uint32_t row = vql_events_get(&cache->tail, i).row;
        rows = row < rows ? rows : row + 1;
    }
    for (size_t i = 0; i < count; i++)
        rows = events[i].row < rows ? rows : events[i].row + 1;
    const uint32_t positions = vql_rows_words(rows * shape->event_types) * 64;
    return positions > mapped ? positions : mapped;
}

uint32_t vql_form_positions(const vql_cache *cache, vql_cache_form form,
                            const vql_cache_event *events, size_t count)
{
    const vql_model *model = cache->tables->model;
    uint32_t positions = 0;
    if (form == VQL_FORM_ITEMS)
        return item_positions(cache, events, count);
    for (uint32_t g = 0; form == VQL_FORM_ROWS && g < model->shape.groups; g++)
        positions += model->codewords[g];
    return positions;
}

void vql_map_add_event(uint64_t *bits, const vql_row_layout *layout, const vql_tables *tables,
                       const vql_cache_event *event)
{
    uint32_t first = 0;
    for (uint32_t g = 0; g < layout->groups; g++) {
        vql_bits_set(bits, first + vql_event_code(layout, tables, event, g));
        first += tables->model->codewords[g];
    }
}

void vql_fold_rebase(vql_cache *cache, uint32_t kernel, int64_t time_ms)
{
    const vql_model *model = cache->tables->model;
    const vql_row_layout layout = vql_row_layout_of(cache);
    vql_cache_base *base = &cache->bases[kernel];
    const double lengths = (double)model->decay[kernel] * vql_cache_hours(time_ms, base->time_ms);
    if (time_ms <= base->time_ms)
        return;
    int exponent;
    const double part = frexp(base->gain * exp(-lengths), &exponent);
    for (uint32_t i = 0; i < cache->rows.count; i++) {
        uint8_t *slice = vql_rows_slices(&cache->rows, i) + kernel * layout.slice_bytes;
        if (part > 0.0)
            vql_codec_shift(layout.format, layout.width, slice, 1 - exponent);
        else
            memset(slice, 0, layout.slice_bytes);
    }
    *base = (vql_cache_base){time_ms, part > 0.0 ? 2.0 * part : 1.0};
}

void vql_fold_start(vql_cache *cache, int64_t time_ms)
{
    for (uint32_t r = 0; r < cache->tables->model->shape.kernels; r++)
        cache->bases[r] = (vql_cache_base){time_ms, 1.0};
}

void vql_fold_advance(vql_cache *cache, int64_t time_ms)
{
    const vql_model *model = cache->tables->model;
    for (uint32_t r = 0; r < model->shape.kernels; r++) {
        const double hours = vql_cache_hours(time_ms, cache->bases[r].time_ms);
        if ((double)model->decay[r] * hours > VQL_CACHE_WINDOW)
            vql_fold_rebase(cache, r, time_ms);
    }
}

/* Up to VQL_FOLD_EVENTS events, and what each kernel makes of their times. */
typedef struct batch {
    vql_row_layout layout;
    const vql_cache_event *events;
    uint32_t count;
    int times;
    double factors[VQL_FOLD_EVENTS * VQL_MAX_KERNELS]; /* [count, R] */
    uint64_t order[VQL_FOLD_EVENTS]; /* a group's code << 16 | index of the event, ascending */
} batch;

static void batch_factors(batch *of, const vql_cache *cache)
{
    const vql_model *model = cache->tables->model;
    const uint32_t kernels = model->shape.kernels;
    for (uint32_t i = 0; i < of->count; i++) {
        double *factors = of->factors + i * kernels;
        if (i > 0 && of->events[i].time_ms == of->events[i - 1].time_ms) {
            memcpy(factors, factors - kernels, kernels * sizeof *factors);
            continue;
        }
        for (uint32_t r = 0; r < kernels; r++) {
            const vql_cache_base *base = &cache->bases[r];
            const double hours = vql_cache_hours(of->events[i].time_ms, base->time_ms);
            factors[r] = of->times * exp((double)model->decay[r] * hours) / base->gain;
        }
    }
}

/* Sorts the batch by the codes of a group (Shell's method). */
static void batch_sort(batch *of, const vql_tables *tables, uint32_t group)
{
    static const uint32_t GAPS[] = {57, 23, 10, 4, 1};
    for (uint32_t i = 0; i < of->count; i++) {
        const uint64_t code = vql_event_code(&of->layout, tables, &of->events[i], group);
        of->order[i] = code << 16 | i;
    }
    for (size_t g = 0; g < sizeof GAPS / sizeof GAPS[0]; g++) {
        const uint32_t gap = GAPS[g];
        for (uint32_t i = gap; i < of->count; i++) {
            const uint64_t key = of->order[i];
            uint32_t at = i;
            for (; at >= gap && of->order[at - gap] > key; at -= gap)
                of->order[at] = of->order[at - gap];
            of->order[at] = key;
        }
    }
}

/* Adds kernel r's part of the events order[first … last), all of one codeword, to its slice. */
static void fold_slice(vql_cache *cache, const batch *of, uint32_t group, uint32_t kernel,
                       uint32_t first, uint32_t last, uint8_t *slice)
{
    const vql_tables *tables = cache->tables;
    const vql_shape *shape = &tables->model->shape;
    const size_t width = of->layout.width;
    double addend[VQL_MAX_WIDTH + 1];
    memset(addend, 0, (width + 1) * sizeof *addend);
    for (uint32_t k = first; k < last; k++) {
        const uint32_t i = (uint32_t)of->order[k] & 0xffff;
        const vql_cache_event *event = &of->events[i];
        const float *item = tables->value_item + (size_t)event->row * shape->width + group * width;
        const float *type =
            tables->value_type + (size_t)event->event_type * shape->width + group * width;
        const double factor = of->factors[i * shape->kernels + kernel];
        if (!(fabs(factor) >= (double)FLT_MIN))
            continue;
        for (size_t j = 0; j < width; j++)
            addend[j] += factor * (double)(item[j] + type[j]);
        addend[width] += factor;
    }
    if (addend[width] != 0.0)
        vql_codec_add(of->layout.format, width, slice, addend, &cache->random);
}

static void fold_batch(vql_cache *cache, batch *of)
{
    const size_t slice_bytes = of->layout.slice_bytes;
    uint32_t position = 0;
    batch_factors(of, cache);
    for (uint32_t g = 0; g < of->layout.groups; g++) {
        batch_sort(of, cache->tables, g);
        for (uint32_t first = 0, last; first < of->count; first = last) {
            const uint64_t code = of->order[first] >> 16;
            for (last = first + 1; last < of->count && of->order[last] >> 16 == code;)
                last++;
            const uint32_t index = vql_rows_index(&cache->rows, position + (uint32_t)code);
            uint8_t *slices = vql_rows_slices(&cache->rows, index);
            for (uint32_t r = 0; r < of->layout.kernels; r++)
                fold_slice(cache, of, g, r, first, last, slices + r * slice_bytes);
            const uint32_t change = (uint32_t)of->times * (last - first);
            vql_rows_set_count(&cache->rows, index, vql_rows_count(&cache->rows, index) + change);
        }
        position += vql_group_positions(&of->layout, cache, g);
    }
}

void vql_fold_events(vql_cache *cache, const vql_cache_event *events, size_t count, int times)
{
    for (size_t first = 0; first < count; first += VQL_FOLD_EVENTS) {
        const size_t left = count - first < VQL_FOLD_EVENTS ? count - first : VQL_FOLD_EVENTS;
        batch of;
        of.layout = vql_row_layout_of(cache);
        of.events = events + first;
        of.count = (uint32_t)left;
        of.times = times;
        fold_batch(cache, &of);
    }
}

void vql_fold_tail(vql_cache *cache)
{
    vql_cache_event events[VQL_FOLD_EVENTS];
    for (uint32_t first = 0; first < cache->tail.count; first += VQL_FOLD_EVENTS) {
        const uint32_t left = cache->tail.count - first;
        const uint32_t count = left < VQL_FOLD_EVENTS ? left : VQL_FOLD_EVENTS;
        for (uint32_t i = 0; i < count; i++)
            events[i] = vql_events_get(&cache->tail, first + i);
        vql_fold_events(cache, events, count, 1);
    }
    cache->tail.count = 0;
}
