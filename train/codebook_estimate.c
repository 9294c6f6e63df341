#include "codebook.h"

#include <stdlib.h>
#include <string.h>

#include "random.h"

static const float codebook_dead = 0.02F;   /* N below which a codeword is re-seeded */
static const float codebook_reborn = 0.2F;  /* its N then */
static const float codebook_least = 1e-12F; /* N below which a codeword stays where it is */

typedef struct estimate_task {
    train_model *model;
    const codebook_rows *rows;
} estimate_task;

static void add_scaled(float *to, const float *from, float factor, size_t count)
{
    for (size_t j = 0; j < count; j++)
        to[j] += factor * from[j];
}

static void shrink(float *x, float factor, size_t count)
{
    for (size_t j = 0; j < count; j++)
        x[j] *= factor;
}

static void update_group(train_model *model, const codebook_rows *rows, uint32_t group, float scale)
{
    train_codebook *codebook = &model->codebooks[group];
    const size_t width = model->group_width;
    const size_t size = codebook->codewords * width;
    const float memory = (float)model->config.codebook_memory;
    shrink(codebook->mass, memory, codebook->codewords);
    shrink(codebook->sum, memory, size);
    if (codebook->value_sum != NULL)
        shrink(codebook->value_sum, memory, size);
    for (size_t i = 0; i < rows->count; i++) {
        const size_t code = rows->codes[i * model->config.groups + group];
        const size_t at = i * model->config.width + group * width;
        const float weight = scale * rows->weights[i];
        codebook->mass[code] += weight;
        add_scaled(codebook->sum + code * width, rows->keys + at, weight, width);
        if (codebook->value_sum != NULL)
            add_scaled(codebook->value_sum + code * width, rows->values + at, weight, width);
    }
    for (size_t a = 0; a < codebook->codewords; a++)
        for (size_t j = 0; codebook->mass[a] > codebook_least && j < width; j++)
            codebook->value[a * width + j] = codebook->sum[a * width + j] / codebook->mass[a];
}

static void update_share(void *context, uint32_t thread, uint32_t threads)
{
    const estimate_task *task = context;
    train_model *model = task->model;
    double sum = 0.0;
    for (size_t i = 0; i < task->rows->count; i++)
        sum += (double)task->rows->weights[i];
    for (uint32_t g = thread; sum > 0.0 && g < model->config.groups; g += threads)
        update_group(model, task->rows, g,
                     (float)((1.0 - model->config.codebook_memory) *
                             (double)model->codebooks[g].codewords / sum));
}

void codebook_update(train_model *model, train_crew *crew, const codebook_rows *rows)
{
    estimate_task task = {model, rows};
    crew_run(crew, update_share, &task);
}

/* sums[i] = Σ over the rows up to i of weight · ‖k - C_z‖². */
static void cumulate(const train_model *model, const codebook_rows *rows, uint32_t group,
                     double *sums)
{
    const train_codebook *codebook = &model->codebooks[group];
    const size_t width = model->group_width;
    double sum = 0.0;
    for (size_t i = 0; i < rows->count; i++) {
        const float *key = rows->keys + i * model->config.width + group * width;
        const float *codeword =
            codebook->value + rows->codes[i * model->config.groups + group] * width;
        double apart = 0.0;
        for (size_t j = 0; j < width; j++)
            apart += (double)((key[j] - codeword[j]) * (key[j] - codeword[j]));
        sum += (double)rows->weights[i] * apart;
        sums[i] = sum;
    }
}

/* The first row whose sum is above the target. */
static size_t find(const double *sums, size_t count, double target)
{
    size_t low = 0, high = count - 1;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (sums[middle] > target)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static void revive(train_model *model, const codebook_rows *rows, uint32_t group, size_t codeword,
                   size_t row)
{
    train_codebook *codebook = &model->codebooks[group];
    const size_t width = model->group_width;
    const size_t from = row * model->config.width + group * width;
    codebook->mass[codeword] = codebook_reborn;
    for (size_t j = 0; j < width; j++) {
        codebook->value[codeword * width + j] = rows->keys[from + j];
        codebook->sum[codeword * width + j] = codebook_reborn * rows->keys[from + j];
        if (codebook->value_sum != NULL)
            codebook->value_sum[codeword * width + j] = codebook_reborn * rows->values[from + j];
    }
}

void codebook_reseed(train_model *model, const codebook_rows *rows, uint64_t step, uint32_t *counts)
{
    if (rows->count == 0)
        return;
    double *sums = memory_zeros(rows->count, sizeof *sums);
    for (uint32_t g = 0; g < model->config.groups; g++) {
        const train_codebook *codebook = &model->codebooks[g];
        const random_stream stream =
            random_open(model->config.seed, RANDOM_RESEED, step * TRAIN_MAX_GROUPS + g);
        cumulate(model, rows, g, sums);
        for (uint32_t a = 0; a < codebook->codewords; a++) {
            if (codebook->mass[a] >= codebook_dead || sums[rows->count - 1] <= 0.0)
                continue;
            const double target = random_uniform(stream, a) * sums[rows->count - 1];
            revive(model, rows, g, a, find(sums, rows->count, target));
            counts[g]++;
        }
    }
    free(sums);
}
