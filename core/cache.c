#include "vql/cache.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <string.h>

#include "allocation.h"
#include "cache_data.h"
#include "catalog_data.h"
#include "model_data.h"

/*
 * How many decay lengths an event may lie ahead of a kernel's base. Its factor is then at most
 * e^20 < 2^29, so that VQL_CACHE_MAX_EVENTS < 2^32 events sum to less than 2^61 times the largest
 * value, in a float that ends at 2^128.
 */
#define WINDOW 20.0

/*
 * From more events than this on, a cache keeps remainders. A float takes in 256 addends of one size
 * with a relative error below 256 · 2^-25 < 1e-5, and no bound holds for many more: the rounding of
 * an addend that repeats goes one way.
 */
#define PLAIN_EVENTS 256

enum {
    FEW_KEYS = 1024, /* on the stack: 4 KiB */
};

/* An ascending set of keys: those of rows that must be made. */
typedef struct key_set {
    const vql_allocator *allocator;
    uint32_t *keys;
    uint32_t count;
    uint32_t few[FEW_KEYS];
} key_set;

static vql_code key_set_init(key_set *set, uint64_t capacity, const vql_allocator *allocator)
{
    set->allocator = allocator;
    set->count = 0;
    set->keys = set->few;
    if (capacity > FEW_KEYS)
        set->keys = vql_allocate_array(allocator, capacity, sizeof *set->keys, NULL);
    return set->keys == NULL ? VQL_NO_MEMORY : VQL_OK;
}

static void key_set_add(key_set *set, uint32_t key)
{
    const uint32_t index = vql_cache_find_key(set->keys, set->count, key);
    if (index < set->count && set->keys[index] == key)
        return;
    memmove(set->keys + index + 1, set->keys + index, (set->count - index) * sizeof *set->keys);
    set->keys[index] = key;
    set->count++;
}

static void key_set_release(key_set *set)
{
    if (set->keys != set->few)
        vql_release(set->allocator, set->keys);
}

static const vql_model *cache_model(const vql_cache *cache)
{
    return cache->catalog->model;
}

static const vql_shape *cache_shape(const vql_cache *cache)
{
    return &cache->catalog->model->shape;
}

static size_t header_bytes(const vql_cache *cache)
{
    return sizeof *cache + cache_shape(cache)->kernels * sizeof *cache->base_ms;
}

/* The most rows that a cache can have: Σ_g K_g. */
static uint32_t all_codewords(const vql_model *model)
{
    uint32_t sum = 0;
    for (uint32_t g = 0; g < model->shape.groups; g++)
        sum += model->codewords[g];
    return sum;
}

/* Kernel r's slice of a row: D_g numbers of S, then n. */
static vql_cache_slice kernel_slice(const vql_cache *cache, uint32_t index, uint32_t kernel)
{
    const size_t count = cache_shape(cache)->group_width + 1;
    return vql_cache_rows_slice(&cache->rows, index, kernel * count, count);
}

/* Clears a slice whose n has decayed, or been taken out, to below FLT_MIN. */
static void settle(vql_cache_slice slice)
{
    if (!(slice.sums[slice.count - 1] >= FLT_MIN))
        vql_cache_slice_clear(slice);
}

/* Moves kernel r's base to time_ms, which no sum's worth depends on. */
static void rebase(vql_cache *cache, uint32_t kernel, int64_t time_ms)
{
    const double decay = (double)cache_model(cache)->decay[kernel];
    const double factor = exp(-decay * vql_cache_hours(time_ms, cache->base_ms[kernel]));
    for (uint32_t i = 0; i < cache->rows.count; i++) {
        const vql_cache_slice slice = kernel_slice(cache, i, kernel);
        vql_cache_slice_scale(slice, factor);
        settle(slice);
    }
    cache->base_ms[kernel] = time_ms;
}

/* How many of kernel r's decay lengths time_ms lies ahead of its base; negative when behind. */
static double decay_lengths(const vql_cache *cache, uint32_t kernel, int64_t time_ms)
{
    const double decay = (double)cache_model(cache)->decay[kernel];
    return decay * vql_cache_hours(time_ms, cache->base_ms[kernel]);
}

/* Moves bases so that events up to time_ms can be added. */
static void advance(vql_cache *cache, int64_t time_ms)
{
    for (uint32_t r = 0; r < cache_shape(cache)->kernels; r++)
        if (cache->events == 0)
            cache->base_ms[r] = time_ms;
        else if (decay_lengths(cache, r, time_ms) > WINDOW)
            rebase(cache, r, time_ms);
    if (time_ms > cache->reference_ms)
        cache->reference_ms = time_ms;
}

/*
 * Adds an event `times` times (1 or -1) to the sums and counts of its codewords, which have rows.
 */
static void add_event(vql_cache *cache, const vql_cache_event *event, int times)
{
    const vql_shape *shape = cache_shape(cache);
    const size_t group_width = shape->group_width;
    float value[VQL_MAX_WIDTH];
    float addend[VQL_MAX_WIDTH + 1]; /* [v^g ‖ 1] */
    double factors[VQL_MAX_KERNELS];
    vql_catalog_value(cache->catalog, event->row, event->event_type, value);
    for (uint32_t r = 0; r < shape->kernels; r++)
        factors[r] = exp(decay_lengths(cache, r, event->time_ms));
    addend[group_width] = 1.0f;
    const uint16_t *codes = vql_catalog_codes(cache->catalog, event->row, event->event_type);
    for (uint32_t g = 0; g < shape->groups; g++) {
        const uint32_t index = vql_cache_rows_find(&cache->rows, vql_cache_key(g, codes[g]));
        memcpy(addend, value + g * group_width, group_width * sizeof *addend);
        for (uint32_t r = 0; r < shape->kernels; r++)
            if (factors[r] >= FLT_MIN)
                vql_cache_slice_add(kernel_slice(cache, index, r), times * factors[r], addend);
        cache->rows.counts[index] += (uint32_t)times;
    }
}

/* Makes rows for all codewords of the events that have none. */
static vql_code make_rows(vql_cache *cache, const vql_cache_event *events, size_t count)
{
    const vql_shape *shape = cache_shape(cache);
    const uint32_t all = all_codewords(cache_model(cache));
    const uint64_t unused = all - cache->rows.count;
    const uint64_t named = (uint64_t)count * shape->groups;
    key_set missing;
    vql_code code = key_set_init(&missing, named < unused ? named : unused, &cache->allocator);
    if (code != VQL_OK)
        return code;
    for (size_t i = 0; i < count; i++) {
        const vql_cache_event *event = &events[i];
        assert(event->row < shape->items && event->event_type < shape->event_types);
        assert(event->time_ms >= 0);
        const uint16_t *codes = vql_catalog_codes(cache->catalog, event->row, event->event_type);
        for (uint32_t g = 0; g < shape->groups; g++) {
            const uint32_t key = vql_cache_key(g, codes[g]);
            const uint32_t index = vql_cache_rows_find(&cache->rows, key);
            if (!vql_cache_rows_holds(&cache->rows, index, key))
                key_set_add(&missing, key);
        }
    }
    const bool precise = cache->events + count > PLAIN_EVENTS;
    code = vql_cache_rows_insert(&cache->rows, missing.keys, missing.count, all, precise,
                                 &cache->allocator);
    key_set_release(&missing);
    return code;
}

vql_code vql_cache_new(const vql_catalog *catalog, const vql_allocator *allocator, vql_cache **out)
{
    if (allocator == NULL)
        allocator = vql_allocator_default();
    const vql_shape *shape = &catalog->model->shape;
    const size_t bytes = sizeof(vql_cache) + shape->kernels * sizeof(int64_t);
    vql_cache *cache = allocator->allocate(allocator->context, bytes);
    if (cache == NULL)
        return VQL_NO_MEMORY;
    memset(cache, 0, bytes);
    cache->allocator = *allocator;
    cache->catalog = catalog;
    cache->rows.width = (size_t)shape->kernels * (shape->group_width + 1);
    *out = cache;
    return VQL_OK;
}

void vql_cache_free(vql_cache *cache)
{
    if (cache != NULL) {
        const vql_allocator allocator = cache->allocator;
        vql_cache_rows_release(&cache->rows, &allocator);
        vql_release(&allocator, cache);
    }
}

vql_code vql_cache_clone(const vql_cache *cache, vql_cache **out)
{
    vql_cache *copy;
    vql_code code = vql_cache_new(cache->catalog, &cache->allocator, &copy);
    if (code != VQL_OK)
        return code;
    code = vql_cache_rows_copy(&copy->rows, &cache->rows, &cache->allocator);
    if (code != VQL_OK) {
        vql_cache_free(copy);
        return code;
    }
    copy->events = cache->events;
    copy->reference_ms = cache->reference_ms;
    memcpy(copy->base_ms, cache->base_ms, cache_shape(cache)->kernels * sizeof *cache->base_ms);
    *out = copy;
    return VQL_OK;
}

vql_code vql_cache_append(vql_cache *cache, const vql_cache_event *events, size_t count)
{
    if (count > VQL_CACHE_MAX_EVENTS - cache->events)
        return VQL_VALUE;
    if (count == 0)
        return VQL_OK;
    const vql_code code = make_rows(cache, events, count);
    if (code != VQL_OK)
        return code;
    int64_t latest_ms = events[0].time_ms;
    for (size_t i = 1; i < count; i++)
        latest_ms = events[i].time_ms > latest_ms ? events[i].time_ms : latest_ms;
    advance(cache, latest_ms);
    for (size_t i = 0; i < count; i++)
        add_event(cache, &events[i], 1);
    cache->events += count;
    return VQL_OK;
}

/* Whether an event can be among those in the cache, as far as the cache can tell. */
static bool can_hold(const vql_cache *cache, const vql_cache_event *event)
{
    const vql_shape *shape = cache_shape(cache);
    const uint16_t *codes = vql_catalog_codes(cache->catalog, event->row, event->event_type);
    for (uint32_t g = 0; g < shape->groups; g++) {
        const uint32_t key = vql_cache_key(g, codes[g]);
        if (!vql_cache_rows_holds(&cache->rows, vql_cache_rows_find(&cache->rows, key), key))
            return false;
    }
    for (uint32_t r = 0; r < shape->kernels; r++)
        if (decay_lengths(cache, r, event->time_ms) > WINDOW)
            return false;
    return event->time_ms <= cache->reference_ms;
}

vql_code vql_cache_remove(vql_cache *cache, const vql_cache_event *event)
{
    const vql_shape *shape = cache_shape(cache);
    assert(event->row < shape->items && event->event_type < shape->event_types);
    assert(event->time_ms >= 0);
    if (!can_hold(cache, event))
        return VQL_VALUE;
    add_event(cache, event, -1);
    cache->events--;
    const uint16_t *codes = vql_catalog_codes(cache->catalog, event->row, event->event_type);
    for (uint32_t g = 0; g < shape->groups; g++) {
        const uint32_t index = vql_cache_rows_find(&cache->rows, vql_cache_key(g, codes[g]));
        if (cache->rows.counts[index] == 0) {
            vql_cache_rows_delete(&cache->rows, index);
            continue;
        }
        for (uint32_t r = 0; r < shape->kernels; r++)
            settle(kernel_slice(cache, index, r));
    }
    return VQL_OK;
}

/* Makes rows for all codewords of other that cache has not. */
static vql_code make_rows_of(vql_cache *cache, const vql_cache *other)
{
    key_set missing;
    vql_code code = key_set_init(&missing, other->rows.count, &cache->allocator);
    if (code != VQL_OK)
        return code;
    for (uint32_t i = 0; i < other->rows.count; i++) {
        const uint32_t key = other->rows.keys[i];
        if (!vql_cache_rows_holds(&cache->rows, vql_cache_rows_find(&cache->rows, key), key))
            key_set_add(&missing, key);
    }
    const bool precise = cache->events + other->events > PLAIN_EVENTS;
    code = vql_cache_rows_insert(&cache->rows, missing.keys, missing.count,
                                 all_codewords(cache_model(cache)), precise, &cache->allocator);
    key_set_release(&missing);
    return code;
}

/* Adds other's row i, whose codeword cache has a row for. */
static void add_row(vql_cache *cache, const vql_cache *other, uint32_t i)
{
    const uint32_t index = vql_cache_rows_find(&cache->rows, other->rows.keys[i]);
    for (uint32_t r = 0; r < cache_shape(cache)->kernels; r++) {
        const vql_cache_slice slice = kernel_slice(cache, index, r);
        const double factor = exp(decay_lengths(cache, r, other->base_ms[r]));
        vql_cache_slice_add(slice, factor, kernel_slice(other, i, r).sums);
        settle(slice);
    }
    cache->rows.counts[index] += other->rows.counts[i];
}

vql_code vql_cache_merge(vql_cache *cache, const vql_cache *other)
{
    if (other->events > VQL_CACHE_MAX_EVENTS - cache->events)
        return VQL_VALUE;
    const vql_code code = make_rows_of(cache, other);
    if (code != VQL_OK)
        return code;
    if (other->reference_ms > cache->reference_ms)
        cache->reference_ms = other->reference_ms;
    for (uint32_t r = 0; r < cache_shape(cache)->kernels && other->events > 0; r++)
        if (cache->events == 0)
            cache->base_ms[r] = other->base_ms[r];
        else if (other->base_ms[r] > cache->base_ms[r])
            rebase(cache, r, other->base_ms[r]);
    for (uint32_t i = 0; i < other->rows.count; i++)
        add_row(cache, other, i);
    cache->events += other->events;
    return VQL_OK;
}

uint64_t vql_cache_events(const vql_cache *cache)
{
    return cache->events;
}

int64_t vql_cache_reference_ms(const vql_cache *cache)
{
    return cache->reference_ms;
}

uint32_t vql_cache_occupied(const vql_cache *cache, uint32_t group)
{
    return vql_cache_rows_find(&cache->rows, vql_cache_key(group + 1, 0)) -
           vql_cache_rows_find(&cache->rows, vql_cache_key(group, 0));
}

size_t vql_cache_bytes(const vql_cache *cache)
{
    return header_bytes(cache) + vql_cache_rows_bytes(&cache->rows);
}
