#include "scene.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model_data.h"
#include "model_writer.h"
#include "vql/reference.h"

/* Sets codeword a of every group to the key of row a + 1. */
static void set_codewords(model_writer *writer, const vql_model *model)
{
    for (uint32_t a = 0; a < SCENE_CODEWORDS; a++) {
        double key[SCENE_WIDTH];
        vql_reference_key(model, a + 1, 0, key);
        for (uint32_t j = 0; j < SCENE_WIDTH; j++) {
            char name[32];
            snprintf(name, sizeof name, "codebook.%u", j / SCENE_HEAD_WIDTH);
            float *codebook = model_writer_floats(writer, name);
            codebook[a * SCENE_HEAD_WIDTH + j % SCENE_HEAD_WIDTH] = (float)key[j];
        }
    }
}

vql_model *scene_model(void)
{
    model_spec spec = model_spec_default(2);
    spec.items = SCENE_ITEMS + 1;
    spec.item_width = 32;
    spec.event_types = 1;
    spec.heads = SCENE_HEADS;
    spec.head_width = SCENE_HEAD_WIDTH;
    spec.groups = SCENE_HEADS;
    for (uint32_t g = 0; g < spec.groups; g++)
        spec.codewords[g] = SCENE_CODEWORDS;
    spec.kernels = 3;
    spec.tasks = 1;
    spec.layer_count = 3;
    spec.hidden[0] = 64;
    spec.hidden[1] = 32;
    spec.field_count = 0;
    model_writer *writer = model_writer_new(&spec);
    vql_model *draft = model_writer_parse(writer);
    set_codewords(writer, draft);
    vql_model_free(draft);
    vql_model *model = model_writer_parse(writer);
    model_writer_free(writer);
    return model;
}

vql_cache_event *scene_history(size_t count)
{
    const double month_ms = 30.0 * 24 * 3600 * 1000;
    random_stream random = {count};
    vql_cache_event *events = malloc(count * sizeof *events);
    if (events == NULL)
        abort();
    for (size_t i = 0; i < count; i++) {
        const bool covering = i < SCENE_CODEWORDS;
        events[i] = (vql_cache_event){
            .time_ms = SCENE_NOW_MS - (int64_t)(month_ms * random_uniform(&random)),
            .row = covering ? (uint32_t)i + 1 : 1 + random_below(&random, SCENE_ITEMS),
        };
    }
    return events;
}

uint64_t *scene_candidates(const vql_model *model, size_t count, uint64_t seed)
{
    random_stream random = {seed};
    uint64_t *ids = malloc(count * sizeof *ids);
    if (ids == NULL)
        abort();
    for (size_t n = 0; n < count; n++)
        ids[n] = model->item_ids[1 + random_below(&random, SCENE_ITEMS)];
    return ids;
}
