#include "oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model_data.h"
#include "model_writer.h"
#include "vql/cache.h"
#include "vql/reference.h"
#include "vql/scorer.h"
#include "world.h"

/*
 * Of probabilities: caches in float32 that were built in different steps, and the reference, whose
 * attention outputs are within 1e-5 of theirs, behind a head of two small layers.
 */
#define SCORE_TOLERANCE 1e-4

enum { MODEL_SEED = 7, MAX_TASKS = 8 };

static registry *models;
static const version *scored; /* the one that there is */
static vql_scorer *scorer;

static void must(bool ok)
{
    if (!ok)
        abort();
}

void oracle_begin(void)
{
    const model_spec spec = model_spec_default(MODEL_SEED);
    model_writer *writer = model_writer_new(&spec);
    const vql_catalog_options options = {.table_bytes = 4096};
    vql_model *model = model_writer_parse(writer);
    vql_catalog *catalog;
    grpc_error error;
    model_writer_free(writer);
    must(vql_catalog_create(model, &options, &catalog, NULL) == VQL_OK);
    version *made = version_new(model, catalog, NULL);
    models = registry_new(1);
    must(made && models && registry_add(models, made, &error) == GRPC_OK);
    scored = made;
    must(vql_scorer_new(scored->catalog, NULL, &scorer) == VQL_OK);
}

void oracle_end(void)
{
    vql_scorer_free(scorer);
    registry_free(models);
}

registry *oracle_models(void)
{
    return models;
}

uint64_t oracle_draw_item(void)
{
    const uint32_t items = vql_model_shape(scored->model)->items;
    return below(20) == 0 ? UINT64_C(1) << 40 | below(100) : scored->model->item_ids[below(items)];
}

uint32_t oracle_draw_type(void)
{
    return below(oracle_bad_type());
}

uint32_t oracle_bad_type(void)
{
    return vql_model_shape(scored->model)->event_types;
}

/* The history with the request's own events behind it, as far as their ids are new. */
static vql_cache_event *gather(const record *r, const event *history, size_t *count)
{
    const size_t stored = *count;
    vql_cache_event *all = malloc((stored + r->event_count + 1) * sizeof *all);
    must(all);
    for (size_t i = 0; i < stored + r->event_count; i++) {
        const event *e = i < stored ? &history[i] : &r->events[i - stored];
        bool repeated = false;
        for (size_t k = 0; i >= stored && e->id != 0 && k < i && !repeated; k++)
            repeated = (k < stored ? history[k].id : r->events[k - stored].id) == e->id;
        if (i >= stored && repeated)
            continue;
        all[i < stored ? i : (*count)++] = (vql_cache_event){
            .time_ms = e->time_ms,
            .row = vql_catalog_row(scored->catalog, e->item_id),
            .event_type = e->type,
        };
    }
    return all;
}

static bool is_near(double score, double expected)
{
    return fabs(score - expected) <= SCORE_TOLERANCE;
}

/* Compares with a cache that is given all events at once. */
static bool agrees_with_cache(const record *r, const vql_cache_event *events, size_t count)
{
    vql_cache *cache;
    const vql_cache_options exact = {.format = VQL_CACHE_FP32};
    must(vql_cache_new_with(scored->catalog, &exact, NULL, &cache) == VQL_OK);
    must(vql_cache_append(cache, events, count) == VQL_OK);
    vql_scorer_begin(scorer, count > 0 ? cache : NULL, r->time_ms);
    vql_cache_free(cache);
    float *scores = malloc((r->score_count + 1) * sizeof *scores);
    must(scores);
    bool agrees = vql_scorer_run(scorer, r->items, r->item_count, scores) == r->unknown_items;
    for (size_t i = 0; i < r->score_count; i++)
        agrees = agrees && is_near((double)r->scores[i], (double)scores[i]);
    free(scores);
    return agrees;
}

/* Compares one candidate with the reference. */
static bool agrees_with_reference(const record *r, const vql_cache_event *events, size_t count,
                                  size_t candidate)
{
    const uint32_t tasks = vql_model_shape(scored->model)->tasks;
    const uint32_t row = vql_catalog_row(scored->catalog, r->items[candidate]);
    double o[VQL_MAX_WIDTH];
    double logits[MAX_TASKS];
    must(tasks <= MAX_TASKS);
    must(vql_reference_attention(scored->model, events, count, row, r->time_ms, VQL_KEYS_QUANTIZED,
                                 o, NULL) == VQL_OK);
    vql_reference_head(scored->model, row, o, logits);
    for (uint32_t t = 0; t < tasks; t++)
        if (!is_near((double)r->scores[candidate * tasks + t], 1 / (1 + exp(-logits[t]))))
            return false;
    return true;
}

bool oracle_agrees(const record *r, const event *history, size_t count)
{
    const uint32_t tasks = vql_model_shape(scored->model)->tasks;
    if (r->score_count != r->item_count * tasks || r->unknown_user != (count + r->event_count == 0))
        return false;
    vql_cache_event *events = gather(r, history, &count);
    const bool agrees =
        agrees_with_cache(r, events, count) &&
        ((r->begin & 15) != 0 || agrees_with_reference(r, events, count, r->item_count - 1));
    free(events);
    return agrees;
}
