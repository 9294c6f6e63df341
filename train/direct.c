#include "direct.h"

#include <math.h>
#include <string.h>

#include "columns.h"
#include "selection.h"

enum {
    DIRECT_MOST_ROWS = 64,         /* impressions at once */
    DIRECT_BLOCK_NUMBERS = 1 << 17 /* of a block's α: half a megabyte */
};

/* A head's part of a moment, gathered so that inner loops run over neighbours. */
typedef struct direct_head {
    uint32_t head;
    size_t columns;                        /* padded */
    size_t width;                          /* d, padded */
    loops_matrix keys_across;              /* [d, columns] */
    loops_matrix values_across;            /* [d, columns]; backward */
    loops_matrix keys;                     /* [columns, width]; backward */
    loops_matrix values;                   /* [columns, width]; forward */
    loops_matrix key_slopes, value_slopes; /* [columns, width]; backward */
} direct_head;

/* A block of impressions of one head. */
typedef struct direct_block {
    uint32_t first; /* impression */
    size_t rows;
    loops_matrix queries; /* [rows, width], padded with zeros */
    loops_matrix slopes;  /* of o: likewise; backward */
    loops_matrix narrow;  /* [rows, width]: o, or the slope of q */
    loops_matrix weights; /* α: [rows, columns] */
    loops_matrix deltas;  /* the slopes of logits: [rows, columns]; backward */
} direct_block;

static float *take(float **from, size_t count)
{
    float *taken = *from;
    *from += count;
    return taken;
}

static bool sees_keys(const train_pass *pass)
{
    const train_attention kind = pass->model->config.attention;
    return kind == ATTENTION_VQL || kind == ATTENTION_EXACT || kind == ATTENTION_TOP;
}

static void gather_across(const train_pass *pass, pass_thread *thread, const train_columns *columns,
                          const float *from, uint32_t head, loops_matrix out)
{
    const size_t depth = pass->model->head_width;
    const float **rows = memory_reserve(&thread->pointer_room, columns->count, sizeof *rows);
    for (size_t u = 0; u < columns->count; u++)
        rows[u] = from + (size_t)columns->slots[u] * pass->model->config.width + head * depth;
    pass->loops->transpose(columns->count, depth, rows, out);
    for (size_t k = 0; k < depth; k++)
        for (size_t u = columns->count; u < columns->padded; u++)
            out.at[k * out.stride + u] = 0.0F;
}

static void gather(const train_pass *pass, const train_columns *columns, const float *from, uint32_t head,
                   loops_matrix out)
{
    const size_t depth = pass->model->head_width;
    for (size_t u = 0; u < columns->padded; u++) {
        float *to = out.at + u * out.stride;
        const size_t used = u < columns->count ? depth : 0;
        if (used > 0)
            memcpy(to, from + (size_t)columns->slots[u] * pass->model->config.width + head * depth,
                   depth * sizeof *to);
        for (size_t j = used; j < out.stride; j++)
            to[j] = 0.0F;
    }
}

static direct_head gather_head(const train_pass *pass, pass_thread *thread, const train_columns *columns,
                            uint32_t head, bool backward)
{
    const size_t width = loops_padded(pass->model->head_width);
    const size_t count = columns->padded;
    float *room = memory_floats(&thread->gather_room, count * width * 5);
    direct_head made = {.head = head, .columns = count, .width = width};
    made.keys_across = (loops_matrix){take(&room, count * width), count};
    if (sees_keys(pass))
        gather_across(pass, thread, columns, pass->seen_keys, head, made.keys_across);
    if (!backward) {
        made.values = (loops_matrix){take(&room, count * width), width};
        gather(pass, columns, pass->seen_values, head, made.values);
        return made;
    }
    made.values_across = (loops_matrix){take(&room, count * width), count};
    made.keys = (loops_matrix){take(&room, count * width), width};
    made.key_slopes = (loops_matrix){take(&room, count * width), width};
    made.value_slopes = (loops_matrix){take(&room, count * width), width};
    gather_across(pass, thread, columns, pass->seen_values, head, made.values_across);
    if (sees_keys(pass))
        gather(pass, columns, pass->seen_keys, head, made.keys);
    memset(made.key_slopes.at, 0, 2 * count * width * sizeof(float));
    return made;
}

static size_t block_rows(const direct_head *head)
{
    const size_t fit = DIRECT_BLOCK_NUMBERS / head->columns / 8 * 8;
    const size_t rows = fit < 8 ? 8 : fit;
    return rows < DIRECT_MOST_ROWS ? rows : DIRECT_MOST_ROWS;
}

static void copy_rows(size_t rows, size_t depth, const float *from, size_t stride, loops_matrix to)
{
    for (size_t i = 0; i < rows; i++) {
        memcpy(to.at + i * to.stride, from + i * stride, depth * sizeof *from);
        for (size_t j = depth; j < to.stride; j++)
            to.at[i * to.stride + j] = 0.0F;
    }
}

static direct_block block_of(const train_pass *pass, pass_thread *thread, const direct_head *head, uint32_t first,
                      size_t rows)
{
    float *room = memory_floats(&thread->block_room, rows * (3 * head->width + 2 * head->columns));
    const size_t depth = pass->model->head_width;
    const size_t width = pass->model->config.width;
    direct_block made = {.first = first, .rows = rows};
    made.queries = (loops_matrix){take(&room, rows * head->width), head->width};
    made.slopes = (loops_matrix){take(&room, rows * head->width), head->width};
    made.narrow = (loops_matrix){take(&room, rows * head->width), head->width};
    made.weights = (loops_matrix){take(&room, rows * head->columns), head->columns};
    made.deltas = (loops_matrix){take(&room, rows * head->columns), head->columns};
    copy_rows(rows, depth, pass->queries + first * width + head->head * depth, width, made.queries);
    return made;
}

/* α of the block. */
static void weigh(const train_pass *pass, pass_thread *thread, const train_columns *columns,
                  const direct_head *head, const direct_block *block)
{
    const train_config *config = &pass->model->config;
    const size_t depth = pass->model->head_width;
    const float *weights = columns->weights + head->head * columns->padded;
    const float factor = sees_keys(pass) ? 1.0F / sqrtf((float)depth) : 0.0F;
    if (sees_keys(pass))
        pass->loops->product(block->rows, depth, columns->padded, loops_read(block->queries),
                             loops_read(head->keys_across), block->weights);
    else
        memset(block->weights.at, 0, block->rows * columns->padded * sizeof(float));
    for (size_t i = 0; i < block->rows; i++) {
        float *row = block->weights.at + i * columns->padded;
        const float *chosen = weights;
        if (config->attention == ATTENTION_TOP)
            chosen = selection_top(&thread->select_room, columns->count, columns->padded, weights,
                                   row, config->attention_count);
        if (config->attention == ATTENTION_HASH)
            chosen = selection_matches(pass, thread, columns, head->head, block->first + i);
        pass->loops->softmax(columns->padded, factor, chosen, row);
    }
}

void direct_forward(const train_pass *pass, pass_thread *thread, const train_moment *moment)
{
    const train_model *model = pass->model;
    const size_t depth = model->head_width;
    const size_t stride = model->x_width + model->config.width;
    float *out = pass->inputs + model->x_width;
    if (moment->begin == moment->end || model->config.attention == ATTENTION_NONE) {
        for (uint32_t i = 0; i < moment->count; i++)
            memset(out + (moment->first + i) * stride, 0, model->config.width * sizeof *out);
        return;
    }
    const train_columns columns = columns_of(pass, thread, moment, false);
    for (uint32_t h = 0; h < model->config.heads; h++) {
        const direct_head head = gather_head(pass, thread, &columns, h, false);
        const size_t most = block_rows(&head);
        for (uint32_t i = 0; i < moment->count; i += (uint32_t)most) {
            const size_t rows = moment->count - i < most ? moment->count - i : most;
            const direct_block block = block_of(pass, thread, &head, moment->first + i, rows);
            weigh(pass, thread, &columns, &head, &block);
            pass->loops->product(rows, columns.padded, head.width, loops_read(block.weights),
                                 loops_read(head.values), block.narrow);
            for (size_t n = 0; n < rows; n++)
                memcpy(out + (block.first + n) * stride + h * depth,
                       block.narrow.at + n * head.width, depth * sizeof *out);
        }
    }
}

/* Adds a block's slopes to the head's, and the slopes of log κ to kappa [columns]. */
static void block_backward(const train_pass *pass, pass_thread *thread, const train_columns *columns,
                           const direct_head *head, const direct_block *block, float *kappa)
{
    const train_model *model = pass->model;
    const size_t depth = model->head_width;
    const size_t stride = model->x_width + model->config.width;
    const size_t at = block->first * stride + model->x_width + head->head * depth;
    copy_rows(block->rows, depth, pass->input_slopes + at, stride, block->slopes);
    weigh(pass, thread, columns, head, block);
    pass->loops->product(block->rows, depth, columns->padded, loops_read(block->slopes),
                         loops_read(head->values_across), block->deltas);
    for (size_t i = 0; i < block->rows; i++) {
        const float *slope = pass->input_slopes + at + i * stride;
        const float *o = pass->inputs + at + i * stride;
        float offset = 0.0F;
        for (size_t j = 0; j < depth; j++)
            offset += slope[j] * o[j];
        pass->loops->softmax_slope(columns->padded, offset, block->weights.at + i * columns->padded,
                                   block->deltas.at + i * columns->padded, kappa);
    }
    pass->loops->spread(block->rows, columns->count, head->width, loops_read(block->weights),
                        loops_read(block->slopes), head->value_slopes);
    float *out = pass->query_slopes + block->first * model->config.width + head->head * depth;
    if (!sees_keys(pass)) {
        for (size_t i = 0; i < block->rows; i++)
            memset(out + i * model->config.width, 0, depth * sizeof *out);
        return;
    }
    pass->loops->spread(block->rows, columns->count, head->width, loops_read(block->deltas),
                        loops_read(block->queries), head->key_slopes);
    pass->loops->product(block->rows, columns->padded, head->width, loops_read(block->deltas),
                         loops_read(head->keys), block->narrow);
    const float factor = 1.0F / sqrtf((float)depth);
    for (size_t i = 0; i < block->rows; i++)
        for (size_t j = 0; j < depth; j++)
            out[i * model->config.width + j] = factor * block->narrow.at[i * head->width + j];
}

/* Adds the slopes of a head's columns to those of their rows. */
static void scatter(const train_pass *pass, pass_thread *thread, const train_columns *columns,
                    const direct_head *head)
{
    const size_t depth = pass->model->head_width;
    const float factor = 1.0F / sqrtf((float)depth);
    for (size_t u = 0; u < columns->count; u++) {
        const size_t at =
            (size_t)columns->slots[u] * pass->model->config.width + head->head * depth;
        float *restrict keys = thread->key_slopes + at;
        float *restrict values = thread->value_slopes + at;
        const float *key = head->key_slopes.at + u * head->width;
        const float *value = head->value_slopes.at + u * head->width;
        for (size_t j = 0; j < depth; j++) {
            keys[j] += factor * key[j];
            values[j] += value[j];
        }
    }
}

void direct_backward(const train_pass *pass, pass_thread *thread, const train_moment *moment)
{
    const train_model *model = pass->model;
    if (moment->begin == moment->end || model->config.attention == ATTENTION_NONE) {
        memset(pass->query_slopes + (size_t)moment->first * model->config.width, 0,
               (size_t)moment->count * model->config.width * sizeof(float));
        return;
    }
    const train_columns columns = columns_of(pass, thread, moment, true);
    float *kappa = memory_floats(&thread->hours_room, model->config.heads * columns.padded);
    memset(kappa, 0, model->config.heads * columns.padded * sizeof *kappa);
    for (uint32_t h = 0; h < model->config.heads; h++) {
        const direct_head head = gather_head(pass, thread, &columns, h, true);
        const size_t most = block_rows(&head);
        for (uint32_t i = 0; i < moment->count; i += (uint32_t)most) {
            const size_t rows = moment->count - i < most ? moment->count - i : most;
            const direct_block block = block_of(pass, thread, &head, moment->first + i, rows);
            block_backward(pass, thread, &columns, &head, &block, kappa + h * columns.padded);
        }
        scatter(pass, thread, &columns, &head);
    }
    columns_backward(pass, thread, &columns, kappa);
}
