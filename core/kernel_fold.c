#include "kernel_fold.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "cache_codec.h"
#include "cache_layout.h"
#include "model_data.h"

enum { MOST = VQL_CACHE_MOST_EVENTS_KEPT }; /* events folded at a time */

/* Where a cache's sums stand before they are folded. */
typedef struct kernel_state {
    int64_t time_ms[VQL_MAX_KERNELS]; /* what the kernel's events are relative to */
    double scales[VQL_MAX_KERNELS];   /* of the sums that the cache has, for time_ms */
    double totals[VQL_MAX_KERNELS];   /* Σ_a n[r][a], for time_ms */
} kernel_state;

void vql_kernel_fold_take(vql_kernel_fold *fold, const vql_tables *tables, vql_scratch *scratch)
{
    const vql_shape *shape = &tables->model->shape;
    const uint32_t columns = vql_round_up(shape->head_width, VQL_LANES);
    *fold = (vql_kernel_fold){
        .tables = tables,
        .kernels = vql_kernels_active(),
        .columns = columns,
        .values = vql_scratch_take(scratch, shape->heads, sizeof *fold->values),
        .normalisers = vql_scratch_take(scratch, shape->heads, sizeof *fold->normalisers),
        .addends = vql_scratch_take(scratch, MOST, sizeof *fold->addends),
        .factors = vql_scratch_take(scratch, MOST * shape->kernels, sizeof *fold->factors),
        .weights = vql_scratch_take(scratch, MOST, sizeof *fold->weights),
        .coefficients = vql_scratch_take(scratch, (size_t)shape->kernels * shape->heads,
                                         sizeof *fold->coefficients),
    };
    const size_t before = scratch->used;
    for (uint32_t h = 0; h < shape->heads; h++) {
        const size_t codewords = tables->head_start[h + 1] - tables->head_start[h];
        float *values = vql_scratch_take(scratch, codewords * columns, sizeof *values);
        float *normalisers = vql_scratch_take(scratch, codewords, sizeof *normalisers);
        if (fold->values != NULL) {
            fold->values[h] = values;
            fold->normalisers[h] = normalisers;
        }
    }
    fold->sum_bytes = scratch->used - before;
}

/* ---- times ---- */

/* An event's addend, whose value and codes are fetched. */
static vql_addend addend_of(const vql_tables *tables, const vql_cache_event *event)
{
    const vql_shape *shape = &tables->model->shape;
    const vql_addend made = {
        .item_value = tables->value_item + (size_t)event->row * shape->width,
        .type_value = tables->value_type + (size_t)event->event_type * shape->width,
        .codes = tables->codes +
                 ((size_t)event->row * shape->event_types + event->event_type) * shape->groups,
    };
    for (uint32_t j = 0; j < shape->width; j += VQL_LINE / sizeof *made.item_value)
        __builtin_prefetch(made.item_value + j, 0, 2);
    __builtin_prefetch(made.codes, 0, 2);
    return made;
}

/* The addends and factors of the events that the cache keeps; adds to the totals. */
static void load_tail(vql_kernel_fold *fold, const vql_cache *cache, kernel_state *state)
{
    const vql_model *model = cache->tables->model;
    const uint32_t kernels = model->shape.kernels;
    const uint32_t count = cache->tail.count;
    double decay[VQL_MAX_KERNELS]; /* per millisecond */
    for (uint32_t r = 0; r < kernels; r++)
        decay[r] = (double)model->decay[r] * vql_cache_hours(1, 0);
    for (uint32_t i = 0; i < count; i++) {
        const vql_cache_event event = vql_events_get(&cache->tail, i);
        fold->addends[i] = addend_of(cache->tables, &event);
        for (uint32_t r = 0; r < kernels; r++)
            fold->factors[r * MOST + i] =
                (float)(decay[r] * (double)(event.time_ms - state->time_ms[r]));
    }
    for (uint32_t r = 0; r < kernels; r++) {
        float *factors = fold->factors + r * MOST;
        fold->kernels->exponential(count, factors);
        for (uint32_t i = 0; i < count; i++)
            state->totals[r] += (double)factors[i];
    }
}

/* Adds the n of the cache's items, or of its first group's rows, to the totals. */
static void add_totals(const vql_cache *cache, const vql_row_layout *layout, kernel_state *state)
{
    const vql_cache_rows *rows = &cache->rows;
    const uint32_t positions = vql_group_positions(layout, cache, 0);
    double sums[VQL_MAX_KERNELS] = {0.0};
    uint32_t index = 0;
    for (uint32_t w = 0; w < rows->words; w++)
        for (uint64_t left = vql_rows_occupied(rows)[w]; left != 0; left &= left - 1) {
            const uint32_t position = w * 64 + (uint32_t)__builtin_ctzll(left);
            if (position >= positions)
                break;
            const uint8_t *slice = vql_rows_slices(rows, index++);
            for (uint32_t r = 0; r < layout->kernels; r++, slice += layout->slice_bytes)
                sums[r] +=
                    vql_codec_normaliser(layout->format, layout->width, layout->slice_bytes, slice);
        }
    for (uint32_t r = 0; r < layout->kernels; r++)
        state->totals[r] += sums[r] * state->scales[r];
}

/* Times, scales and totals, the tail's factors with them. */
static kernel_state load_state(vql_kernel_fold *fold, const vql_cache *cache)
{
    const vql_model *model = cache->tables->model;
    const int64_t latest_ms = vql_events_latest(&cache->tail);
    kernel_state state = {.totals = {0.0}};
    for (uint32_t r = 0; r < model->shape.kernels; r++) {
        const vql_cache_base base = cache->bases[r];
        const bool moves = cache->rows.count == 0 || latest_ms > base.time_ms;
        state.time_ms[r] = moves ? latest_ms : base.time_ms;
        const double hours = vql_cache_hours(state.time_ms[r], base.time_ms);
        state.scales[r] = base.gain * exp(-(double)model->decay[r] * hours);
    }
    load_tail(fold, cache, &state);
    if (cache->rows.count > 0) {
        const vql_row_layout layout = vql_row_layout_of(cache);
        add_totals(cache, &layout, &state);
    }
    return state;
}

/* ---- coefficients ---- */

/*
 * w_{h,r} f_r per kernel and head, divided by their largest product with a kernel's total: in
 * logarithms, so that nothing over- or underflows.
 */
static void set_coefficients(vql_kernel_fold *fold, const kernel_state *state, int64_t time_ms)
{
    const vql_model *model = fold->tables->model;
    const uint32_t heads = model->shape.heads;
    const uint32_t kernels = model->shape.kernels;
    for (uint32_t h = 0; h < heads; h++) {
        double logarithms[VQL_MAX_KERNELS];
        double most = -INFINITY;
        for (uint32_t r = 0; r < kernels; r++) {
            const double weight = (double)model->kernel_weight[h * kernels + r];
            const double hours = vql_cache_hours(time_ms, state->time_ms[r]);
            logarithms[r] = log(weight) - (double)model->decay[r] * hours;
            most = fmax(most, logarithms[r] + log(state->totals[r]));
        }
        for (uint32_t r = 0; r < kernels; r++) {
            const bool counts = state->totals[r] > 0.0 && isfinite(most);
            fold->coefficients[h * kernels + r] = counts ? (float)exp(logarithms[r] - most) : 0.0f;
        }
    }
}

/* Makes the coefficients those of the sums that the cache has. */
static void scale_coefficients(vql_kernel_fold *fold, const kernel_state *state)
{
    const vql_shape *shape = &fold->tables->model->shape;
    float *coefficients = fold->coefficients;
    for (uint32_t h = 0; h < shape->heads; h++, coefficients += shape->kernels)
        for (uint32_t r = 0; r < shape->kernels; r++)
            coefficients[r] = (float)((double)coefficients[r] * state->scales[r]);
}

/* ---- sums ---- */

/* Adds what is in addends and factors. */
static void spread(vql_kernel_fold *fold, size_t count)
{
    const vql_shape *shape = &fold->tables->model->shape;
    const float *coefficients = fold->coefficients;
    for (uint32_t h = 0; h < shape->heads; h++, coefficients += shape->kernels) {
        const vql_spread to = {
            .group = h / (shape->heads / shape->groups),
            .first = h * shape->head_width,
            .width = shape->head_width,
            .columns = fold->columns,
            .values = fold->values[h],
            .normalisers = fold->normalisers[h],
        };
        memset(fold->weights, 0, count * sizeof *fold->weights);
        for (uint32_t r = 0; r < shape->kernels; r++)
            fold->kernels->axpy(count, coefficients[r], fold->factors + r * MOST, fold->weights);
        fold->kernels->spread(&to, count, fold->addends, fold->weights);
    }
}

/* Adds the items, each as an event with the sums of its factors. */
static void add_items(vql_kernel_fold *fold, const vql_cache *cache)
{
    const vql_row_layout layout = vql_row_layout_of(cache);
    const uint64_t *occupied = vql_rows_occupied(&cache->rows);
    const uint8_t *slice = vql_rows_slices(&cache->rows, 0);
    size_t count = 0;
    for (uint32_t w = 0; w < cache->rows.words; w++) {
        for (uint64_t left = occupied[w]; left != 0; left &= left - 1) {
            const uint32_t position = w * 64 + (uint32_t)__builtin_ctzll(left);
            const vql_cache_event event = vql_item_event(cache->tables->model, position);
            fold->addends[count] = addend_of(cache->tables, &event);
            for (uint32_t r = 0; r < layout.kernels; r++, slice += layout.slice_bytes)
                fold->factors[r * MOST + count] =
                    vql_codec_normaliser(layout.format, 0, layout.slice_bytes, slice);
            if (++count == MOST) {
                spread(fold, count);
                count = 0;
            }
        }
    }
    spread(fold, count);
}

/* Adds the row of codeword `code` of a group. */
static void add_row(vql_kernel_fold *fold, const vql_row_layout *layout, uint32_t group,
                    uint32_t code, const uint8_t *row)
{
    const vql_shape *shape = &fold->tables->model->shape;
    const uint32_t heads = shape->heads / shape->groups;
    float n[VQL_MAX_KERNELS];
    for (uint32_t r = 0; r < layout->kernels; r++)
        n[r] = vql_codec_normaliser(layout->format, layout->width, layout->slice_bytes,
                                    row + r * layout->slice_bytes);
    for (uint32_t i = 0; i < heads; i++) {
        const uint32_t head = group * heads + i;
        const float *coefficients = fold->coefficients + head * layout->kernels;
        float normaliser = 0.0f;
        for (uint32_t r = 0; r < layout->kernels; r++)
            normaliser += coefficients[r] * n[r];
        if (!(normaliser >= FLT_MIN))
            continue;
        fold->normalisers[head][code] += normaliser;
        float *values = fold->values[head] + (size_t)code * fold->columns;
        const vql_codec_part part = {i * shape->head_width, shape->head_width};
        vql_codec_combine(layout->format, layout->width, layout->kernels, row, coefficients, part,
                          values);
    }
}

static void add_rows(vql_kernel_fold *fold, const vql_cache *cache)
{
    const vql_row_layout layout = vql_row_layout_of(cache);
    const vql_model *model = cache->tables->model;
    const uint64_t *occupied = vql_rows_occupied(&cache->rows);
    const uint8_t *row = vql_rows_slices(&cache->rows, 0);
    uint32_t group = 0;
    uint32_t first = 0;
    for (uint32_t w = 0; w < cache->rows.words; w++) {
        for (uint64_t left = occupied[w]; left != 0; left &= left - 1) {
            const uint32_t position = w * 64 + (uint32_t)__builtin_ctzll(left);
            while (position - first >= model->codewords[group])
                first += model->codewords[group++];
            add_row(fold, &layout, group, position - first, row);
            row += cache->rows.row_bytes;
        }
    }
}

void vql_kernel_fold_load(vql_kernel_fold *fold, const vql_cache *cache, int64_t time_ms)
{
    const int64_t reference_ms = vql_cache_reference_ms(cache);
    memset(fold->values[0], 0, fold->sum_bytes);
    const kernel_state state = load_state(fold, cache);
    set_coefficients(fold, &state, time_ms > reference_ms ? time_ms : reference_ms);
    spread(fold, cache->tail.count);
    if (cache->rows.count == 0)
        return;
    scale_coefficients(fold, &state);
    if (cache->form == VQL_FORM_ITEMS)
        add_items(fold, cache);
    else
        add_rows(fold, cache);
}
