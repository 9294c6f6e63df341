#include "trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "adam.h"
#include "order.h"
#include "peak.h"
#include "trainer_data.h"

static const double trainer_reseed_until = 0.9; /* of the planned steps */

static void new_best(trainer *t)
{
    const train_model *model = t->model;
    for (uint32_t i = 0; i < model->parameter_count; i++) {
        const train_tensor *tensor = &model->parameters[i];
        t->best[i] = memory_zeros((size_t)tensor->rows * tensor->columns, sizeof(float));
    }
    for (uint32_t g = 0; g < model->config.groups; g++) {
        const train_codebook *from = &model->codebooks[g];
        train_codebook *to = &t->best_codebooks[g];
        const size_t size = (size_t)from->codewords * model->group_width;
        to->codewords = from->codewords;
        to->value = memory_zeros(size, sizeof(float));
        to->mass = memory_zeros(from->codewords, sizeof(float));
        to->sum = memory_zeros(size, sizeof(float));
        if (from->value_sum != NULL)
            to->value_sum = memory_zeros(size, sizeof(float));
    }
}

vql_code trainer_new(const train_config *config, const dataset *data, trainer **out,
                     vql_error *error)
{
    const size_t count = data->splits[SPLIT_TRAIN].count;
    if (count == 0 || count >= UINT32_MAX)
        return vql_fail(error, VQL_VALUE, "there are %zu training impressions, not 1 … 2^32 - 2",
                        count);
    train_model *model = NULL;
    const vql_code code = train_model_new(config, data, &model, error);
    if (code != VQL_OK)
        return code;
    trainer *made = memory_zeros(1, sizeof *made);
    made->data = data;
    made->model = model;
    made->crew = crew_new(config->threads);
    if (made->crew == NULL) {
        trainer_free(made);
        return vql_fail(error, VQL_NO_MEMORY, "%u threads could not be started", config->threads);
    }
    made->peak = peak_operations(made->crew);
    made->history = history_new(data);
    made->batch = batch_new(data, made->history);
    made->pass = pass_new(model, made->crew);
    made->epoch_steps = (count + config->batch - 1) / config->batch;
    made->steps = made->epoch_steps * config->epochs;
    made->order = memory_zeros(count, sizeof *made->order);
    made->picks = memory_zeros(config->batch, sizeof *made->picks);
    new_best(made);
    *out = made;
    return VQL_OK;
}

void trainer_free(trainer *t)
{
    if (t == NULL)
        return;
    for (uint32_t i = 0; i < TRAIN_MAX_PARAMETERS; i++)
        free(t->best[i]);
    for (uint32_t g = 0; g < TRAIN_MAX_GROUPS; g++) {
        free(t->best_codebooks[g].value);
        free(t->best_codebooks[g].mass);
        free(t->best_codebooks[g].sum);
        free(t->best_codebooks[g].value_sum);
    }
    free(t->picks);
    free(t->order);
    census_release(&t->census);
    pass_free(t->pass);
    batch_free(t->batch);
    history_free(t->history);
    crew_free(t->crew);
    train_model_free(t->model);
    free(t);
}

const train_model *trainer_model(const trainer *t)
{
    return t->model;
}

/* 1 for the first part of the steps, then falling to final_rate at the last one. */
static double schedule(const trainer *t)
{
    const train_config *config = &t->model->config;
    const double at = (double)t->progress.step / (double)t->steps;
    if (at < config->hold)
        return 1.0;
    return 1.0 - (1.0 - config->final_rate) * (at - config->hold) / (1.0 - config->hold);
}

/* cnt ← m cnt + (1 - m) batch count, over all rows. */
static void count_rows(trainer *t)
{
    train_model *model = t->model;
    const train_batch *batch = t->batch;
    const float memory = (float)model->config.count_memory;
    const size_t rows = (size_t)t->data->rows * t->data->event_types;
    for (size_t i = 0; i < rows; i++)
        model->counts[i] *= memory;
    for (size_t i = 0; i < batch->row_count; i++)
        model->counts[batch->rows[i]] += (1.0F - memory) * batch->row_counts[i];
}

static void reseed(trainer *t, const codebook_rows *batch_rows)
{
    train_model *model = t->model;
    const train_batch *batch = t->batch;
    uint32_t counts[TRAIN_MAX_GROUPS] = {0};
    float *weights = memory_zeros(batch->row_count, sizeof *weights);
    for (size_t i = 0; i < batch->row_count; i++)
        weights[i] = model->counts[batch->rows[i]];
    codebook_rows rows = *batch_rows;
    rows.weights = weights;
    codebook_reseed(model, &rows, t->progress.step, counts);
    free(weights);
    for (uint32_t g = 0; g < model->config.groups; g++)
        t->reseeded[g] += counts[g];
}

static void estimate_codebooks(trainer *t)
{
    train_model *model = t->model;
    const train_pass *pass = t->pass;
    const train_batch *batch = t->batch;
    const codebook_rows rows = {batch->row_count, pass->keys, pass->values, batch->row_counts,
                                pass->codes};
    codebook_update(model, t->crew, &rows);
    const uint32_t every = model->config.reseed_every;
    if (every > 0 && (t->progress.step + 1) % every == 0 &&
        (double)t->progress.step < trainer_reseed_until * (double)t->steps)
        reseed(t, &rows);
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void fill(trainer *t)
{
    const train_impressions *impressions = &t->data->splits[SPLIT_TRAIN];
    const size_t batch = t->model->config.batch;
    const size_t at = t->progress.epoch_step * batch;
    const size_t count = impressions->count - at < batch ? impressions->count - at : batch;
    memcpy(t->picks, t->order + at, count * sizeof *t->picks);
    order_sort(t->picks, count);
    batch_fill(t->batch, impressions->at, t->picks, count, t->model->config.max_history);
}

static void step(trainer *t, const trainer_hooks *hooks)
{
    train_model *model = t->model;
    trainer_progress *progress = &t->progress;
    const double begun = now();
    const double factor = schedule(t);
    fill(t);
    double commitment = 0.0;
    const double loss = pass_train(t->pass, t->batch, progress->step, &commitment);
    adam_step(model, t->crew, progress->step + 1, factor);
    count_rows(t);
    if (model->quantized)
        estimate_codebooks(t);
    const double count = (double)t->batch->count;
    t->sums.loss += loss * count;
    t->sums.commitment += commitment * count;
    t->sums.impressions += count;
    t->sums.operations += t->pass->operations;
    t->sums.seconds += now() - begun;
    progress->step++;
    progress->epoch_step++;
    const trainer_step report = {
        .epoch = (uint32_t)progress->epoch,
        .step = progress->step,
        .steps = t->steps,
        .epoch_step = progress->epoch_step,
        .epoch_steps = t->epoch_steps,
        .impressions = t->batch->count,
        .events = (uint64_t)t->batch->events,
        .loss = loss,
        .commitment_loss = commitment,
        .rate = factor * model->config.rate,
    };
    if (hooks->step != NULL)
        hooks->step(hooks->context, &report);
}

static double validate(trainer *t, const trainer_hooks *hooks)
{
    const train_impressions *impressions = &t->data->splits[SPLIT_VALID];
    if (impressions->count == 0)
        return (double)NAN;
    float *logits = memory_zeros(impressions->count * t->data->tasks, sizeof *logits);
    trainer_score(t, impressions->at, impressions->count, 0, logits);
    const double judged = hooks->validate(hooks->context, logits);
    free(logits);
    return judged;
}

/* Whether this epoch's model may be kept: VQL's must be quantized, if one ever is. */
static bool counts_as_result(const trainer *t)
{
    const train_config *config = &t->model->config;
    return config->attention != ATTENTION_VQL || t->model->quantized ||
           config->warm_epochs >= config->epochs;
}

/* Keeps the model if it is the best; counts the epochs that were not. */
static bool judge(trainer *t, double validation)
{
    trainer_progress *progress = &t->progress;
    if (!counts_as_result(t))
        return false;
    if (!isnan(validation) && progress->judged && validation <= t->sums.best) {
        progress->worse++;
        const uint32_t patience = t->model->config.patience;
        progress->ended = patience > 0 && progress->worse >= patience;
        return false;
    }
    progress->worse = 0;
    progress->judged = 1;
    t->sums.best = validation;
    trainer_keep(t);
    return true;
}

static void finish_epoch(trainer *t, const trainer_hooks *hooks)
{
    const train_model *model = t->model;
    trainer_sums *sums = &t->sums;
    float decay[TRAIN_MAX_KERNELS];
    float weight[TRAIN_MAX_KERNELS * 256];
    const double validation = validate(t, hooks);
    trainer_epoch report = {
        .epoch = (uint32_t)t->progress.epoch,
        .quantized = model->quantized,
        .loss = sums->loss / sums->impressions,
        .commitment_loss = sums->commitment / sums->impressions,
        .seconds = sums->seconds,
        .operations = sums->operations,
        .peak = t->peak,
        .impressions = (uint64_t)sums->impressions,
        .validation = validation,
        .best = judge(t, validation),
        .groups = model->config.groups,
        .kernels = model->kernels,
        .decay = decay,
        .weight = weight,
    };
    train_model_kernel(model, decay, weight);
    if (model->quantized)
        trainer_examine(t, report.health);
    for (uint32_t g = 0; g < model->config.groups; g++)
        report.health[g].reseeded = (uint32_t)t->reseeded[g];
    if (hooks->epoch != NULL)
        hooks->epoch(hooks->context, &report);
    memset(t->reseeded, 0, sizeof t->reseeded);
    *sums = (trainer_sums){.best = sums->best};
    t->progress.epoch++;
    t->progress.epoch_step = 0;
}

static void begin_epoch(trainer *t)
{
    train_model *model = t->model;
    const train_config *config = &model->config;
    order_epoch(&t->data->splits[SPLIT_TRAIN], config->run, config->seed,
                (uint32_t)t->progress.epoch, t->order);
    if (t->progress.epoch_step > 0 || config->attention != ATTENTION_VQL || model->quantized ||
        t->progress.epoch < config->warm_epochs)
        return;
    if (t->progress.step == 0)
        for (size_t i = 0; i < (size_t)t->data->rows * t->data->event_types; i++)
            model->counts[i] = 1.0F;
    census_take(&t->census, model, t->crew);
    codebook_begin(model, t->crew, &t->census.rows);
}

trainer_end trainer_run(trainer *t, const trainer_hooks *hooks)
{
    trainer_progress *progress = &t->progress;
    while (progress->epoch < t->model->config.epochs && !progress->ended) {
        begin_epoch(t);
        while (progress->epoch_step < t->epoch_steps) {
            if (hooks->stop != NULL && atomic_load(hooks->stop))
                return TRAINER_STOPPED;
            step(t, hooks);
        }
        finish_epoch(t, hooks);
    }
    return TRAINER_DONE;
}
