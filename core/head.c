#include "head.h"

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

/* Starts the outputs of a candidate with `count` numbers, and zeros up to whole tiles. */
static void start_outputs(const vql_head *head, size_t candidate, const float *start, size_t count)
{
    float *outputs = head->outputs + candidate * head->stride;
    const size_t whole = vql_round_up((uint32_t)count, VQL_LANES);
    memcpy(outputs, start, count * sizeof *outputs);
    memset(outputs + count, 0, (whole - count) * sizeof *outputs);
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

void vql_head_block(vql_head *head, const uint32_t *rows, const float *o, size_t stride,
                    float *logits)
{
    const vql_tables *tables = head->tables;
    const vql_model *model = tables->model;
    for (size_t m = 0; m < VQL_BLOCK; m++)
        start_outputs(head, m, tables->head_item + (size_t)rows[m] * tables->hidden,
                      tables->hidden);
    add_product(head, &tables->panels[0], o, stride);
    if (model->layer_count == 1) {
        for (size_t m = 0; m < VQL_BLOCK; m++)
            memcpy(logits + m * model->shape.tasks, head->outputs + m * head->stride,
                   model->shape.tasks * sizeof *logits);
        return;
    }
    rectify(head, model->layers[0].outputs);
    for (uint32_t l = 1; l < model->layer_count - 1; l++) {
        const vql_layer *layer = &model->layers[l];
        for (size_t m = 0; m < VQL_BLOCK; m++)
            start_outputs(head, m, layer->bias, layer->outputs);
        add_product(head, &tables->panels[l], head->inputs, head->stride);
        rectify(head, layer->outputs);
    }
    finish(head, logits);
}
