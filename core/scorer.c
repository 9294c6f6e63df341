#include "vql/scorer.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "allocation.h"
#include "cache_view.h"
#include "catalog_data.h"
#include "kernels.h"
#include "model_data.h"

/*
 * What begin() folds. Head h's codewords: those of its group that have not decayed to nothing,
 * `occupied[h]` of them; both arrays have room for all K_h from head_start[h] on.
 */
struct vql_scorer {
    vql_allocator allocator;
    const vql_catalog *catalog;
    const vql_kernels *kernels;
    vql_cache_view *view; /* scratch of begin() */
    uint32_t *occupied;   /* [H] */
    float *rows;     /* [head_start[H], d + 1]: Σ_r w f S ‖ Σ_r w f n, the n of a head summing
                           to between 1 and R */
    uint16_t *codes; /* [head_start[H]] */

    /* Scratch of one candidate. */
    float *weights;      /* [max K]: e^{ŝ} of a head's occupied codewords */
    uint16_t *positions; /* [max K]: 0, 1, 2 …, where weights are not by code */
    float *attended;     /* [d + 1] */
    float *o;            /* [D] */
    float *inputs;       /* [widest layer] */
    float *outputs;      /* [widest layer] */
};

/* A group's part of a cache while it is folded. */
typedef struct group_fold {
    const vql_model *model;
    const vql_cache_view *view;
    int64_t time_ms;
    uint32_t first, last;           /* the group's rows */
    double totals[VQL_MAX_KERNELS]; /* Σ_a n[r][a] */
} group_fold;

static uint32_t most_codewords(const vql_model *model)
{
    uint32_t most = 0;
    for (uint32_t g = 0; g < model->shape.groups; g++)
        most = model->codewords[g] > most ? model->codewords[g] : most;
    return most;
}

static uint32_t widest_layer(const vql_model *model)
{
    uint32_t widest = 0;
    for (uint32_t i = 0; i < model->layer_count; i++)
        widest = model->layers[i].outputs > widest ? model->layers[i].outputs : widest;
    return widest;
}

vql_code vql_scorer_new(const vql_catalog *catalog, const vql_allocator *allocator,
                        vql_scorer **out)
{
    if (allocator == NULL)
        allocator = vql_allocator_default();
    const vql_shape *shape = &catalog->model->shape;
    const size_t row_width = shape->head_width + 1;
    const size_t codewords = catalog->head_start[shape->heads];
    const size_t most = most_codewords(catalog->model);
    const size_t widest = widest_layer(catalog->model);
    const size_t floats = codewords * row_width + most + row_width + shape->width + 2 * widest;
    const size_t bytes = sizeof(vql_scorer) + floats * sizeof(float) +
                         shape->heads * sizeof(uint32_t) + (codewords + most) * sizeof(uint16_t);
    vql_scorer *scorer = allocator->allocate(allocator->context, bytes);
    if (scorer == NULL)
        return VQL_NO_MEMORY;
    if (vql_cache_view_new(catalog, allocator, &scorer->view) != VQL_OK) {
        vql_release(allocator, scorer);
        return VQL_NO_MEMORY;
    }
    scorer->allocator = *allocator;
    scorer->catalog = catalog;
    scorer->kernels = vql_kernels_active();
    scorer->rows = (float *)(scorer + 1);
    scorer->weights = scorer->rows + codewords * row_width;
    scorer->attended = scorer->weights + most;
    scorer->o = scorer->attended + row_width;
    scorer->inputs = scorer->o + shape->width;
    scorer->outputs = scorer->inputs + widest;
    scorer->occupied = (uint32_t *)(void *)(scorer->outputs + widest);
    scorer->codes = (uint16_t *)(void *)(scorer->occupied + shape->heads);
    scorer->positions = scorer->codes + codewords;
    for (size_t i = 0; i < most; i++)
        scorer->positions[i] = (uint16_t)i;
    vql_scorer_begin(scorer, NULL, 0);
    *out = scorer;
    return VQL_OK;
}

void vql_scorer_free(vql_scorer *scorer)
{
    if (scorer != NULL) {
        const vql_allocator allocator = scorer->allocator;
        vql_cache_view_free(scorer->view, &allocator);
        vql_release(&allocator, scorer);
    }
}

/*
 * w_{h,r} f_r per kernel, divided by their largest product with a kernel's total n: in logarithms,
 * so that nothing over- or underflows however long ago the events were. Returns whether any kernel
 * has weight.
 */
static bool fold_coefficients(const group_fold *fold, uint32_t head, float *coefficients)
{
    const vql_model *model = fold->model;
    const uint32_t kernels = model->shape.kernels;
    double logarithms[VQL_MAX_KERNELS];
    double most = -INFINITY;
    for (uint32_t r = 0; r < kernels; r++) {
        const double weight = (double)model->kernel_weight[head * kernels + r];
        const double hours = vql_cache_hours(fold->time_ms, fold->view->base_ms[r]);
        logarithms[r] = log(weight) - (double)model->decay[r] * hours;
        most = fmax(most, logarithms[r] + log(fold->totals[r]));
    }
    if (!isfinite(most))
        return false;
    for (uint32_t r = 0; r < kernels; r++) {
        const bool counts = fold->totals[r] > 0.0;
        coefficients[r] = counts ? (float)exp(logarithms[r] - most) : 0.0f;
    }
    return true;
}

/* Folds one head: its rows and codes, as far as any weight is left. */
static void fold_head(vql_scorer *scorer, const group_fold *fold, uint32_t head)
{
    const vql_shape *shape = &scorer->catalog->model->shape;
    const vql_cache_view *view = fold->view;
    const size_t head_width = shape->head_width;
    const size_t slice_width = shape->group_width + 1;
    const size_t offset = head * head_width % shape->group_width;
    const size_t start = scorer->catalog->head_start[head];
    float coefficients[VQL_MAX_KERNELS];
    if (!fold_coefficients(fold, head, coefficients))
        return;
    uint32_t occupied = 0;
    for (uint32_t i = fold->first; i < fold->last; i++) {
        const float *sums = vql_cache_row_sums(view, i);
        float *folded = scorer->rows + (start + occupied) * (head_width + 1);
        memset(folded, 0, (head_width + 1) * sizeof *folded);
        for (uint32_t r = 0; r < shape->kernels; r++) {
            const float *slice = sums + r * slice_width;
            scorer->kernels->axpy(head_width, coefficients[r], slice + offset, folded);
            folded[head_width] += coefficients[r] * slice[slice_width - 1];
        }
        if (folded[head_width] >= FLT_MIN) {
            scorer->codes[start + occupied] = (uint16_t)(view->keys[i] & 0xffff);
            occupied++;
        }
    }
    scorer->occupied[head] = occupied;
}

static void fold_group(vql_scorer *scorer, int64_t time_ms, uint32_t group)
{
    const vql_shape *shape = &scorer->catalog->model->shape;
    const size_t slice_width = shape->group_width + 1;
    group_fold fold = {
        .model = scorer->catalog->model,
        .view = scorer->view,
        .time_ms = time_ms,
        .first = vql_cache_view_find(scorer->view, vql_cache_key(group, 0)),
        .last = vql_cache_view_find(scorer->view, vql_cache_key(group + 1, 0)),
    };
    for (uint32_t i = fold.first; i < fold.last; i++) {
        const float *sums = vql_cache_row_sums(scorer->view, i);
        for (uint32_t r = 0; r < shape->kernels; r++)
            fold.totals[r] += (double)sums[(r + 1) * slice_width - 1];
    }
    const uint32_t heads = shape->heads / shape->groups;
    for (uint32_t h = group * heads; h < (group + 1) * heads; h++)
        fold_head(scorer, &fold, h);
}

void vql_scorer_begin(vql_scorer *scorer, const vql_cache *cache, int64_t time_ms)
{
    const vql_shape *shape = &scorer->catalog->model->shape;
    memset(scorer->occupied, 0, shape->heads * sizeof *scorer->occupied);
    if (cache == NULL)
        return;
    vql_cache_view_load(scorer->view, cache);
    time_ms = time_ms > cache->reference_ms ? time_ms : cache->reference_ms;
    for (uint32_t g = 0; g < shape->groups; g++)
        fold_group(scorer, time_ms, g);
}

/*
 * Writes e^{ŝ} of a head's occupied codewords to scorer->weights, by position, the largest ŝ of
 * them subtracted.
 */
static void occupied_weights(vql_scorer *scorer, uint32_t row, uint32_t head)
{
    const vql_model *model = scorer->catalog->model;
    const vql_shape *shape = &model->shape;
    const size_t head_width = shape->head_width;
    const size_t first = head * head_width;
    const float *query = vql_catalog_query(scorer->catalog, row) + first;
    const float *codebook =
        model->codebooks[first / shape->group_width] + first % shape->group_width;
    const uint16_t *codes = scorer->codes + scorer->catalog->head_start[head];
    const float scale = 1.0f / sqrtf((float)head_width);
    const uint32_t occupied = scorer->occupied[head];
    float most = -INFINITY;
    for (uint32_t i = 0; i < occupied; i++) {
        const float *codeword = codebook + (size_t)codes[i] * shape->group_width;
        scorer->weights[i] = scorer->kernels->dot(head_width, query, codeword) * scale;
        most = fmaxf(most, scorer->weights[i]);
    }
    for (uint32_t i = 0; i < occupied; i++)
        scorer->weights[i] -= most;
    scorer->kernels->exponential(occupied, scorer->weights);
}

/*
 * o_h of a row (§6): d floats. With a table the largest ŝ subtracted is that of all codewords; the
 * catalog has a table only where that costs no digits.
 */
static void attend_head(vql_scorer *scorer, uint32_t row, uint32_t head, float *o)
{
    const vql_catalog *catalog = scorer->catalog;
    const uint32_t *head_start = catalog->head_start;
    const size_t head_width = catalog->model->shape.head_width;
    const size_t start = head_start[head];
    const float *rows = scorer->rows + start * (head_width + 1);
    float *attended = scorer->attended;
    const float *weights = scorer->weights;
    const uint16_t *codes = scorer->positions;
    if (catalog->weights != NULL) {
        weights = catalog->weights + (size_t)row * head_start[catalog->model->shape.heads] + start;
        codes = scorer->codes + start;
    } else {
        occupied_weights(scorer, row, head);
    }
    scorer->kernels->attend(scorer->occupied[head], head_width + 1, weights, codes, rows, attended);
    const float normaliser = attended[head_width];
    for (size_t j = 0; j < head_width; j++)
        o[j] = normaliser > 0.0f ? attended[j] / normaliser : 0.0f;
}

static void attend_row(vql_scorer *scorer, uint32_t row, float *o)
{
    const vql_shape *shape = &scorer->catalog->model->shape;
    for (uint32_t h = 0; h < shape->heads; h++)
        attend_head(scorer, row, h, o + (size_t)h * shape->head_width);
}

static void relu(size_t count, float *x)
{
    for (size_t j = 0; j < count; j++)
        x[j] = x[j] > 0.0f ? x[j] : 0.0f;
}

/* The head (§7) of a row and scorer->o: T logits. */
static void head_logits(vql_scorer *scorer, uint32_t row, float *logits)
{
    const vql_catalog *catalog = scorer->catalog;
    const vql_model *model = catalog->model;
    const size_t hidden = catalog->hidden;
    float *inputs = scorer->inputs;
    float *outputs = scorer->outputs;
    memcpy(outputs, catalog->head_item + row * hidden, hidden * sizeof *outputs);
    for (size_t j = 0; j < model->shape.width; j++)
        scorer->kernels->axpy(hidden, scorer->o[j], catalog->head_output + j * hidden, outputs);
    for (uint32_t l = 1; l < model->layer_count; l++) {
        const vql_layer *layer = &model->layers[l];
        float *spare = inputs;
        inputs = outputs;
        outputs = spare;
        relu(layer->inputs, inputs);
        for (size_t k = 0; k < layer->outputs; k++) {
            outputs[k] = layer->bias[k] + scorer->kernels->dot(layer->inputs, inputs,
                                                               layer->weight + k * layer->inputs);
        }
    }
    memcpy(logits, outputs, model->shape.tasks * sizeof *logits);
}

size_t vql_scorer_logits(vql_scorer *scorer, const uint64_t *item_ids, size_t count, float *logits)
{
    const size_t tasks = scorer->catalog->model->shape.tasks;
    size_t unknown = 0;
    for (size_t n = 0; n < count; n++) {
        const uint32_t row = vql_catalog_row(scorer->catalog, item_ids[n]);
        unknown += row == 0;
        attend_row(scorer, row, scorer->o);
        head_logits(scorer, row, logits + n * tasks);
    }
    return unknown;
}

/* 1 / (1 + e^{-x}) without an e that overflows. */
static float sigmoid(float x)
{
    const float e = expf(-fabsf(x));
    return (x >= 0.0f ? 1.0f : e) / (1.0f + e);
}

size_t vql_scorer_run(vql_scorer *scorer, const uint64_t *item_ids, size_t count, float *scores)
{
    const size_t unknown = vql_scorer_logits(scorer, item_ids, count, scores);
    const size_t numbers = count * scorer->catalog->model->shape.tasks;
    for (size_t i = 0; i < numbers; i++)
        scores[i] = sigmoid(scores[i]);
    return unknown;
}

void vql_scorer_attention(vql_scorer *scorer, uint64_t item_id, float *o)
{
    attend_row(scorer, vql_catalog_row(scorer->catalog, item_id), o);
}
