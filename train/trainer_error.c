#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "trainer_data.h"

enum { ERROR_BATCH = 1024 };

typedef struct error_sums {
    double logit, output, bound, worst;
    size_t count; /* of impressions with a history, by heads */
} error_sums;

/* The distinct slots of the moment's history. */
static size_t slots_of(const train_batch *batch, const train_moment *moment, uint32_t *slots)
{
    const uint32_t *rows = batch->history->rows + batch->history->starts[moment->user];
    const uint32_t *local = batch->history->local + batch->data->starts[moment->user];
    const uint32_t distinct = history_distinct(batch->history, moment->user, moment->end);
    uint8_t *seen = memory_zeros(distinct, sizeof *seen);
    for (uint32_t i = moment->begin; i < moment->end; i++)
        seen[local[i]] = 1;
    size_t count = 0;
    for (uint32_t i = 0; i < distinct; i++)
        if (seen[i])
            slots[count++] = batch->slots[rows[i]];
    free(seen);
    return count;
}

static double distance(const float *a, const float *b, size_t count)
{
    double sum = 0.0;
    for (size_t j = 0; j < count; j++)
        sum += ((double)a[j] - (double)b[j]) * ((double)a[j] - (double)b[j]);
    return sqrt(sum);
}

/* Twice the largest distance of the head's values from their mean. */
static double diameter(const train_pass *pass, const uint32_t *slots, size_t count, uint32_t head)
{
    const size_t d = pass->model->head_width, width = pass->model->config.width;
    const float *values = pass->values + head * d;
    float *mean = memory_zeros(d, sizeof *mean);
    for (size_t u = 0; u < count; u++)
        for (size_t j = 0; j < d; j++)
            mean[j] += values[slots[u] * width + j] / (float)count;
    double farthest = 0.0;
    for (size_t u = 0; u < count; u++)
        farthest = fmax(farthest, distance(values + slots[u] * width, mean, d));
    free(mean);
    return 2.0 * farthest;
}

/* ε of an impression's head: the largest |q·(k̂ - k)| / √d. */
static double logit_error(const train_pass *pass, const uint32_t *slots, size_t count,
                          size_t impression, uint32_t head)
{
    const size_t d = pass->model->head_width, width = pass->model->config.width;
    const float *query = pass->queries + impression * width + head * d;
    double largest = 0.0;
    for (size_t u = 0; u < count; u++) {
        const size_t at = slots[u] * width + head * d;
        double apart = 0.0;
        for (size_t j = 0; j < d; j++)
            apart +=
                (double)query[j] * ((double)pass->seen_keys[at + j] - (double)pass->keys[at + j]);
        largest = fmax(largest, fabs(apart));
    }
    return largest / sqrt((double)d);
}

/* exact: the o [count, D] of attention over keys; the pass has that over codewords. */
static void measure_moment(const train_pass *pass, const train_moment *moment, const float *exact,
                           uint32_t *slots, error_sums *sums)
{
    const train_model *model = pass->model;
    const size_t d = model->head_width, width = model->config.width;
    const size_t stride = model->x_width + width;
    const size_t count = slots_of(pass->batch, moment, slots);
    for (uint32_t h = 0; count > 0 && h < model->config.heads; h++) {
        const double across = diameter(pass, slots, count, h);
        for (size_t i = moment->first; i < (size_t)moment->first + moment->count; i++) {
            const double error = logit_error(pass, slots, count, i, h);
            const double bound = tanh(0.5 * error);
            const double apart = distance(pass->inputs + i * stride + model->x_width + h * d,
                                          exact + i * width + h * d, d);
            const double part = across > 0.0 ? apart / across : 0.0;
            sums->logit += error;
            sums->bound += bound;
            sums->output += part;
            if (bound > 0.0)
                sums->worst = fmax(sums->worst, part / bound);
            sums->count++;
        }
    }
}

static void measure_batch(trainer *t, const train_impression *impressions, size_t count,
                          error_sums *sums)
{
    const train_model *model = t->model;
    const size_t width = model->config.width, stride = model->x_width + width;
    batch_fill(t->batch, impressions, NULL, count, model->config.max_history);
    float *exact = memory_zeros(count * width, sizeof *exact);
    pass_forward(t->pass, t->batch, false);
    for (size_t i = 0; i < count; i++)
        memcpy(exact + i * width, t->pass->inputs + i * stride + model->x_width,
               width * sizeof *exact);
    pass_forward(t->pass, t->batch, true);
    uint32_t *slots = memory_zeros(t->batch->row_count, sizeof *slots);
    for (size_t i = 0; i < t->batch->moment_count; i++)
        measure_moment(t->pass, &t->batch->moments[i], exact, slots, sums);
    free(slots);
    free(exact);
}

trainer_error trainer_measure_error(trainer *t, const train_impression *impressions, size_t count)
{
    error_sums sums = {0};
    for (size_t i = 0; i < count; i += ERROR_BATCH)
        measure_batch(t, impressions + i, count - i < ERROR_BATCH ? count - i : ERROR_BATCH, &sums);
    const double share = sums.count > 0 ? 1.0 / (double)sums.count : 0.0;
    return (trainer_error){.logit_error = share * sums.logit,
                           .output_error = share * sums.output,
                           .bound = share * sums.bound,
                           .worst = sums.worst};
}
