#include "columns.h"

#include <math.h>
#include <string.h>

enum { COLUMNS_CHUNK = 256 }; /* events whose decays are computed at once */

/* Gives every event of the moment its column: [end - begin]. Returns how many there are. */
static size_t number(const train_pass *pass, pass_thread *thread, const train_moment *moment,
                     uint32_t *column, uint32_t *slots)
{
    const train_batch *batch = pass->batch;
    const train_history *history = batch->history;
    const uint32_t events = moment->end - moment->begin;
    const uint32_t *rows = history->rows + history->starts[moment->user];
    const uint32_t *local = history->local + batch->data->starts[moment->user] + moment->begin;
    if (train_config_chooses(&pass->model->config)) {
        for (uint32_t i = 0; i < events; i++) {
            column[i] = i;
            slots[i] = batch->slots[rows[local[i]]];
        }
        return events;
    }
    const uint32_t distinct = history_distinct(history, moment->user, moment->end);
    if (moment->begin == 0) {
        memcpy(column, local, events * sizeof *column);
        for (uint32_t i = 0; i < distinct; i++)
            slots[i] = batch->slots[rows[i]];
        return distinct;
    }
    uint32_t *map = memory_integers(&thread->map_room, distinct + 1);
    for (uint32_t i = 0; i < events; i++)
        map[local[i]] = BATCH_NO_SLOT;
    size_t count = 0;
    for (uint32_t i = 0; i < events; i++) {
        if (map[local[i]] == BATCH_NO_SLOT) {
            slots[count] = batch->slots[rows[local[i]]];
            map[local[i]] = (uint32_t)count++;
        }
        column[i] = map[local[i]];
    }
    return count;
}

/* Adds the chunk of events to P, and to the ages unless NULL. */
static void add_chunk(const train_pass *pass, const train_columns *columns, const uint32_t *column,
                      const float *hours, size_t count)
{
    float decays[COLUMNS_CHUNK];
    for (uint32_t r = 0; r < pass->kernel.kernels; r++) {
        float *sums = columns->sums + r * columns->padded;
        pass->loops->decay(loops_padded(count), pass->kernel.decay[r], hours, decays);
        for (size_t i = 0; i < count; i++)
            sums[column[i]] += decays[i];
        if (columns->ages == NULL)
            continue;
        float *ages = columns->ages + r * columns->padded;
        for (size_t i = 0; i < count; i++)
            ages[column[i]] += hours[i] * decays[i];
    }
}

static void add_events(const train_pass *pass, const train_moment *moment,
                       const train_columns *columns, const uint32_t *column)
{
    const train_event *events =
        pass->batch->data->events + pass->batch->data->starts[moment->user] + moment->begin;
    const size_t count = moment->end - moment->begin;
    const int64_t reference = events[count - 1].time_ms;
    float hours[COLUMNS_CHUNK] = {0.0F};
    for (size_t at = 0; at < count; at += COLUMNS_CHUNK) {
        const size_t chunk = count - at < COLUMNS_CHUNK ? count - at : COLUMNS_CHUNK;
        for (size_t i = 0; i < chunk; i++)
            hours[i] = (float)((double)(reference - events[at + i].time_ms) / kernel_hour_ms);
        add_chunk(pass, columns, column + at, hours, chunk);
    }
}

static void weigh(const train_pass *pass, train_columns *columns)
{
    const train_kernel *kernel = &pass->kernel;
    float least = kernel->decay[0];
    for (uint32_t r = 1; r < kernel->kernels; r++)
        least = kernel->decay[r] < least ? kernel->decay[r] : least;
    for (uint32_t r = 0; r < kernel->kernels; r++)
        columns->factors[r] = (float)exp(-(double)(kernel->decay[r] - least) * columns->delay);
    for (uint32_t h = 0; h < kernel->heads; h++) {
        float *restrict weights = columns->weights + h * columns->padded;
        memset(weights, 0, columns->padded * sizeof *weights);
        for (uint32_t r = 0; r < kernel->kernels; r++) {
            const float factor = kernel->weight[h * kernel->kernels + r] * columns->factors[r];
            const float *restrict sums = columns->sums + r * columns->padded;
            for (size_t u = 0; u < columns->padded; u++)
                weights[u] += factor * sums[u];
        }
    }
}

train_columns columns_of(const train_pass *pass, pass_thread *thread, const train_moment *moment,
                         bool ages)
{
    const train_batch *batch = pass->batch;
    const size_t events = moment->end - moment->begin;
    const size_t kernels = pass->kernel.kernels;
    uint32_t *numbers = memory_integers(&thread->column_room, 2 * events);
    train_columns made = {.slots = numbers + events};
    made.count = number(pass, thread, moment, numbers, made.slots);
    made.padded = loops_padded(made.count);
    const size_t arrays = kernels * (ages ? 2 : 1);
    made.sums = memory_floats(&thread->rows_room, (arrays + pass->kernel.heads) * made.padded);
    made.ages = ages ? made.sums + kernels * made.padded : NULL;
    made.weights = made.sums + arrays * made.padded;
    memset(made.sums, 0, arrays * made.padded * sizeof *made.sums);
    add_events(pass, moment, &made, numbers);
    const train_event *last =
        &batch->data->events[batch->data->starts[moment->user] + moment->end - 1];
    made.delay =
        (double)(batch->impressions[moment->first]->time_ms - last->time_ms) / kernel_hour_ms;
    weigh(pass, &made);
    return made;
}

/* Σ a[u] b[u] / c[u] over the columns with c above 0. */
static double ratio_sum(size_t count, const float *a, const float *b, const float *c)
{
    double sum = 0.0;
    for (size_t u = 0; u < count; u++)
        if (c[u] > 0.0F)
            sum += (double)(a[u] * b[u] / c[u]);
    return sum;
}

void columns_backward(const train_pass *pass, pass_thread *thread, const train_columns *columns,
                      const float *slopes)
{
    const train_kernel *kernel = &pass->kernel;
    for (uint32_t h = 0; h < kernel->heads; h++) {
        const float *slope = slopes + h * columns->padded;
        const float *weights = columns->weights + h * columns->padded;
        for (uint32_t r = 0; r < kernel->kernels; r++) {
            const size_t at = (size_t)h * kernel->kernels + r;
            const double factor = (double)columns->factors[r];
            const double sums = factor * ratio_sum(columns->count, slope,
                                                   columns->sums + r * columns->padded, weights);
            const double ages = factor * ratio_sum(columns->count, slope,
                                                   columns->ages + r * columns->padded, weights);
            thread->mixture_slopes[at] += sums;
            thread->decay_slopes[r] -= (double)kernel->weight[at] * (ages + columns->delay * sums);
        }
    }
}
