#include "vql/scorer.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "allocation.h"
#include "attention.h"
#include "cache_view.h"
#include "catalog_data.h"
#include "head.h"
#include "item_table.h"
#include "kernels.h"
#include "model_data.h"

enum {
    WINDOW = 1024,    /* candidates whose rows are looked up before they are scored */
    SLOTS_AHEAD = 24, /* look-ups ahead of the one in hand whose slot is fetched */
    IDS_AHEAD = 12,   /* and whose id is */
    CHUNK = 64,       /* candidates that go through attention before they go through the head */
};

struct vql_scorer {
    vql_allocator allocator;
    const vql_catalog *catalog;
    const vql_kernels *kernels;
    vql_cache_view *view; /* scratch of begin() */
    vql_attention attention;
    vql_head head;

    /* Scratch of candidates. */
    uint32_t *rows;  /* [WINDOW] */
    size_t o_stride; /* D and VQL_LANES more, in whole tiles */
    float *o;        /* [CHUNK, o_stride] */
    float *logits;   /* [VQL_BLOCK, T] */
};

/* A group's part of a cache while it is folded. */
typedef struct group_fold {
    const vql_model *model;
    const vql_cache_view *view;
    int64_t time_ms;
    uint32_t first, last;           /* the group's rows */
    double totals[VQL_MAX_KERNELS]; /* Σ_a n[r][a] */
} group_fold;

static void take_room(vql_scorer *scorer, const vql_catalog *catalog, vql_scratch *scratch)
{
    const vql_shape *shape = &catalog->model->shape;
    scorer->o_stride = vql_round_up(shape->width + VQL_LANES, VQL_LANES);
    vql_attention_take(&scorer->attention, catalog, scratch);
    vql_head_take(&scorer->head, catalog, scratch);
    scorer->rows = vql_scratch_take(scratch, WINDOW, sizeof *scorer->rows);
    scorer->o = vql_scratch_take(scratch, CHUNK * scorer->o_stride, sizeof *scorer->o);
    scorer->logits =
        vql_scratch_take(scratch, VQL_BLOCK * (size_t)shape->tasks, sizeof *scorer->logits);
}

vql_code vql_scorer_new(const vql_catalog *catalog, const vql_allocator *allocator,
                        vql_scorer **out)
{
    if (allocator == NULL)
        allocator = vql_allocator_default();
    vql_scorer made = {
        .allocator = *allocator, .catalog = catalog, .kernels = vql_kernels_active()};
    vql_scratch scratch = {0};
    take_room(&made, catalog, &scratch);
    const size_t room = scratch.used;
    const size_t bytes = sizeof made + room + VQL_LINE;
    vql_scorer *scorer = allocator->allocate(allocator->context, bytes);
    if (scorer == NULL)
        return VQL_NO_MEMORY;
    uint8_t *block = (uint8_t *)(scorer + 1);
    block += VQL_LINE - (uintptr_t)block % VQL_LINE;
    memset(block, 0, room);
    if (vql_cache_view_new(catalog, allocator, &made.view) != VQL_OK) {
        vql_release(allocator, scorer);
        return VQL_NO_MEMORY;
    }
    scratch = (vql_scratch){.block = block};
    take_room(&made, catalog, &scratch);
    *scorer = made;
    vql_attention_clear(&scorer->attention);
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
    vql_attention *attention = &scorer->attention;
    uint32_t *mask = attention->heads[head].mask;
    const size_t head_width = shape->head_width;
    const size_t slice_width = shape->group_width + 1;
    const size_t offset = head * head_width % shape->group_width;
    float coefficients[VQL_MAX_KERNELS];
    if (!fold_coefficients(fold, head, coefficients))
        return;
    memset(mask, 0, (attention->heads[head].codewords + 31) / 32 * sizeof *mask);
    uint32_t occupied = 0;
    for (uint32_t i = fold->first; i < fold->last; i++) {
        const float *sums = vql_cache_row_sums(view, i);
        float normaliser = 0.0f;
        for (uint32_t r = 0; r < shape->kernels; r++)
            normaliser += coefficients[r] * sums[(r + 1) * slice_width - 1];
        if (normaliser < FLT_MIN)
            continue;
        const uint32_t code = view->keys[i] & 0xffff;
        mask[code / 32] |= UINT32_C(1) << code % 32;
        attention->fold_normalisers[occupied] = normaliser;
        scorer->kernels->combine(head_width, shape->kernels, coefficients, sums + offset,
                                 slice_width,
                                 attention->fold_values + (size_t)occupied * attention->columns);
        occupied++;
    }
    vql_attention_set_head(attention, head, occupied);
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
    vql_attention_clear(&scorer->attention);
    if (cache == NULL)
        return;
    vql_cache_view_load(scorer->view, cache);
    const int64_t reference_ms = vql_cache_reference_ms(cache);
    time_ms = time_ms > reference_ms ? time_ms : reference_ms;
    for (uint32_t g = 0; g < shape->groups; g++)
        fold_group(scorer, time_ms, g);
}

/*
 * Looks up the rows of at most WINDOW candidates; the last one's is repeated up to a whole block.
 * Returns how many are unknown.
 */
static size_t find_rows(vql_scorer *scorer, const uint64_t *item_ids, size_t count)
{
    const vql_catalog *catalog = scorer->catalog;
    size_t unknown = 0;
    for (size_t n = 0; n < count; n++) {
        if (n + SLOTS_AHEAD < count)
            vql_item_table_fetch_slot(catalog->slots, catalog->slot_mask,
                                      item_ids[n + SLOTS_AHEAD]);
        if (n + IDS_AHEAD < count)
            vql_item_table_fetch_id(catalog->slots, catalog->slot_mask, catalog->model->item_ids,
                                    item_ids[n + IDS_AHEAD]);
        scorer->rows[n] = vql_catalog_row(catalog, item_ids[n]);
        unknown += scorer->rows[n] == 0;
    }
    for (size_t n = count; n % VQL_BLOCK != 0; n++)
        scorer->rows[n] = scorer->rows[count - 1];
    return unknown;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* o of the chunk of candidates that begins at `first` of `count` in the window. */
static void attend_chunk(vql_scorer *scorer, size_t first, size_t count)
{
    const size_t end = smaller(count, first + CHUNK);
    for (size_t n = first; n < end; n += VQL_BLOCK) {
        const uint32_t *rows = scorer->rows + n;
        const uint32_t *next = n + VQL_BLOCK < count ? rows + VQL_BLOCK : NULL;
        vql_attention_block(&scorer->attention, rows, next,
                            scorer->o + (n - first) * scorer->o_stride, scorer->o_stride);
    }
}

/* Fetches what the head will read of a chunk, while attention computes. */
static void fetch_chunk(vql_scorer *scorer, size_t first, size_t count)
{
    const size_t end = smaller(count, first + CHUNK);
    for (size_t n = first; n < end; n += VQL_BLOCK)
        vql_head_fetch(&scorer->head, scorer->rows + n);
}

/* Logits of the chunk whose o is there. */
static void apply_head(vql_scorer *scorer, size_t first, size_t count, float *logits)
{
    const size_t tasks = scorer->catalog->model->shape.tasks;
    const size_t end = smaller(count, first + CHUNK);
    for (size_t n = first; n < end; n += VQL_BLOCK) {
        vql_head_block(&scorer->head, scorer->rows + n, scorer->o + (n - first) * scorer->o_stride,
                       scorer->o_stride, scorer->logits);
        memcpy(logits + n * tasks, scorer->logits,
               smaller(end - n, VQL_BLOCK) * tasks * sizeof *logits);
    }
}

size_t vql_scorer_logits(vql_scorer *scorer, const uint64_t *item_ids, size_t count, float *logits)
{
    const size_t tasks = scorer->catalog->model->shape.tasks;
    size_t unknown = 0;
    for (size_t done = 0; done < count; done += WINDOW) {
        const size_t window = smaller(count - done, WINDOW);
        unknown += find_rows(scorer, item_ids + done, window);
        for (size_t first = 0; first < window; first += CHUNK) {
            fetch_chunk(scorer, first, window);
            attend_chunk(scorer, first, window);
            apply_head(scorer, first, window, logits + done * tasks);
        }
    }
    return unknown;
}

/* x = 1 / (1 + e^{-x}) without an e that overflows. */
static void sigmoid(const vql_kernels *kernels, size_t count, float *x)
{
    float powers[VQL_LANES];
    for (size_t first = 0; first < count; first += VQL_LANES, x += VQL_LANES) {
        const size_t lanes = smaller(count - first, VQL_LANES);
        for (size_t j = 0; j < lanes; j++)
            powers[j] = -fabsf(x[j]);
        kernels->exponential(lanes, powers);
        for (size_t j = 0; j < lanes; j++)
            x[j] = (x[j] >= 0.0f ? 1.0f : powers[j]) / (1.0f + powers[j]);
    }
}

size_t vql_scorer_run(vql_scorer *scorer, const uint64_t *item_ids, size_t count, float *scores)
{
    const size_t unknown = vql_scorer_logits(scorer, item_ids, count, scores);
    sigmoid(scorer->kernels, count * scorer->catalog->model->shape.tasks, scores);
    return unknown;
}

void vql_scorer_attentions(vql_scorer *scorer, const uint64_t *item_ids, size_t count, float *o)
{
    const size_t width = scorer->catalog->model->shape.width;
    for (size_t done = 0; done < count; done += WINDOW) {
        const size_t window = smaller(count - done, WINDOW);
        (void)find_rows(scorer, item_ids + done, window);
        for (size_t first = 0; first < window; first += CHUNK) {
            attend_chunk(scorer, first, window);
            for (size_t n = first; n < smaller(window, first + CHUNK); n++)
                memcpy(o + (done + n) * width, scorer->o + (n - first) * scorer->o_stride,
                       width * sizeof *o);
        }
    }
}

void vql_scorer_attention(vql_scorer *scorer, uint64_t item_id, float *o)
{
    vql_scorer_attentions(scorer, &item_id, 1, o);
}
