#include "train_rig.h"

#include <math.h>
#include <stdlib.h>

#include "census.h"
#include "codebook.h"

train_config rig_config(void)
{
    train_config config = train_config_default();
    config.width = 8;
    config.heads = 4;
    config.groups = 2;
    config.kernels = 2;
    config.item_width = 3;
    config.field_width = 2;
    config.type_width = 2;
    config.hidden_layers = 1;
    config.hidden[0] = 5;
    config.decay_start[0] = 0.01;
    config.decay_start[1] = 0.5;
    config.commitment = 0.25;
    config.warm_epochs = 0;
    for (uint32_t g = 0; g < TRAIN_MAX_GROUPS; g++)
        config.codewords[g] = 3 + g;
    return config;
}

/* Makes embeddings larger, and the kernel differ by head. */
static void stir(train_model *model)
{
    for (uint32_t i = 0; i < model->parameter_count; i++) {
        train_tensor *tensor = &model->parameters[i];
        const size_t size = (size_t)tensor->rows * tensor->columns;
        for (size_t j = 0; j < size; j++) {
            if (tensor->rate == RATE_EMBEDDING || tensor == model->type)
                tensor->value[j] *= 10.0F;
            if (tensor == model->raw_weight && model->config.kernels > 0)
                tensor->value[j] = 0.5F * sinf((float)(j + 1));
        }
    }
}

static void quantize(train_model *model, train_crew *crew)
{
    for (size_t i = 0; i < (size_t)model->data->rows * model->data->event_types; i++)
        model->counts[i] = 1.0F + (float)(i % 3);
    train_census census = {0};
    census_take(&census, model, crew);
    codebook_begin(model, crew, &census.rows);
    census_release(&census);
}

train_rig rig_open(const train_config *config, const fixture_shape *shape)
{
    train_rig rig = {.data = fixture_dataset(shape)};
    const train_impressions *impressions = &rig.data->splits[SPLIT_TRAIN];
    rig.crew = crew_new(config->threads);
    rig.history = history_new(rig.data);
    rig.batch = batch_new(rig.data, rig.history);
    if (rig.crew == NULL || train_config_check(config, NULL) != VQL_OK ||
        train_model_new(config, rig.data, &rig.model, NULL) != VQL_OK)
        abort();
    stir(rig.model);
    if (config->attention == ATTENTION_VQL && config->warm_epochs == 0)
        quantize(rig.model, rig.crew);
    rig.pass = pass_new(rig.model, rig.crew);
    batch_fill(rig.batch, impressions->at, NULL, impressions->count, config->max_history);
    return rig;
}

void rig_close(train_rig *rig)
{
    pass_free(rig->pass);
    train_model_free(rig->model);
    batch_free(rig->batch);
    history_free(rig->history);
    crew_free(rig->crew);
    dataset_free(rig->data);
}

double rig_train(train_rig *rig)
{
    double commitment = 0.0;
    const double loss = pass_train(rig->pass, rig->batch, 0, &commitment);
    return loss + rig->model->config.commitment * commitment;
}
