#include "vql/occupancy.h"

#include <math.h>
#include <string.h>

#include "allocation.h"
#include "cache_fold.h"
#include "cache_layout.h"

/* Where the sums of an occupancy come together. */
typedef struct tally {
    const vql_cache *cache;
    uint32_t codewords; /* Σ_g K_g */
    vql_codeword_map map;
    uint32_t *before; /* [map.words] */
    vql_occupancy *out;
} tally;

/* The layout of codewords' rows, whatever the cache has. */
static vql_row_layout codeword_layout(const vql_cache *cache)
{
    vql_row_layout layout = vql_row_layout_of(cache);
    layout.groups = cache->tables->model->shape.groups;
    layout.items = false;
    return layout;
}

/* Visits the rows, of items or codewords, with their positions. */
static void visit_rows(tally *t, void (*visit)(tally *t, uint32_t position, uint32_t index))
{
    const vql_cache_rows *rows = &t->cache->rows;
    uint32_t index = 0;
    for (uint32_t w = 0; rows->count > 0 && w < rows->words; w++)
        for (uint64_t left = vql_rows_occupied(rows)[w]; left != 0; left &= left - 1)
            visit(t, w * 64 + (uint32_t)__builtin_ctzll(left), index++);
}

static void mark_event(tally *t, const vql_cache_event *event)
{
    const vql_row_layout layout = codeword_layout(t->cache);
    vql_map_add_event(t->map.bits, &layout, t->cache->tables, event);
}

static void mark_row(tally *t, uint32_t position, uint32_t index)
{
    (void)index;
    if (t->cache->form != VQL_FORM_ITEMS) {
        vql_bits_set(t->map.bits, position);
        return;
    }
    const vql_cache_event event = vql_item_event(t->cache->tables->model, position);
    mark_event(t, &event);
}

/* Adds events and what they weigh, R numbers, to the codeword at a position. */
static void add_position(tally *t, uint32_t position, uint64_t events, const double *masses)
{
    const size_t at = vql_bits_rank(t->map.bits, t->before, position);
    t->out->codewords[at].events += events;
    for (uint32_t r = 0; r < t->out->kernels; r++)
        t->out->masses[at * t->out->kernels + r] += masses[r];
}

/* The same for every codeword of an event. */
static void add_event(tally *t, const vql_cache_event *event, uint64_t events, const double *masses)
{
    const vql_row_layout layout = codeword_layout(t->cache);
    uint32_t first = 0;
    for (uint32_t g = 0; g < layout.groups; g++) {
        add_position(t, first + vql_event_code(&layout, t->cache->tables, event, g), events,
                     masses);
        first += t->cache->tables->model->codewords[g];
    }
}

static void add_row(tally *t, uint32_t position, uint32_t index)
{
    const vql_cache *cache = t->cache;
    const vql_model *model = cache->tables->model;
    const vql_row_layout layout = vql_row_layout_of(cache);
    const uint8_t *slice = vql_rows_slices(&cache->rows, index);
    double masses[VQL_MAX_KERNELS];
    for (uint32_t r = 0; r < layout.kernels; r++, slice += layout.slice_bytes) {
        const vql_cache_base *base = &cache->bases[r];
        const double hours = vql_cache_hours(cache->reference_ms, base->time_ms);
        const float n =
            vql_codec_normaliser(layout.format, layout.width, layout.slice_bytes, slice);
        masses[r] = (double)n * base->gain * exp(-(double)model->decay[r] * hours);
    }
    const uint32_t events = vql_rows_count(&cache->rows, index);
    if (layout.items) {
        const vql_cache_event event = vql_item_event(model, position);
        add_event(t, &event, events, masses);
    } else {
        add_position(t, position, events, masses);
    }
}

static void add_tail(tally *t)
{
    const vql_cache *cache = t->cache;
    double masses[VQL_MAX_KERNELS];
    for (uint32_t i = 0; i < cache->tail.count; i++) {
        const vql_cache_event event = vql_events_get(&cache->tail, i);
        const double hours = vql_cache_hours(cache->reference_ms, event.time_ms);
        for (uint32_t r = 0; r < t->out->kernels; r++)
            masses[r] = exp(-(double)cache->tables->model->decay[r] * hours);
        add_event(t, &event, 1, masses);
    }
}

/* Names the codewords that the map has, with sums of zero. */
static void begin_sums(tally *t)
{
    const vql_model *model = t->cache->tables->model;
    vql_occupancy *out = t->out;
    size_t at = 0;
    uint32_t position = 0;
    for (uint32_t g = 0; g < model->shape.groups; g++) {
        out->starts[g] = at;
        for (uint32_t code = 0; code < model->codewords[g]; code++, position++)
            if (vql_bits_get(t->map.bits, position))
                out->codewords[at++] = (vql_occupied){.group = g, .code = code};
    }
    out->starts[model->shape.groups] = at;
    memset(out->masses, 0, out->count * out->kernels * sizeof *out->masses);
}

/* Arrays for the codewords that the map has. NULL: no memory. */
static vql_occupancy *allocate(const tally *t, const vql_allocator *allocator, size_t count)
{
    const vql_shape *shape = &t->cache->tables->model->shape;
    vql_occupancy *made = vql_allocate_array(allocator, 1, sizeof *made, NULL);
    if (made == NULL)
        return NULL;
    *made = (vql_occupancy){.allocator = *allocator, .count = count, .kernels = shape->kernels};
    made->starts = vql_allocate_array(allocator, shape->groups + 1, sizeof *made->starts, NULL);
    made->codewords = vql_allocate_array(allocator, count, sizeof *made->codewords, NULL);
    made->masses =
        vql_allocate_array(allocator, (uint64_t)count * shape->kernels, sizeof *made->masses, NULL);
    if (made->starts != NULL && made->codewords != NULL && made->masses != NULL)
        return made;
    vql_occupancy_free(made);
    return NULL;
}

/* Marks what is in use, and adds it up. */
static vql_code fill(tally *t, const vql_allocator *allocator)
{
    visit_rows(t, mark_row);
    for (uint32_t i = 0; i < t->cache->tail.count; i++) {
        const vql_cache_event event = vql_events_get(&t->cache->tail, i);
        mark_event(t, &event);
    }
    const size_t count = vql_bits_sum(t->map.bits, t->before, t->map.words);
    t->out = allocate(t, allocator, count);
    if (t->out == NULL)
        return VQL_NO_MEMORY;
    begin_sums(t);
    visit_rows(t, add_row);
    add_tail(t);
    return VQL_OK;
}

vql_code vql_occupancy_new(const vql_cache *cache, const vql_allocator *allocator,
                           vql_occupancy **out)
{
    if (allocator == NULL)
        allocator = vql_allocator_default();
    tally t = {.cache = cache};
    for (uint32_t g = 0; g < cache->tables->model->shape.groups; g++)
        t.codewords += cache->tables->model->codewords[g];
    vql_code code = vql_map_init(&t.map, vql_rows_words(t.codewords), allocator);
    if (code != VQL_OK)
        return code;
    t.before = vql_allocate_array(allocator, t.map.words, sizeof *t.before, NULL);
    code = t.before != NULL ? fill(&t, allocator) : VQL_NO_MEMORY;
    vql_release(allocator, t.before);
    vql_map_release(&t.map, allocator);
    if (code == VQL_OK)
        *out = t.out;
    return code;
}

/* What is needed of a head to weigh codewords. */
typedef struct head_view {
    const vql_model *model;
    uint32_t head, group;
    const float *query;                   /* [d] */
    double coefficients[VQL_MAX_KERNELS]; /* w_{h,r} f_r, divided by the largest that counts */
} head_view;

/* In logarithms, as vql_kernel_fold_load does it, so that nothing over- or underflows. */
static void set_coefficients(head_view *view, const vql_occupancy *occupancy, double hours)
{
    const uint32_t kernels = occupancy->kernels;
    double totals[VQL_MAX_KERNELS] = {0.0};
    double most = -INFINITY;
    for (size_t i = occupancy->starts[view->group]; i < occupancy->starts[view->group + 1]; i++)
        for (uint32_t r = 0; r < kernels; r++)
            totals[r] += occupancy->masses[i * kernels + r];
    for (uint32_t r = 0; r < kernels; r++) {
        view->coefficients[r] = log(vql_model_kernel_weight(view->model, view->head, r)) -
                                vql_model_decay(view->model, r) * hours;
        most = fmax(most, view->coefficients[r] + log(totals[r]));
    }
    for (uint32_t r = 0; r < kernels; r++) {
        const bool counts = totals[r] > 0.0 && isfinite(most);
        view->coefficients[r] = counts ? exp(view->coefficients[r] - most) : 0.0;
    }
}

static double codeword_logit(const head_view *view, uint32_t code)
{
    const vql_shape *shape = &view->model->shape;
    const uint32_t first = view->head * shape->head_width - view->group * shape->group_width;
    const float *codeword =
        view->model->codebooks[view->group] + (size_t)code * shape->group_width + first;
    double sum = 0.0;
    for (uint32_t j = 0; j < shape->head_width; j++)
        sum += (double)view->query[j] * (double)codeword[j];
    return sum / sqrt((double)shape->head_width);
}

/* Divides numbers that are `stride` apart by their sum, unless that is 0. */
static void normalise(double *numbers, size_t count, size_t stride)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++)
        sum += numbers[i * stride];
    for (size_t i = 0; i < count && sum > 0.0; i++)
        numbers[i * stride] /= sum;
}

/* The arrays begin at the head's number of its group's first codeword. */
static void weigh_head(const head_view *view, const vql_occupancy *occupancy, double *memories,
                       double *logits, double *weights)
{
    const vql_shape *shape = &view->model->shape;
    const size_t stride = shape->heads / shape->groups;
    const size_t first = occupancy->starts[view->group];
    const size_t count = occupancy->starts[view->group + 1] - first;
    double most = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        const double *masses = occupancy->masses + (first + i) * occupancy->kernels;
        double memory = 0.0;
        for (uint32_t r = 0; r < occupancy->kernels; r++)
            memory += view->coefficients[r] * masses[r];
        memories[i * stride] = memory;
        logits[i * stride] = codeword_logit(view, occupancy->codewords[first + i].code);
        most = fmax(most, logits[i * stride]);
    }
    normalise(memories, count, stride);
    for (size_t i = 0; i < count; i++)
        weights[i * stride] = exp(logits[i * stride] - most) * memories[i * stride];
    normalise(weights, count, stride);
}

void vql_occupancy_weigh(const vql_occupancy *occupancy, const vql_catalog *catalog, uint32_t row,
                         int64_t reference_ms, int64_t time_ms, double *memories, double *logits,
                         double *weights)
{
    const vql_model *model = vql_catalog_model(catalog);
    const vql_shape *shape = &model->shape;
    const uint32_t heads = shape->heads / shape->groups;
    const double hours = time_ms > reference_ms ? vql_cache_hours(time_ms, reference_ms) : 0.0;
    for (uint32_t h = 0; h < shape->heads; h++) {
        head_view view = {
            .model = model,
            .head = h,
            .group = h / heads,
            .query = vql_catalog_query(catalog, row) + (size_t)h * shape->head_width,
        };
        const size_t at = occupancy->starts[view.group] * heads + h % heads;
        set_coefficients(&view, occupancy, hours);
        weigh_head(&view, occupancy, memories + at, logits + at, weights + at);
    }
}

void vql_occupancy_free(vql_occupancy *occupancy)
{
    if (occupancy == NULL)
        return;
    const vql_allocator allocator = occupancy->allocator;
    vql_release(&allocator, occupancy->masses);
    vql_release(&allocator, occupancy->codewords);
    vql_release(&allocator, occupancy->starts);
    vql_release(&allocator, occupancy);
}
