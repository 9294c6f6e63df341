#include "pass.h"

#include <stdlib.h>
#include <string.h>

#include "direct.h"
#include "item_features.h"
#include "product.h"
#include "random.h"
#include "rows.h"
#include "scan.h"
#include "selection.h"
#include "tower.h"

/* Embeddings' gradients are written by owners, λ's and w's are summed in float64. */
static bool summed_by_thread(const train_model *model, const train_tensor *tensor)
{
    return tensor->rate == RATE_WEIGHT && tensor != model->type;
}

static size_t tensor_size(const train_tensor *tensor)
{
    return (size_t)tensor->rows * tensor->columns;
}

static void new_thread(const train_model *model, pass_thread *thread)
{
    for (uint32_t i = 0; i < model->parameter_count; i++)
        if (summed_by_thread(model, &model->parameters[i]))
            thread->gradients[i] = memory_zeros(tensor_size(&model->parameters[i]), sizeof(float));
    thread->mixture_slopes =
        memory_zeros((size_t)model->config.heads * model->kernels, sizeof *thread->mixture_slopes);
}

static void free_thread(pass_thread *thread)
{
    for (uint32_t i = 0; i < TRAIN_MAX_PARAMETERS; i++)
        free(thread->gradients[i]);
    free(thread->mixture_slopes);
    free(thread->slope_room.data);
    free(thread->rows_room.data);
    free(thread->kappa_room.data);
    free(thread->map_room.data);
    free(thread->column_room.data);
    free(thread->gather_room.data);
    free(thread->block_room.data);
    free(thread->pointer_room.data);
    free(thread->head_room.data);
    free(thread->select_room.data);
    free(thread->search_room.data);
    free(thread->chunk_room.data);
    free(thread->cache_room.data);
    free(thread->view_room.data);
    free(thread->stack_room.data);
    free(thread->debt_room.data);
}

static void draw_planes(train_pass *pass)
{
    const train_model *model = pass->model;
    const size_t count =
        (size_t)model->config.heads * SELECTION_BITS * SELECTION_GROUPS * model->x_width;
    const random_stream stream = random_open(model->config.seed, RANDOM_HASH, 0);
    pass->planes = memory_zeros(count, sizeof *pass->planes);
    for (size_t i = 0; i < count; i++)
        pass->planes[i] = (float)random_normal(stream, i);
}

train_pass *pass_new(train_model *model, train_crew *crew)
{
    product_init();
    train_pass *made = memory_zeros(1, sizeof *made);
    made->model = model;
    made->loops = loops_active();
    made->crew = crew;
    made->threads = crew_threads(crew);
    made->mixture = memory_zeros((size_t)model->config.heads * model->kernels, sizeof(float));
    made->thread = memory_zeros(made->threads, sizeof *made->thread);
    for (uint32_t t = 0; t < made->threads; t++)
        new_thread(model, &made->thread[t]);
    if (model->config.attention == ATTENTION_HASH)
        draw_planes(made);
    return made;
}

void pass_free(train_pass *pass)
{
    if (pass == NULL)
        return;
    for (uint32_t t = 0; t < pass->threads; t++)
        free_thread(&pass->thread[t]);
    free(pass->thread);
    free(pass->mixture);
    free(pass->planes);
    free(pass->row_room.data);
    free(pass->code_room.data);
    free(pass->signature_room.data);
    free(pass->impression_room.data);
    free(pass->slope_room.data);
    free(pass);
}

static void lay_out(train_pass *pass)
{
    const train_model *model = pass->model;
    const size_t count = pass->batch->count;
    const size_t inputs = model->x_width + model->config.width;
    const size_t heads = model->config.heads, tasks = model->data->tasks;
    float *room = memory_floats(&pass->impression_room,
                                count * (inputs + model->config.width + 3 * heads + tasks) + 2);
    pass->signatures = (uint64_t *)(void *)room;
    pass->inputs = room + 2 * count * heads;
    pass->queries = pass->inputs + count * inputs;
    pass->query_scales = pass->queries + count * model->config.width;
    pass->logits = pass->query_scales + count * heads;
    if (!pass->backward)
        return;
    pass->input_slopes = memory_floats(&pass->slope_room, count * (inputs + model->config.width));
    pass->query_slopes = pass->input_slopes + count * inputs;
}

/* What a moment costs, in arbitrary units. */
static double cost_of(const train_pass *pass, const train_moment *moment)
{
    const double events = moment->end - moment->begin;
    const double distinct = history_distinct(pass->batch->history, moment->user, moment->end);
    const double columns = distinct < events ? distinct : events;
    return events + 40.0 * columns + (double)moment->count * (500.0 + 10.0 * columns);
}

/* Gives every thread neighbouring moments of nearly the same cost. */
static void divide(train_pass *pass)
{
    const train_batch *batch = pass->batch;
    double all = 0.0;
    for (size_t i = 0; i < batch->moment_count; i++)
        all += cost_of(pass, &batch->moments[i]);
    double done = 0.0;
    size_t at = 0, impression = 0;
    for (uint32_t t = 0; t < pass->threads; t++) {
        pass_thread *thread = &pass->thread[t];
        thread->moments.begin = at;
        thread->impressions.begin = impression;
        const double goal = all * (double)(t + 1) / (double)pass->threads;
        while (at < batch->moment_count && (t + 1 == pass->threads || done < goal)) {
            done += cost_of(pass, &batch->moments[at]);
            impression += batch->moments[at++].count;
        }
        thread->moments.end = at;
        thread->impressions.end = impression;
    }
}

/* x and q of the thread's impressions. */
static void query(const train_pass *pass, const pass_thread *thread)
{
    const train_model *model = pass->model;
    const crew_part part = thread->impressions;
    const size_t width = model->config.width, stride = model->x_width + width;
    const size_t heads = model->config.heads;
    const size_t planes = (size_t)SELECTION_BITS * SELECTION_GROUPS * model->x_width;
    for (size_t i = part.begin; i < part.end; i++)
        features_item(model, pass->batch->impressions[i]->row, pass->inputs + i * stride);
    product_forward(part.end - part.begin, width, model->x_width,
                    (product_matrix){pass->inputs + part.begin * stride, stride},
                    model->query->value, pass->queries + part.begin * width, width);
    for (size_t i = part.begin; i < part.end; i++) {
        features_norm(model, pass->queries + i * width, pass->query_scales + i * heads);
        for (size_t h = 0; pass->planes != NULL && h < heads; h++)
            pass->signatures[i * heads + h] = selection_signature(
                model->x_width, pass->planes + h * planes, pass->inputs + i * stride);
    }
}

/* The thread's moments of one user, from *at on, which is moved behind them. */
static size_t next_user(const train_pass *pass, const pass_thread *thread, size_t *at)
{
    const train_moment *moments = pass->batch->moments;
    const size_t begin = *at;
    while (*at < thread->moments.end && moments[*at].user == moments[begin].user)
        ++*at;
    return *at - begin;
}

static void attend(const train_pass *pass, pass_thread *thread)
{
    for (size_t at = thread->moments.begin; at < thread->moments.end;) {
        const train_moment *moments = &pass->batch->moments[at];
        const size_t count = next_user(pass, thread, &at);
        if (scan_pays(pass, moments, count))
            scan_forward(pass, thread, moments, count);
        else
            for (size_t i = 0; i < count; i++)
                direct_forward(pass, thread, &moments[i]);
    }
}

static void attend_backward(const train_pass *pass, pass_thread *thread)
{
    for (size_t at = thread->moments.begin; at < thread->moments.end;) {
        const train_moment *moments = &pass->batch->moments[at];
        const size_t count = next_user(pass, thread, &at);
        if (scan_pays(pass, moments, count))
            scan_backward(pass, thread, moments, count);
        else
            for (size_t i = 0; i < count; i++)
                direct_backward(pass, thread, &moments[i]);
    }
}

static void forward_moments(const train_pass *pass, pass_thread *thread)
{
    query(pass, thread);
    attend(pass, thread);
    tower_forward(pass, thread);
}

static void forward_share(void *context, uint32_t thread, uint32_t threads)
{
    (void)threads;
    const train_pass *pass = context;
    forward_moments(pass, &pass->thread[thread]);
}

/* Of projections, assignment and head, for each of `passes` through them. */
static double dense_operations(const train_pass *pass, double passes)
{
    const train_model *model = pass->model;
    const double width = model->config.width;
    const double rows = (double)pass->batch->row_count, count = (double)pass->batch->count;
    double codewords = 0.0, weights = width * model->x_width;
    for (uint32_t g = 0; pass->quantized && g < model->config.groups; g++)
        codewords += (double)model->codebooks[g].codewords * model->group_width;
    for (uint32_t n = 0; n < model->layers; n++)
        weights += (double)tensor_size(model->weight[n]);
    return 2.0 * (rows * (passes * 2.0 * width * model->event_width + codewords) +
                  passes * count * weights);
}

static void begin(train_pass *pass, const train_batch *batch, bool backward, bool quantized)
{
    pass->batch = batch;
    pass->backward = backward;
    pass->quantized = quantized && pass->model->quantized;
    pass->kernel = train_kernel_of(pass->model, pass->mixture);
    lay_out(pass);
    divide(pass);
    for (uint32_t t = 0; t < pass->threads; t++)
        pass->thread[t].operations = 0.0;
    rows_forward(pass);
}

void pass_forward(train_pass *pass, const train_batch *batch, bool quantized)
{
    begin(pass, batch, false, quantized);
    crew_run(pass->crew, forward_share, pass);
}

static void clear_thread(const train_pass *pass, pass_thread *thread)
{
    const train_model *model = pass->model;
    const size_t numbers = pass->batch->row_count * model->config.width;
    thread->key_slopes = memory_floats(&thread->slope_room, 2 * numbers + 1);
    thread->value_slopes = thread->key_slopes + numbers;
    memset(thread->key_slopes, 0, 2 * numbers * sizeof *thread->key_slopes);
    for (uint32_t i = 0; i < model->parameter_count; i++)
        if (thread->gradients[i] != NULL)
            memset(thread->gradients[i], 0,
                   tensor_size(&model->parameters[i]) * sizeof *thread->gradients[i]);
    memset(thread->decay_slopes, 0, sizeof thread->decay_slopes);
    memset(thread->mixture_slopes, 0,
           (size_t)model->config.heads * model->kernels * sizeof *thread->mixture_slopes);
    thread->loss = 0.0;
    thread->commitment = 0.0;
}

/* From the slopes of q to those of x, and the gradient of W_q. */
static void query_backward(const train_pass *pass, pass_thread *thread)
{
    const train_model *model = pass->model;
    const crew_part part = thread->impressions;
    const size_t width = model->config.width, stride = model->x_width + width;
    for (size_t i = part.begin; i < part.end; i++)
        features_norm_backward(model, pass->queries + i * width,
                               pass->query_scales + i * model->config.heads,
                               pass->query_slopes + i * width);
    const product_matrix q = {pass->query_slopes + part.begin * width, width};
    const product_matrix x = {pass->inputs + part.begin * stride, stride};
    product_gradient(part.end - part.begin, width, model->x_width, q, x,
                     thread->gradients[model->query - model->parameters]);
    product_backward(part.end - part.begin, width, model->x_width, q, model->query->value, 1.0F,
                     pass->input_slopes + part.begin * stride, stride);
}

static void train_share(void *context, uint32_t number, uint32_t threads)
{
    (void)threads;
    const train_pass *pass = context;
    pass_thread *thread = &pass->thread[number];
    clear_thread(pass, thread);
    forward_moments(pass, thread);
    tower_backward(pass, thread);
    attend_backward(pass, thread);
    query_backward(pass, thread);
}

/* Sums the threads' gradients of weights, and hands slopes of x to the embeddings' owners. */
static void finish_share(void *context, uint32_t thread, uint32_t threads)
{
    const train_pass *pass = context;
    train_model *model = pass->model;
    for (uint32_t i = 0; i < model->parameter_count; i++) {
        const train_tensor *tensor = &model->parameters[i];
        const crew_part part = crew_share(tensor_size(tensor), thread, threads);
        for (size_t j = part.begin; summed_by_thread(model, tensor) && j < part.end; j++) {
            float sum = 0.0F;
            for (uint32_t t = 0; t < threads; t++)
                sum += pass->thread[t].gradients[i][j];
            tensor->gradient[j] = sum;
        }
    }
    const size_t stride = model->x_width + model->config.width;
    for (size_t i = 0; i < pass->batch->count; i++)
        features_item_backward(model, pass->batch->impressions[i]->row,
                               pass->input_slopes + i * stride, thread, threads);
    for (size_t i = 0; i < pass->batch->row_count; i++)
        features_row_backward(model, pass->batch->rows[i],
                              pass->row_slopes + i * model->event_width, thread, threads);
}

static void clear_embeddings(void *context, uint32_t thread, uint32_t threads)
{
    const train_pass *pass = context;
    const train_model *model = pass->model;
    for (uint32_t i = 0; i < model->parameter_count; i++) {
        const train_tensor *tensor = &model->parameters[i];
        if (summed_by_thread(model, tensor))
            continue;
        const crew_part part = crew_share(tensor_size(tensor), thread, threads);
        memset(tensor->gradient + part.begin, 0, (part.end - part.begin) * sizeof(float));
    }
}

double pass_train(train_pass *pass, const train_batch *batch, uint64_t step, double *commitment)
{
    pass->step = step;
    begin(pass, batch, true, true);
    crew_run(pass->crew, train_share, pass);
    rows_backward(pass);
    crew_run(pass->crew, clear_embeddings, pass);
    crew_run(pass->crew, finish_share, pass);
    pass_thread *first = &pass->thread[0];
    const size_t mixture = (size_t)pass->model->config.heads * pass->model->kernels;
    for (uint32_t t = 1; t < pass->threads; t++) {
        const pass_thread *thread = &pass->thread[t];
        first->loss += thread->loss;
        first->commitment += thread->commitment;
        for (uint32_t r = 0; r < pass->kernel.kernels; r++)
            first->decay_slopes[r] += thread->decay_slopes[r];
        for (size_t i = 0; i < mixture; i++)
            first->mixture_slopes[i] += thread->mixture_slopes[i];
    }
    train_kernel_backward(pass->model, &pass->kernel, first->decay_slopes, first->mixture_slopes);
    *commitment = first->commitment;
    pass->operations = dense_operations(pass, 3.0);
    for (uint32_t t = 0; t < pass->threads; t++)
        pass->operations += pass->thread[t].operations;
    return first->loss / (double)batch->count;
}
