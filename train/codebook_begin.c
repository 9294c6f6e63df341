#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codebook.h"
#include "random.h"

enum { LLOYD_STEPS = 15 };

static const float begin_least_mass = 0.05F;

typedef struct begin_task {
    train_model *model;
    const codebook_rows *rows;
} begin_task;

static double distance(const float *a, const float *b, size_t width)
{
    double sum = 0.0;
    for (size_t j = 0; j < width; j++)
        sum += (double)((a[j] - b[j]) * (a[j] - b[j]));
    return sum;
}

static const float *key_of(const train_model *model, const codebook_rows *rows, uint32_t group,
                           size_t row)
{
    return rows->keys + row * model->config.width + (size_t)group * model->group_width;
}

/* A row drawn with probability ∝ weight · nearest; ∝ weight when all of those are 0. */
static size_t draw(const codebook_rows *rows, const double *nearest, double uniform)
{
    double all = 0.0, plain = 0.0;
    for (size_t i = 0; i < rows->count; i++) {
        all += (double)rows->weights[i] * nearest[i];
        plain += (double)rows->weights[i];
    }
    const bool far = all > 0.0;
    double left = uniform * (far ? all : plain);
    size_t chosen = 0;
    for (size_t i = 0; i < rows->count; i++) {
        const double weight = (double)rows->weights[i] * (far ? nearest[i] : 1.0);
        if (weight <= 0.0)
            continue;
        chosen = i;
        left -= weight;
        if (left < 0.0)
            break;
    }
    return chosen;
}

/* k-means++ (Arthur and Vassilvitskii 2007), weighted. nearest [count] is scratch. */
static void spread_out(train_model *model, const codebook_rows *rows, uint32_t group,
                       double *nearest)
{
    train_codebook *codebook = &model->codebooks[group];
    const size_t width = model->group_width;
    const random_stream stream = random_open(model->config.seed, RANDOM_CODEBOOK, group);
    for (size_t i = 0; i < rows->count; i++)
        nearest[i] = 1.0;
    for (size_t a = 0; a < codebook->codewords; a++) {
        float *codeword = codebook->value + a * width;
        const size_t chosen = draw(rows, nearest, random_uniform(stream, a));
        memcpy(codeword, key_of(model, rows, group, chosen), width * sizeof *codeword);
        for (size_t i = 0; i < rows->count; i++) {
            const double apart = distance(key_of(model, rows, group, i), codeword, width);
            nearest[i] = a == 0 || apart < nearest[i] ? apart : nearest[i];
        }
    }
}

/* Sets N and M to the sums over the rows of each codeword. */
static void gather(train_model *model, const codebook_rows *rows, uint32_t group,
                   const uint32_t *codes)
{
    train_codebook *codebook = &model->codebooks[group];
    const size_t width = model->group_width;
    memset(codebook->mass, 0, codebook->codewords * sizeof(float));
    memset(codebook->sum, 0, codebook->codewords * width * sizeof(float));
    if (codebook->value_sum != NULL)
        memset(codebook->value_sum, 0, codebook->codewords * width * sizeof(float));
    for (size_t i = 0; i < rows->count; i++) {
        const size_t at = i * model->config.width + group * width;
        const size_t code = codes[i * model->config.groups];
        const float weight = rows->weights[i];
        codebook->mass[code] += weight;
        for (size_t j = 0; j < width; j++) {
            codebook->sum[code * width + j] += weight * rows->keys[at + j];
            if (codebook->value_sum != NULL)
                codebook->value_sum[code * width + j] += weight * rows->values[at + j];
        }
    }
}

static void settle(train_codebook *codebook, size_t width)
{
    for (size_t a = 0; a < codebook->codewords; a++)
        for (size_t j = 0; codebook->mass[a] > 0.0F && j < width; j++)
            codebook->value[a * width + j] = codebook->sum[a * width + j] / codebook->mass[a];
}

/* N_a = max(0.05, n_a / mean n), M = C · N. */
static void scale(train_codebook *codebook, size_t width)
{
    double all = 0.0;
    for (size_t a = 0; a < codebook->codewords; a++)
        all += (double)codebook->mass[a];
    const double mean = all / codebook->codewords;
    for (size_t a = 0; a < codebook->codewords; a++) {
        const float before = codebook->mass[a];
        const float mass =
            fmaxf(begin_least_mass, mean > 0.0 ? (float)((double)before / mean) : 0.0F);
        codebook->mass[a] = mass;
        for (size_t j = 0; j < width; j++) {
            codebook->sum[a * width + j] = mass * codebook->value[a * width + j];
            if (codebook->value_sum != NULL && before > 0.0F)
                codebook->value_sum[a * width + j] *= mass / before;
        }
    }
}

static void begin_group(train_model *model, const codebook_rows *rows, uint32_t group)
{
    double *nearest = memory_zeros(rows->count, sizeof *nearest);
    uint32_t *codes = memory_zeros(rows->count * model->config.groups, sizeof *codes);
    memory_buffer room = {0};
    train_codebook *codebook = &model->codebooks[group];
    spread_out(model, rows, group, nearest);
    for (int i = 0; i < LLOYD_STEPS; i++) {
        codebook_assign_group(model, loops_active(), group, rows->keys, rows->count, &room, codes);
        gather(model, rows, group, codes);
        settle(codebook, model->group_width);
    }
    scale(codebook, model->group_width);
    free(room.data);
    free(codes);
    free(nearest);
}

static void begin_share(void *context, uint32_t thread, uint32_t threads)
{
    const begin_task *task = context;
    for (uint32_t g = thread; g < task->model->config.groups; g += threads)
        begin_group(task->model, task->rows, g);
}

void codebook_begin(train_model *model, train_crew *crew, const codebook_rows *rows)
{
    begin_task task = {model, rows};
    if (rows->count > 0)
        crew_run(crew, begin_share, &task);
    model->quantized = true;
}
