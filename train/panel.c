#include "panel.h"

#include <math.h>
#include <string.h>

#include "selection.h"

enum {
    PANEL_MOST_ROWS = 64,         /* impressions at once */
    PANEL_BLOCK_NUMBERS = 1 << 17 /* of a block's α: half a megabyte */
};

/* A block of impressions. */
typedef struct panel_block {
    uint32_t first;      /* impression */
    const float *shared; /* the panel's, from that impression on */
    size_t rows;
    loops_matrix queries; /* [rows, width], padded with zeros */
    loops_matrix slopes;  /* of o: likewise; backward */
    loops_matrix narrow;  /* [rows, width]: o, or the slope of q */
    loops_matrix weights; /* α: [rows, columns] */
    loops_matrix deltas;  /* the slopes of logits: [rows, columns]; backward */
} panel_block;

static float *take(float **from, size_t count)
{
    float *taken = *from;
    *from += count;
    return taken;
}

bool panel_sees_keys(const train_pass *pass)
{
    const train_attention kind = pass->model->config.attention;
    return kind == ATTENTION_VQL || kind == ATTENTION_EXACT ||
           train_config_chooses(&pass->model->config);
}

train_panel panel_of(const train_pass *pass, pass_thread *thread, uint32_t head, size_t count,
                     bool backward)
{
    const size_t width = loops_padded(pass->model->head_width);
    const size_t columns = loops_padded(count);
    float *room = memory_floats(&thread->gather_room, columns * width * 5);
    train_panel made = {.head = head, .count = count, .columns = columns, .width = width};
    made.keys_across = (loops_matrix){take(&room, columns * width), columns};
    if (!backward) {
        made.values = (loops_matrix){take(&room, columns * width), width};
        return made;
    }
    made.values_across = (loops_matrix){take(&room, columns * width), columns};
    made.keys = (loops_matrix){take(&room, columns * width), width};
    made.key_slopes = (loops_matrix){take(&room, columns * width), width};
    made.value_slopes = (loops_matrix){take(&room, columns * width), width};
    memset(made.key_slopes.at, 0, 2 * columns * width * sizeof(float));
    return made;
}

void panel_gather(const train_panel *panel, size_t depth, const float *const *rows,
                  loops_matrix narrow)
{
    for (size_t u = 0; u < panel->columns; u++) {
        float *to = narrow.at + u * narrow.stride;
        const size_t used = u < panel->count ? depth : 0;
        if (used > 0)
            memcpy(to, rows[u], depth * sizeof *to);
        for (size_t j = used; j < narrow.stride; j++)
            to[j] = 0.0F;
    }
}

void panel_gather_across(const train_pass *pass, const train_panel *panel, size_t depth,
                         const float *const *rows, loops_matrix across)
{
    pass->loops->transpose(panel->count, depth, rows, across);
    for (size_t k = 0; k < depth; k++)
        for (size_t u = panel->count; u < panel->columns; u++)
            across.at[k * across.stride + u] = 0.0F;
}

static size_t block_rows(const train_panel *panel)
{
    const size_t fit = PANEL_BLOCK_NUMBERS / panel->columns / 8 * 8;
    const size_t rows = fit < 8 ? 8 : fit;
    return rows < PANEL_MOST_ROWS ? rows : PANEL_MOST_ROWS;
}

static void copy_rows(size_t rows, size_t depth, const float *from, size_t stride, loops_matrix to)
{
    for (size_t i = 0; i < rows; i++) {
        memcpy(to.at + i * to.stride, from + i * stride, depth * sizeof *from);
        for (size_t j = depth; j < to.stride; j++)
            to.at[i * to.stride + j] = 0.0F;
    }
}

/* α goes to alphas [rows, columns] unless NULL. */
static panel_block block_of(const train_pass *pass, pass_thread *thread, const train_panel *panel,
                            uint32_t first, size_t rows, float *alphas)
{
    const size_t numbers = rows * panel->columns;
    float *room = memory_floats(&thread->block_room, 3 * rows * panel->width + 2 * numbers);
    const size_t depth = pass->model->head_width;
    const size_t width = pass->model->config.width;
    panel_block made = {.first = first, .rows = rows};
    if (panel->shared != NULL)
        made.shared = panel->shared + (first - panel->first) * panel->columns;
    made.queries = (loops_matrix){take(&room, rows * panel->width), panel->width};
    made.slopes = (loops_matrix){take(&room, rows * panel->width), panel->width};
    made.narrow = (loops_matrix){take(&room, rows * panel->width), panel->width};
    made.deltas = (loops_matrix){take(&room, numbers), panel->columns};
    made.weights = (loops_matrix){room, panel->columns};
    if (alphas != NULL)
        made.weights.at = alphas;
    copy_rows(rows, depth, pass->queries + first * width + panel->head * depth, width,
              made.queries);
    return made;
}

/* α of the block. */
static void weigh(const train_pass *pass, pass_thread *thread, const train_panel *panel,
                  const panel_block *block)
{
    const train_config *config = &pass->model->config;
    const size_t depth = pass->model->head_width;
    const bool sees_keys = panel_sees_keys(pass);
    const float factor = sees_keys ? 1.0F / sqrtf((float)depth) : 0.0F;
    if (sees_keys)
        pass->loops->product(block->rows, depth, panel->columns, loops_read(block->queries),
                             loops_read(panel->keys_across), block->weights);
    else
        memset(block->weights.at, 0, block->rows * panel->columns * sizeof(float));
    for (size_t i = 0; i < block->rows; i++) {
        float *row = block->weights.at + i * panel->columns;
        const float *chosen = panel->weights;
        if (train_config_chooses(config))
            chosen = selection_top(&thread->select_room, panel,
                                   block->shared != NULL ? block->shared + i * panel->columns : row,
                                   config->attention_count);
        if (config->attention == ATTENTION_HASH)
            chosen = selection_matches(pass, thread, panel, block->first + i);
        pass->loops->softmax(panel->columns, factor, chosen, row);
    }
}

/* So many products of impressions, columns and a head's width; without keys, half of them. */
static double operations_of(const train_pass *pass, const train_panel *panel,
                            const train_moment *moment, double products)
{
    const double needed = panel_sees_keys(pass) ? products : floor(products / 2.0);
    return 2.0 * needed * (double)moment->count * (double)panel->count *
           (double)pass->model->head_width;
}

void panel_forward(const train_pass *pass, pass_thread *thread, const train_panel *panel,
                   const train_moment *moment)
{
    const train_model *model = pass->model;
    const size_t depth = model->head_width;
    const size_t stride = model->x_width + model->config.width;
    float *out = pass->inputs + model->x_width + panel->head * depth;
    const size_t most = block_rows(panel);
    thread->operations += operations_of(pass, panel, moment, 2.0);
    for (uint32_t i = 0; i < moment->count; i += (uint32_t)most) {
        const size_t rows = moment->count - i < most ? moment->count - i : most;
        const panel_block block = block_of(pass, thread, panel, moment->first + i, rows, NULL);
        weigh(pass, thread, panel, &block);
        pass->loops->product(rows, panel->columns, panel->width, loops_read(block.weights),
                             loops_read(panel->values), block.narrow);
        for (size_t n = 0; n < rows; n++)
            memcpy(out + (block.first + n) * stride, block.narrow.at + n * panel->width,
                   depth * sizeof *out);
    }
}

/* The slopes of the block's logits, from those of o. */
static void differentiate(const train_pass *pass, const train_panel *panel,
                          const panel_block *block)
{
    const train_model *model = pass->model;
    const size_t depth = model->head_width;
    const size_t stride = model->x_width + model->config.width;
    const size_t at = block->first * stride + model->x_width + panel->head * depth;
    copy_rows(block->rows, depth, pass->input_slopes + at, stride, block->slopes);
    pass->loops->product(block->rows, depth, panel->columns, loops_read(block->slopes),
                         loops_read(panel->values_across), block->deltas);
    for (size_t i = 0; i < block->rows; i++) {
        const float *slope = pass->input_slopes + at + i * stride;
        const float *o = pass->inputs + at + i * stride;
        float offset = 0.0F;
        for (size_t j = 0; j < depth; j++)
            offset += slope[j] * o[j];
        pass->loops->softmax_slope(panel->columns, offset, block->weights.at + i * panel->columns,
                                   block->deltas.at + i * panel->columns, panel->kappa);
    }
}

static void block_backward(const train_pass *pass, pass_thread *thread, const train_panel *panel,
                           const panel_block *block)
{
    const size_t depth = pass->model->head_width, width = pass->model->config.width;
    weigh(pass, thread, panel, block);
    differentiate(pass, panel, block);
    pass->loops->spread(block->rows, panel->count, panel->width, loops_read(block->weights),
                        loops_read(block->slopes), panel->value_slopes);
    float *out = pass->query_slopes + block->first * width + panel->head * depth;
    if (!panel_sees_keys(pass)) {
        for (size_t i = 0; i < block->rows; i++)
            memset(out + i * width, 0, depth * sizeof *out);
        return;
    }
    pass->loops->spread(block->rows, panel->count, panel->width, loops_read(block->deltas),
                        loops_read(block->queries), panel->key_slopes);
    pass->loops->product(block->rows, panel->columns, panel->width, loops_read(block->deltas),
                         loops_read(panel->keys), block->narrow);
    const float factor = 1.0F / sqrtf((float)depth);
    for (size_t i = 0; i < block->rows; i++)
        for (size_t j = 0; j < depth; j++)
            out[i * width + j] = factor * block->narrow.at[i * panel->width + j];
}

void panel_backward(const train_pass *pass, pass_thread *thread, const train_panel *panel,
                    const train_moment *moment, float *alphas)
{
    const size_t most = block_rows(panel);
    thread->operations += operations_of(pass, panel, moment, 5.0);
    for (uint32_t i = 0; i < moment->count; i += (uint32_t)most) {
        const size_t rows = moment->count - i < most ? moment->count - i : most;
        const panel_block block = block_of(pass, thread, panel, moment->first + i, rows,
                                           alphas != NULL ? alphas + i * panel->columns : NULL);
        block_backward(pass, thread, panel, &block);
    }
}
