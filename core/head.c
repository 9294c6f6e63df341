#include "head.h"

#include <stdbool.h>
#include <string.h>

#include "model_data.h"

void vql_head_take(vql_head *head, const vql_tables *tables, vql_scratch *scratch)
{
    const vql_model *model = tables->model;
    uint32_t widest = model->shape.width;
    for (uint32_t l = 0; l < model->layer_count; l++)
        widest = model->layers[l].outputs > widest ? model->layers[l].outputs : widest;
    const size_t stride = vql_round_up(widest, VQL_LANES);
    *head = (vql_head){
        .tables = tables,
        .kernels = vql_kernels_active(),
        .stride = stride,
        .inputs = vql_scratch_take(scratch, VQL_BLOCK * stride, sizeof(float)),
        .outputs = vql_scratch_take(scratch, VQL_BLOCK * stride, sizeof(float)),
    };
}

void vql_head_fetch(const vql_head *head, const uint32_t *rows)
{
    const size_t hidden = head->tables->hidden;
    for (size_t m = 0; m < VQL_BLOCK; m++) {
        const float *part = head->tables->head_item + rows[m] * hidden;
        for (size_t j = 0; j < hidden; j += VQL_LINE / sizeof *part)
            __builtin_prefetch(part + j, 0, 2);
    }
}

/* head->outputs += panel · x for a block of x, `stride` numbers apart. */
static void add_product(vql_head *head, const vql_panel *panel, const float *x, size_t stride)
{
    const float *rows[VQL_BLOCK];
    for (size_t m = 0; m < VQL_BLOCK; m++)
        rows[m] = x + m * stride;
    vql_panel_multiply(panel, head->kernels, rows, head->outputs, head->stride);
}

/* Makes relu of the outputs the inputs. */
static void rectify(vql_head *head, size_t count)
{
    float *spare = head->inputs;
    head->inputs = head->outputs;
    head->outputs = spare;
    for (size_t m = 0; m < VQL_BLOCK; m++)
        head->kernels->rectify(count, head->inputs + m * head->stride);
}

/* Copies less than VQL_LANES numbers, which are too few for a call of memcpy to pay. */
static inline void copy_few(float *to, const float *from, size_t count)
{
    _Static_assert(VQL_LANES == 16, "the bits of a count below it");
    if (count & 8) {
        memcpy(to, from, 8 * sizeof *to);
        to += 8;
        from += 8;
    }
    if (count & 4) {
        memcpy(to, from, 4 * sizeof *to);
        to += 4;
        from += 4;
    }
    if (count & 2) {
        memcpy(to, from, 2 * sizeof *to);
        to += 2;
        from += 2;
    }
    if (count & 1)
        *to = *from;
}

static inline void copy(float *to, const float *from, size_t count)
{
    for (; count >= VQL_LANES; count -= VQL_LANES, to += VQL_LANES, from += VQL_LANES)
        memcpy(to, from, VQL_LANES * sizeof *to);
    copy_few(to, from, count);
}

/* Starts the outputs of a candidate with `count` numbers, and zeros up to whole tiles. */
static void start_outputs(const vql_head *head, size_t candidate, const float *start, size_t count)
{
    float *outputs = head->outputs + candidate * head->stride;
    if (count % VQL_LANES != 0)
        memset(outputs + count / VQL_LANES * VQL_LANES, 0, VQL_LANES * sizeof *outputs);
    copy(outputs, start, count);
}

/* The last layer, with at least one before it. */
static void finish(const vql_head *head, float *logits)
{
    const vql_model *model = head->tables->model;
    const vql_layer *layer = &model->layers[model->layer_count - 1];
    const float *rows[VQL_BLOCK];
    float totals[VQL_BLOCK];
    for (size_t m = 0; m < VQL_BLOCK; m++)
        rows[m] = head->inputs + m * head->stride;
    for (size_t t = 0; t < layer->outputs; t++) {
        head->kernels->totals(layer->inputs, rows, layer->weight + t * layer->inputs, totals);
        for (size_t m = 0; m < VQL_BLOCK; m++)
            logits[m * layer->outputs + t] = totals[m] + layer->bias[t];
    }
}

/* The first layer but for what is made of o. */
static void start_first(const vql_head *head, const uint32_t *rows)
{
    const size_t hidden = head->tables->hidden;
    for (size_t m = 0; m < VQL_BLOCK; m++)
        start_outputs(head, m, head->tables->head_item + rows[m] * hidden, hidden);
}

/* The logits of a head of one layer: the outputs, or, without o, what the tables have. */
static void copy_logits(const vql_head *head, const uint32_t *rows, bool cold, float *logits)
{
    const size_t tasks = head->tables->model->shape.tasks;
    for (size_t m = 0; m < VQL_BLOCK; m++)
        copy(logits + m * tasks,
             cold ? head->tables->head_item + rows[m] * tasks : head->outputs + m * head->stride,
             tasks);
}

/* The layers behind the first. */
static void continue_head(vql_head *head, float *logits)
{
    const vql_model *model = head->tables->model;
    rectify(head, model->layers[0].outputs);
    for (uint32_t l = 1; l < model->layer_count - 1; l++) {
        const vql_layer *layer = &model->layers[l];
        for (size_t m = 0; m < VQL_BLOCK; m++)
            start_outputs(head, m, layer->bias, layer->outputs);
        add_product(head, &head->tables->panels[l], head->inputs, head->stride);
        rectify(head, layer->outputs);
    }
    finish(head, logits);
}

void vql_head_block(vql_head *head, const uint32_t *rows, const float *o, size_t stride,
                    float *logits)
{
    const bool single = head->tables->model->layer_count == 1;
    if (o != NULL || !single)
        start_first(head, rows);
    if (o != NULL)
        add_product(head, &head->tables->panels[0], o, stride);
    if (single)
        copy_logits(head, rows, o == NULL, logits);
    else
        continue_head(head, logits);
}
