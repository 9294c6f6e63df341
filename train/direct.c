#include "direct.h"

#include <math.h>
#include <string.h>

#include "columns.h"
#include "panel.h"

static void fill_panel(const train_pass *pass, pass_thread *thread, const train_columns *columns,
                       train_panel *panel, bool backward)
{
    const size_t depth = pass->model->head_width, width = pass->model->config.width;
    const float **rows = memory_reserve(&thread->pointer_room, columns->count, sizeof *rows);
    for (size_t u = 0; u < columns->count; u++)
        rows[u] = pass->seen_values + columns->slots[u] * width + panel->head * depth;
    if (backward)
        panel_gather_across(pass, panel, depth, rows, panel->values_across);
    else
        panel_gather(panel, depth, rows, panel->values);
    if (!panel_sees_keys(pass))
        return;
    for (size_t u = 0; u < columns->count; u++)
        rows[u] = pass->seen_keys + columns->slots[u] * width + panel->head * depth;
    panel_gather_across(pass, panel, depth, rows, panel->keys_across);
    if (backward)
        panel_gather(panel, depth, rows, panel->keys);
}

/* q · k of all heads [impressions, padded], in the thread's memory; NULL if not asked for. */
static const float *search(const train_pass *pass, pass_thread *thread,
                           const train_columns *columns, const train_moment *moment)
{
    if (pass->model->config.attention != ATTENTION_SEARCH)
        return NULL;
    const size_t width = pass->model->config.width, padded = columns->padded;
    const float **rows = memory_reserve(&thread->pointer_room, columns->count, sizeof *rows);
    float *out = memory_floats(&thread->search_room, padded * (moment->count + width));
    const loops_matrix across = {out + moment->count * padded, padded};
    const train_panel whole = {.count = columns->count, .columns = padded};
    for (size_t u = 0; u < columns->count; u++)
        rows[u] = pass->seen_keys + columns->slots[u] * width;
    panel_gather_across(pass, &whole, width, rows, across);
    const loops_input queries = {pass->queries + moment->first * width, width};
    pass->loops->product(moment->count, width, padded, queries, loops_read(across),
                         (loops_matrix){out, padded});
    thread->operations += 2.0 * (double)width * (double)moment->count * (double)columns->count;
    return out;
}

static train_panel head_panel(const train_pass *pass, pass_thread *thread,
                              const train_columns *columns, uint32_t head, bool backward)
{
    train_panel made = panel_of(pass, thread, head, columns->count, backward);
    made.weights = columns->weights + head * columns->padded;
    made.slots = columns->slots;
    fill_panel(pass, thread, columns, &made, backward);
    return made;
}

static bool sees_nothing(const train_pass *pass, const train_moment *moment)
{
    return moment->begin == moment->end || pass->model->config.attention == ATTENTION_NONE;
}

void direct_forward(const train_pass *pass, pass_thread *thread, const train_moment *moment)
{
    const train_model *model = pass->model;
    const size_t stride = model->x_width + model->config.width;
    if (sees_nothing(pass, moment)) {
        float *out = pass->inputs + moment->first * stride + model->x_width;
        for (uint32_t i = 0; i < moment->count; i++)
            memset(out + i * stride, 0, model->config.width * sizeof *out);
        return;
    }
    const train_columns columns = columns_of(pass, thread, moment, false);
    const float *shared = search(pass, thread, &columns, moment);
    for (uint32_t h = 0; h < model->config.heads; h++) {
        train_panel panel = head_panel(pass, thread, &columns, h, false);
        panel.shared = shared;
        panel.first = moment->first;
        panel_forward(pass, thread, &panel, moment);
    }
}

void direct_add(const train_pass *pass, const pass_thread *thread, uint32_t slot, uint32_t head,
                float factor, const float *keys, const float *values)
{
    const size_t depth = pass->model->head_width;
    const size_t at = (size_t)slot * pass->model->config.width + head * depth;
    float *restrict key_slopes = thread->key_slopes + at;
    float *restrict value_slopes = thread->value_slopes + at;
    for (size_t j = 0; j < depth; j++) {
        key_slopes[j] += factor * keys[j];
        value_slopes[j] += values[j];
    }
}

void direct_backward(const train_pass *pass, pass_thread *thread, const train_moment *moment)
{
    const train_model *model = pass->model;
    if (sees_nothing(pass, moment)) {
        memset(pass->query_slopes + (size_t)moment->first * model->config.width, 0,
               (size_t)moment->count * model->config.width * sizeof(float));
        return;
    }
    const float factor = 1.0F / sqrtf((float)model->head_width);
    const train_columns columns = columns_of(pass, thread, moment, true);
    const float *shared = search(pass, thread, &columns, moment);
    const size_t slopes = model->config.heads * columns.padded;
    float *kappa = memory_floats(&thread->kappa_room, slopes);
    memset(kappa, 0, slopes * sizeof *kappa);
    for (uint32_t h = 0; h < model->config.heads; h++) {
        train_panel panel = head_panel(pass, thread, &columns, h, true);
        panel.shared = shared;
        panel.first = moment->first;
        panel.kappa = kappa + h * columns.padded;
        panel_backward(pass, thread, &panel, moment, NULL);
        for (size_t u = 0; u < columns.count; u++)
            direct_add(pass, thread, columns.slots[u], h, factor,
                       panel.key_slopes.at + u * panel.width,
                       panel.value_slopes.at + u * panel.width);
    }
    columns_backward(pass, thread, &columns, kappa);
}
