#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "trainer_data.h"

enum { JUDGE_BATCH = 8192 };

void trainer_score(trainer *t, const train_impression *impressions, size_t count,
                   uint32_t max_history, float *logits)
{
    const uint32_t configured = t->model->config.max_history;
    const uint32_t most = max_history == 0 || max_history > configured ? configured : max_history;
    const uint32_t tasks = t->data->tasks;
    for (size_t i = 0; i < count; i += JUDGE_BATCH) {
        const size_t part = count - i < JUDGE_BATCH ? count - i : JUDGE_BATCH;
        batch_fill(t->batch, impressions + i, NULL, part, most);
        pass_forward(t->pass, t->batch, true);
        memcpy(logits + i * tasks, t->pass->logits, part * tasks * sizeof *logits);
    }
}

static trainer_health examine_group(const train_model *model, const codebook_rows *rows,
                                    uint32_t group, double *use)
{
    const train_codebook *codebook = &model->codebooks[group];
    const size_t width = model->group_width;
    memset(use, 0, codebook->codewords * sizeof *use);
    double all = 0.0, apart = 0.0, size = 0.0;
    for (size_t i = 0; i < rows->count; i++) {
        const size_t code = rows->codes[i * model->config.groups + group];
        const float *key = rows->keys + i * model->config.width + group * width;
        const double weight = (double)rows->weights[i];
        use[code] += weight;
        all += weight;
        for (size_t j = 0; j < width; j++) {
            const double delta = (double)(key[j] - codebook->value[code * width + j]);
            apart += weight * delta * delta;
            size += weight * (double)key[j] * (double)key[j];
        }
    }
    trainer_health health = {.key_error = size > 0.0 ? apart / size : 0.0};
    double entropy = 0.0;
    for (size_t a = 0; a < codebook->codewords; a++) {
        health.dead += use[a] <= 0.0;
        if (use[a] > 0.0)
            entropy -= use[a] / all * log(use[a] / all);
    }
    health.perplexity = exp(entropy);
    return health;
}

void trainer_examine(trainer *t, trainer_health *health)
{
    const train_model *model = t->model;
    census_take(&t->census, model, t->crew);
    for (uint32_t g = 0; g < model->config.groups; g++) {
        double *use = memory_zeros(model->codebooks[g].codewords, sizeof *use);
        health[g] = examine_group(model, &t->census.rows, g, use);
        free(use);
    }
}
