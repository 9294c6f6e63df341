#include "vql/scorer.h"

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "allocation.h"
#include "attention.h"
#include "catalog_data.h"
#include "head.h"
#include "item_table.h"
#include "kernel_fold.h"
#include "kernels.h"
#include "model_data.h"

enum { WINDOW = 1024 }; /* candidates whose rows are looked up before they are scored */

struct vql_scorer {
    vql_allocator allocator;
    const vql_catalog *catalog;
    const vql_kernels *kernels;
    vql_kernel_fold fold;
    vql_attention attention;
    vql_head head;

    /* Scratch of candidates. */
    uint32_t *rows;  /* [WINDOW] */
    size_t o_stride; /* D and VQL_LANES more, in whole tiles */
    float *o;        /* [VQL_CHUNK, o_stride] */
    float *logits;   /* [VQL_BLOCK, T] */
};

static void take_room(vql_scorer *scorer, const vql_tables *tables, vql_scratch *scratch)
{
    const vql_shape *shape = &tables->model->shape;
    scorer->o_stride = vql_round_up(shape->width + VQL_LANES, VQL_LANES);
    vql_kernel_fold_take(&scorer->fold, tables, scratch);
    vql_attention_take(&scorer->attention, tables, scratch);
    vql_head_take(&scorer->head, tables, scratch);
    scorer->rows = vql_scratch_take(scratch, WINDOW, sizeof *scorer->rows);
    scorer->o = vql_scratch_take(scratch, VQL_CHUNK * scorer->o_stride, sizeof *scorer->o);
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
    take_room(&made, catalog->tables, &scratch);
    const size_t room = scratch.used;
    const size_t bytes = sizeof made + room + VQL_LINE;
    vql_scorer *scorer = allocator->allocate(allocator->context, bytes);
    if (scorer == NULL)
        return VQL_NO_MEMORY;
    uint8_t *block = (uint8_t *)(scorer + 1);
    block += VQL_LINE - (uintptr_t)block % VQL_LINE;
    memset(block, 0, room);
    scratch = (vql_scratch){.block = block};
    take_room(&made, catalog->tables, &scratch);
    *scorer = made;
    vql_attention_clear(&scorer->attention);
    *out = scorer;
    return VQL_OK;
}

void vql_scorer_free(vql_scorer *scorer)
{
    if (scorer != NULL) {
        const vql_allocator allocator = scorer->allocator;
        vql_release(&allocator, scorer);
    }
}

void vql_scorer_use(vql_scorer *scorer, const vql_catalog *catalog)
{
    assert(catalog->tables == scorer->catalog->tables);
    scorer->catalog = catalog;
}

void vql_scorer_begin(vql_scorer *scorer, const vql_cache *cache, int64_t time_ms)
{
    const vql_shape *shape = &scorer->catalog->tables->model->shape;
    vql_attention_clear(&scorer->attention);
    if (cache == NULL)
        return;
    vql_kernel_fold_load(&scorer->fold, cache, time_ms);
    for (uint32_t h = 0; h < shape->heads; h++)
        vql_attention_set_head(&scorer->attention, h, scorer->fold.values[h],
                               scorer->fold.normalisers[h]);
}

/* Puts the rows of items that were added or changed over those of the model's items. */
static size_t take_spare_rows(const vql_catalog *catalog, const uint64_t *item_ids, size_t count,
                              uint32_t *rows)
{
    const vql_tables *tables = catalog->tables;
    size_t unknown = 0;
    for (size_t n = 0; n < count; n++) {
        const uint32_t spare = vql_item_table_get(catalog->spare_slots, catalog->spare_mask,
                                                  tables->spare_ids, item_ids[n]);
        if (spare != 0)
            rows[n] = tables->model->shape.items + spare - 1;
        unknown += rows[n] == 0;
    }
    return unknown;
}

/*
 * Looks up the rows of at most WINDOW candidates; the last one's is repeated up to a whole block.
 * Returns how many are unknown.
 */
static size_t find_rows(vql_scorer *scorer, const uint64_t *item_ids, size_t count)
{
    const vql_catalog *catalog = scorer->catalog;
    const vql_tables *tables = catalog->tables;
    size_t unknown = vql_item_table_find(tables->slots, tables->slot_mask, tables->model->item_ids,
                                         item_ids, count, scorer->rows);
    if (catalog->spare_slots != NULL)
        unknown = take_spare_rows(catalog, item_ids, count, scorer->rows);
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
    const size_t left = (count - first + VQL_BLOCK - 1) / VQL_BLOCK * VQL_BLOCK;
    vql_attention_chunk(&scorer->attention, scorer->rows + first, smaller(left, VQL_CHUNK),
                        left > VQL_CHUNK, scorer->o, scorer->o_stride);
}

/* Fetches what the head will read of a chunk, while attention computes. */
static void fetch_chunk(vql_scorer *scorer, size_t first, size_t count)
{
    const size_t end = smaller(count, first + VQL_CHUNK);
    for (size_t n = first; n < end; n += VQL_BLOCK)
        vql_head_fetch(&scorer->head, scorer->rows + n);
}

/* Logits of the chunk whose o is there, or is zero. */
static void apply_head(vql_scorer *scorer, size_t first, size_t count, float *logits)
{
    const bool cold = vql_attention_is_clear(&scorer->attention);
    const size_t tasks = scorer->catalog->tables->model->shape.tasks;
    const size_t end = smaller(count, first + VQL_CHUNK);
    for (size_t n = first; n < end; n += VQL_BLOCK) {
        const float *o = cold ? NULL : scorer->o + (n - first) * scorer->o_stride;
        const bool whole = end - n >= VQL_BLOCK;
        float *out = whole ? logits + n * tasks : scorer->logits;
        vql_head_block(&scorer->head, scorer->rows + n, o, scorer->o_stride, out);
        if (!whole)
            memcpy(logits + n * tasks, out, (end - n) * tasks * sizeof *logits);
    }
}

size_t vql_scorer_logits(vql_scorer *scorer, const uint64_t *item_ids, size_t count, float *logits)
{
    const size_t tasks = scorer->catalog->tables->model->shape.tasks;
    size_t unknown = 0;
    for (size_t done = 0; done < count; done += WINDOW) {
        const size_t window = smaller(count - done, WINDOW);
        unknown += find_rows(scorer, item_ids + done, window);
        for (size_t first = 0; first < window; first += VQL_CHUNK) {
            fetch_chunk(scorer, first, window);
            if (!vql_attention_is_clear(&scorer->attention))
                attend_chunk(scorer, first, window);
            apply_head(scorer, first, window, logits + done * tasks);
        }
    }
    return unknown;
}

/* x = 1 / (1 + e^{-x}) without an e that overflows. */
static void sigmoid(const vql_kernels *kernels, size_t count, float *x)
{
    float powers[VQL_CHUNK];
    for (size_t first = 0; first < count; first += VQL_CHUNK, x += VQL_CHUNK) {
        const size_t part = smaller(count - first, VQL_CHUNK);
        for (size_t j = 0; j < part; j++)
            powers[j] = -fabsf(x[j]);
        kernels->exponential(part, powers);
        for (size_t j = 0; j < part; j++)
            x[j] = (x[j] >= 0.0f ? 1.0f : powers[j]) / (1.0f + powers[j]);
    }
}

size_t vql_scorer_run(vql_scorer *scorer, const uint64_t *item_ids, size_t count, float *scores)
{
    const size_t unknown = vql_scorer_logits(scorer, item_ids, count, scores);
    sigmoid(scorer->kernels, count * scorer->catalog->tables->model->shape.tasks, scores);
    return unknown;
}

void vql_scorer_attentions(vql_scorer *scorer, const uint64_t *item_ids, size_t count, float *o)
{
    const size_t width = scorer->catalog->tables->model->shape.width;
    for (size_t done = 0; done < count; done += WINDOW) {
        const size_t window = smaller(count - done, WINDOW);
        (void)find_rows(scorer, item_ids + done, window);
        for (size_t first = 0; first < window; first += VQL_CHUNK) {
            attend_chunk(scorer, first, window);
            for (size_t n = first; n < smaller(window, first + VQL_CHUNK); n++)
                memcpy(o + (done + n) * width, scorer->o + (n - first) * scorer->o_stride,
                       width * sizeof *o);
        }
    }
}

void vql_scorer_attention(vql_scorer *scorer, uint64_t item_id, float *o)
{
    vql_scorer_attentions(scorer, &item_id, 1, o);
}

void vql_scorer_apply_head(vql_scorer *scorer, uint64_t item_id, const float *o, float *logits)
{
    const vql_shape *shape = &scorer->catalog->tables->model->shape;
    (void)find_rows(scorer, &item_id, 1);
    memcpy(scorer->o, o, shape->width * sizeof *o);
    vql_head_block(&scorer->head, scorer->rows, scorer->o, scorer->o_stride, scorer->logits);
    memcpy(logits, scorer->logits, shape->tasks * sizeof *logits);
}
