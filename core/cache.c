#include "vql/cache.h"

#include <assert.h>
#include <string.h>

#include "allocation.h"
#include "cache_choice.h"
#include "cache_fold.h"

enum {
    CHUNK_EVENTS = 256, /* appended at a time, each chunk whole or not at all */
    FETCH_AHEAD = 12,   /* caches */
    GROUP_WORDS = VQL_MAX_CODEWORDS / 64,
};

static const vql_model *cache_model(const vql_cache *cache)
{
    return cache->tables->model;
}

static size_t header_bytes(const vql_cache *cache)
{
    return sizeof *cache + cache_model(cache)->shape.kernels * sizeof *cache->bases;
}

vql_code vql_cache_new_with(const vql_catalog *catalog, const vql_cache_options *options,
                            const vql_allocator *allocator, vql_cache **out)
{
    if (allocator == NULL)
        allocator = vql_allocator_default();
    const vql_tables *tables = catalog->tables;
    const vql_shape *shape = &tables->model->shape;
    const size_t bytes = sizeof(vql_cache) + shape->kernels * sizeof(vql_cache_base);
    vql_cache *cache = allocator->allocate(allocator->context, bytes);
    if (cache == NULL)
        return VQL_NO_MEMORY;
    memset(cache, 0, bytes);
    cache->allocator = *allocator;
    cache->tables = tables;
    cache->random = options->seed;
    cache->format = options->format;
    vql_events_init(&cache->tail, tables->capacity, shape->event_types);
    for (uint32_t r = 0; r < shape->kernels; r++)
        cache->bases[r].gain = 1.0;
    *out = cache;
    return VQL_OK;
}

vql_code vql_cache_new(const vql_catalog *catalog, const vql_allocator *allocator, vql_cache **out)
{
    return vql_cache_new_with(catalog, &(vql_cache_options){VQL_CACHE_INT8, 0}, allocator, out);
}

static void release_contents(vql_cache *cache)
{
    vql_rows_release(&cache->rows, &cache->allocator);
    vql_events_release(&cache->tail, &cache->allocator);
}

void vql_cache_free(vql_cache *cache)
{
    if (cache != NULL) {
        const vql_allocator allocator = cache->allocator;
        release_contents(cache);
        vql_release(&allocator, cache);
    }
}

vql_code vql_cache_clone(const vql_cache *cache, vql_cache **out)
{
    const size_t bytes = header_bytes(cache);
    const vql_allocator *allocator = &cache->allocator;
    vql_cache *copy = allocator->allocate(allocator->context, bytes);
    if (copy == NULL)
        return VQL_NO_MEMORY;
    memcpy(copy, cache, bytes);
    vql_code code = vql_rows_copy(&copy->rows, &cache->rows, allocator);
    if (code != VQL_OK)
        goto release_cache;
    code = vql_events_copy(&copy->tail, &cache->tail, allocator);
    if (code != VQL_OK)
        goto release_rows;
    *out = copy;
    return VQL_OK;
release_rows:
    vql_rows_release(&copy->rows, allocator);
release_cache:
    vql_release(allocator, copy);
    return code;
}

void vql_cache_take(vql_cache *cache, vql_cache *copy)
{
    const vql_allocator allocator = cache->allocator;
    release_contents(cache);
    memcpy(cache, copy, header_bytes(cache));
    vql_release(&allocator, copy);
}

/* ---- appending ---- */

static void note_events(vql_cache *cache, size_t count, int64_t latest_ms)
{
    cache->events += count;
    if (latest_ms > cache->reference_ms)
        cache->reference_ms = latest_ms;
}

/* The most events that a row can count, as far as it matters for the bytes of a count. */
static uint32_t largest_count(const vql_cache_rows *rows, uint64_t events)
{
    uint32_t most = 0;
    if (events < UINT64_C(1) << (8 * rows->count_bytes))
        return 0;
    for (uint32_t i = 0; i < rows->count; i++) {
        const uint32_t count = vql_rows_count(rows, i);
        most = count > most ? count : most;
    }
    return most;
}

/* The earliest and the latest of some times. */
typedef struct time_span {
    int64_t first_ms, last_ms;
} time_span;

static time_span span_of(const vql_cache_event *events, size_t count)
{
    time_span span = {events[0].time_ms, events[0].time_ms};
    for (size_t i = 1; i < count; i++) {
        span.first_ms = events[i].time_ms < span.first_ms ? events[i].time_ms : span.first_ms;
        span.last_ms = events[i].time_ms > span.last_ms ? events[i].time_ms : span.last_ms;
    }
    return span;
}

/* Makes rows for the tail and the events, and folds them. */
static vql_code fold(vql_cache *cache, const vql_cache_event *events, size_t count,
                     int64_t latest_ms)
{
    const vql_row_layout layout = vql_row_layout_of(cache);
    const int64_t tail_ms = vql_events_latest(&cache->tail);
    const uint32_t positions = vql_form_positions(cache, cache->form, events, count);
    vql_codeword_map map;
    vql_code code = vql_map_init(&map, vql_rows_words(positions), &cache->allocator);
    if (code != VQL_OK)
        return code;
    memcpy(map.bits, vql_rows_occupied(&cache->rows), cache->rows.words * sizeof *map.bits);
    for (uint32_t i = 0; i < cache->tail.count; i++) {
        const vql_cache_event event = vql_events_get(&cache->tail, i);
        vql_map_add_event(map.bits, &layout, cache->tables, &event);
    }
    for (size_t i = 0; i < count; i++)
        vql_map_add_event(map.bits, &layout, cache->tables, &events[i]);
    const uint64_t most =
        (uint64_t)largest_count(&cache->rows, cache->events + count) + cache->tail.count + count;
    code = vql_rows_reserve(&cache->rows, map.bits, positions, most, &cache->allocator);
    vql_map_release(&map, &cache->allocator);
    if (code != VQL_OK)
        return code;
    vql_fold_advance(cache, tail_ms > latest_ms ? tail_ms : latest_ms);
    vql_fold_tail(cache);
    vql_fold_events(cache, events, count, 1);
    return VQL_OK;
}

/* Appends events in the form that the cache has. */
static vql_code append_in_form(vql_cache *cache, const vql_cache_event *events, size_t count,
                               time_span span)
{
    if (cache->form != VQL_FORM_EVENTS && cache->tail.count + count > VQL_CACHE_TAIL_EVENTS)
        return fold(cache, events, count, span.last_ms);
    const vql_code code =
        vql_events_reserve(&cache->tail, count, span.first_ms, span.last_ms, &cache->allocator);
    for (size_t i = 0; i < count && code == VQL_OK; i++)
        vql_events_push(&cache->tail, &events[i]);
    return code;
}

/* Appends events in a form that the cache has not yet. */
static vql_code append_in_another(vql_cache *cache, vql_cache_form form,
                                  const vql_cache_event *events, size_t count, time_span span)
{
    vql_cache *copy;
    vql_code code = vql_cache_clone(cache, &copy);
    if (code != VQL_OK)
        return code;
    const bool before = copy->form == VQL_FORM_ITEMS; /* only events can be converted with others */
    if (before)
        code = vql_cache_convert(copy, form);
    if (code == VQL_OK)
        code = append_in_form(copy, events, count, span);
    if (code == VQL_OK && !before)
        code = vql_cache_convert(copy, form);
    if (code == VQL_OK)
        vql_cache_take(cache, copy);
    else
        vql_cache_free(copy);
    return code;
}

/* Appends up to CHUNK_EVENTS events, all or none. */
static vql_code append_chunk(vql_cache *cache, const vql_cache_event *events, size_t count)
{
    const vql_shape *shape = &cache_model(cache)->shape;
    for (size_t i = 0; i < count; i++) {
        assert(events[i].row < cache->tables->capacity &&
               events[i].event_type < shape->event_types);
        assert(events[i].time_ms >= 0);
    }
    const time_span span = span_of(events, count);
    const uint32_t most =
        cache->form == VQL_FORM_EVENTS ? VQL_CACHE_MOST_EVENTS_KEPT : VQL_CACHE_TAIL_EVENTS;
    const bool full = cache->tail.count + count > most;
    if (!full && vql_events_fit(&cache->tail, count, span.first_ms, span.last_ms)) {
        for (size_t i = 0; i < count; i++)
            vql_events_push(&cache->tail, &events[i]);
    } else {
        vql_cache_form form;
        vql_code code = vql_cache_choose(cache, events, count, span.first_ms, span.last_ms, &form);
        if (code == VQL_OK && form == cache->form)
            code = append_in_form(cache, events, count, span);
        else if (code == VQL_OK)
            code = append_in_another(cache, form, events, count, span);
        if (code != VQL_OK)
            return code;
    }
    note_events(cache, count, span.last_ms);
    return VQL_OK;
}

vql_code vql_cache_append(vql_cache *cache, const vql_cache_event *events, size_t count)
{
    if (count > VQL_CACHE_MAX_EVENTS - cache->events)
        return VQL_VALUE;
    if (count == 0)
        return VQL_OK;
    if (count <= CHUNK_EVENTS)
        return append_chunk(cache, events, count);
    vql_cache *copy;
    vql_code code = vql_cache_clone(cache, &copy);
    for (size_t done = 0; done < count && code == VQL_OK; done += CHUNK_EVENTS) {
        const size_t left = count - done;
        code = append_chunk(copy, events + done, left < CHUNK_EVENTS ? left : CHUNK_EVENTS);
        if (code != VQL_OK)
            vql_cache_free(copy);
    }
    if (code == VQL_OK)
        vql_cache_take(cache, copy);
    return code;
}

size_t vql_cache_append_each(vql_cache *const *caches, const vql_cache_event *events, size_t count,
                             vql_code *code)
{
    vql_code last = VQL_OK;
    size_t i = 0;
    for (; i < count; i++) {
        if (count - i > 2 * FETCH_AHEAD) {
            __builtin_prefetch(caches[i + 2 * FETCH_AHEAD], 1);
            __builtin_prefetch((const char *)caches[i + 2 * FETCH_AHEAD] + 64, 1);
            vql_events_prefetch(&caches[i + FETCH_AHEAD]->tail);
        }
        last = vql_cache_append(caches[i], &events[i], 1);
        if (last != VQL_OK)
            break;
    }
    if (code != NULL)
        *code = last;
    return i;
}

/* ---- removing ---- */

/* Whether an event can be among those in the rows, as far as they can tell. */
static bool rows_can_hold(const vql_cache *cache, const vql_cache_event *event)
{
    const vql_model *model = cache_model(cache);
    const vql_row_layout layout = vql_row_layout_of(cache);
    uint32_t first = 0;
    for (uint32_t g = 0; g < layout.groups; g++) {
        const uint32_t code = vql_event_code(&layout, cache->tables, event, g);
        if (!vql_rows_has(&cache->rows, first + code))
            return false;
        first += vql_group_positions(&layout, cache, g);
    }
    for (uint32_t r = 0; r < model->shape.kernels; r++) {
        const double hours = vql_cache_hours(event->time_ms, cache->bases[r].time_ms);
        if ((double)model->decay[r] * hours > VQL_CACHE_WINDOW)
            return false;
    }
    return event->time_ms <= cache->reference_ms;
}

vql_code vql_cache_remove(vql_cache *cache, const vql_cache_event *event)
{
    const vql_model *model = cache_model(cache);
    assert(event->row < cache->tables->capacity && event->event_type < model->shape.event_types);
    assert(event->time_ms >= 0);
    if (vql_events_remove(&cache->tail, event)) {
        cache->events--;
        return VQL_OK;
    }
    if (!rows_can_hold(cache, event))
        return VQL_VALUE;
    vql_fold_events(cache, event, 1, -1);
    cache->events--;
    const vql_row_layout layout = vql_row_layout_of(cache);
    uint32_t first = 0;
    for (uint32_t g = 0; g < layout.groups; g++) {
        const uint32_t position = first + vql_event_code(&layout, cache->tables, event, g);
        const uint32_t index = vql_rows_index(&cache->rows, position);
        if (vql_rows_count(&cache->rows, index) == 0)
            vql_rows_delete(&cache->rows, position, &cache->allocator);
        first += vql_group_positions(&layout, cache, g);
    }
    if (cache->rows.count == 0)
        vql_cache_set_form(cache, VQL_FORM_EVENTS, 0);
    return VQL_OK;
}

/* ---- what a cache is ---- */

uint64_t vql_cache_events(const vql_cache *cache)
{
    return cache->events;
}

int64_t vql_cache_reference_ms(const vql_cache *cache)
{
    return cache->reference_ms;
}

vql_cache_form vql_cache_form_of(const vql_cache *cache)
{
    return cache->form;
}

vql_cache_format vql_cache_format_of(const vql_cache *cache)
{
    return cache->format;
}

uint32_t vql_cache_occupied(const vql_cache *cache, uint32_t group)
{
    uint64_t map[GROUP_WORDS] = {0};
    const vql_model *model = cache_model(cache);
    uint32_t position = 0;
    for (uint32_t g = 0; g < group; g++)
        position += model->codewords[g];
    for (uint32_t code = 0; cache->form == VQL_FORM_ROWS && code < model->codewords[group]; code++)
        if (vql_rows_has(&cache->rows, position + code))
            vql_bits_set(map, code);
    for (uint32_t w = 0; cache->form == VQL_FORM_ITEMS && w < cache->rows.words; w++) {
        for (uint64_t left = vql_rows_occupied(&cache->rows)[w]; left != 0; left &= left - 1) {
            const vql_cache_event item =
                vql_item_event(model, w * 64 + (uint32_t)__builtin_ctzll(left));
            vql_bits_set(map, vql_tables_codes(cache->tables, item.row, item.event_type)[group]);
        }
    }
    for (uint32_t i = 0; i < cache->tail.count; i++) {
        const vql_cache_event event = vql_events_get(&cache->tail, i);
        vql_bits_set(map, vql_tables_codes(cache->tables, event.row, event.event_type)[group]);
    }
    uint32_t occupied = 0;
    for (uint32_t w = 0; w < GROUP_WORDS; w++)
        occupied += (uint32_t)__builtin_popcountll(map[w]);
    return occupied;
}

size_t vql_cache_bytes(const vql_cache *cache)
{
    return header_bytes(cache) + vql_rows_bytes(&cache->rows) + cache->tail.capacity_bytes;
}
