#include <stdio.h>
#include <string.h>

#include "trainer_data.h"

static size_t size_of(const train_tensor *tensor)
{
    return (size_t)tensor->rows * tensor->columns;
}

static void copy_codebooks(const train_model *model, const train_codebook *from, train_codebook *to)
{
    for (uint32_t g = 0; g < model->config.groups; g++) {
        const size_t size = (size_t)from[g].codewords * model->group_width;
        memcpy(to[g].value, from[g].value, size * sizeof(float));
        memcpy(to[g].mass, from[g].mass, from[g].codewords * sizeof(float));
        memcpy(to[g].sum, from[g].sum, size * sizeof(float));
        if (from[g].value_sum != NULL)
            memcpy(to[g].value_sum, from[g].value_sum, size * sizeof(float));
    }
}

void trainer_keep(trainer *t)
{
    const train_model *model = t->model;
    for (uint32_t i = 0; i < model->parameter_count; i++)
        memcpy(t->best[i], model->parameters[i].value,
               size_of(&model->parameters[i]) * sizeof(float));
    copy_codebooks(model, model->codebooks, t->best_codebooks);
    t->progress.best_quantized = model->quantized;
}

bool trainer_restore_best(trainer *t)
{
    train_model *model = t->model;
    if (!t->progress.judged)
        return false;
    for (uint32_t i = 0; i < model->parameter_count; i++)
        memcpy(model->parameters[i].value, t->best[i],
               size_of(&model->parameters[i]) * sizeof(float));
    copy_codebooks(model, t->best_codebooks, model->codebooks);
    model->quantized = t->progress.best_quantized != 0;
    return true;
}

typedef struct state_list {
    trainer_state *out;
    size_t room, count;
} state_list;

static void list(state_list *list, const char *kind, const char *name, trainer_state_type type,
                 size_t count, void *data)
{
    if (list->count < list->room) {
        trainer_state *state = &list->out[list->count];
        *state = (trainer_state){.type = type, .count = count, .data = data};
        snprintf(state->name, sizeof state->name, "%s%s", kind, name);
    }
    list->count++;
}

static void list_codebooks(state_list *states, const train_model *model, const char *kind,
                           const train_codebook *codebooks)
{
    for (uint32_t g = 0; g < model->config.groups; g++) {
        const train_codebook *codebook = &codebooks[g];
        const size_t size = (size_t)codebook->codewords * model->group_width;
        char name[TRAIN_NAME_BYTES];
        snprintf(name, sizeof name, "codebook.%u", g);
        list(states, kind, name, STATE_F32, size, codebook->value);
        snprintf(name, sizeof name, "codebook.%u.mass", g);
        list(states, kind, name, STATE_F32, codebook->codewords, codebook->mass);
        snprintf(name, sizeof name, "codebook.%u.sum", g);
        list(states, kind, name, STATE_F32, size, codebook->sum);
        snprintf(name, sizeof name, "codebook.%u.value_sum", g);
        if (codebook->value_sum != NULL)
            list(states, kind, name, STATE_F32, size, codebook->value_sum);
    }
}

size_t trainer_states(trainer *t, trainer_state *out, size_t room)
{
    train_model *model = t->model;
    state_list states = {out, room, 0};
    for (uint32_t i = 0; i < model->parameter_count; i++) {
        const train_tensor *tensor = &model->parameters[i];
        const size_t size = size_of(tensor);
        list(&states, "model.", tensor->name, STATE_F32, size, tensor->value);
        list(&states, "first.", tensor->name, STATE_F32, size, tensor->first);
        list(&states, "second.", tensor->name, STATE_F32, size, tensor->second);
        list(&states, "best.", tensor->name, STATE_F32, size, t->best[i]);
    }
    list_codebooks(&states, model, "model.", model->codebooks);
    list_codebooks(&states, model, "best.", t->best_codebooks);
    list(&states, "", "counts", STATE_F32, (size_t)t->data->rows * t->data->event_types,
         model->counts);
    t->progress.quantized = model->quantized;
    list(&states, "", "progress", STATE_U64, sizeof t->progress / sizeof(uint64_t), &t->progress);
    list(&states, "", "reseeded", STATE_U64, TRAIN_MAX_GROUPS, t->reseeded);
    list(&states, "", "sums", STATE_F64, sizeof t->sums / sizeof(double), &t->sums);
    return states.count;
}

vql_code trainer_restored(trainer *t, vql_error *error)
{
    const trainer_progress *progress = &t->progress;
    if (progress->epoch > t->model->config.epochs || progress->epoch_step > t->epoch_steps ||
        progress->step != progress->epoch * t->epoch_steps + progress->epoch_step)
        return vql_fail(error, VQL_VALUE,
                        "the checkpoint stands at step %llu: step %llu of epoch %llu, which this "
                        "training does not have",
                        (unsigned long long)progress->step,
                        (unsigned long long)progress->epoch_step,
                        (unsigned long long)progress->epoch);
    t->model->quantized = progress->quantized != 0;
    return VQL_OK;
}
