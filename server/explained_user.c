#include "explained_user.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "limit.h"
#include "vql/comparison.h"
#include "vql/occupancy.h"
#include "vql/scorer.h"

/* What is explained, and what it is made from. */
typedef struct explanation {
    const inspection *of;
    const explained_request *asked;
    const vql_catalog *catalog;
    const vql_model *model;
    const vql_shape *shape;
    vql_cache *cache;
    vql_occupancy *occupancy;
    vql_cache_event *events; /* [of->job.event_count] */
    int64_t reference_ms;    /* the cache's */
    json_t *out;
} explanation;

/* A number that a program in a browser would round is text. */
static json_t *id_json(uint64_t id)
{
    char text[24];
    (void)snprintf(text, sizeof text, "%" PRIu64, id);
    return json_string(text);
}

static json_t *number_json(double number)
{
    return isfinite(number) ? json_real(number) : json_null();
}

static json_t *numbers_json(const double *numbers, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(list, number_json(numbers[i]));
    return list;
}

static json_t *probabilities_json(const float *logits, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(list, number_json(1.0 / (1.0 + exp(-(double)logits[i]))));
    return list;
}

static json_t *floats_json(const float *numbers, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(list, number_json((double)numbers[i]));
    return list;
}

static json_t *event_json(const explanation *e, size_t l)
{
    const job *j = &e->of->job;
    const event *one = &j->events[l];
    json_t *codes = json_array();
    const uint16_t *found =
        vql_catalog_codes(e->catalog, e->events[l].row, e->events[l].event_type);
    for (uint32_t g = 0; g < e->shape->groups; g++)
        (void)json_array_append_new(codes, json_integer(found[g]));
    return json_pack("{s:o, s:i, s:I, s:o, s:b, s:o}", "item", id_json(one->item_id), "type",
                     (int)one->type, "time_ms", (json_int_t)one->time_ms, "sequence",
                     id_json(j->first_event_sequence + l), "known", e->events[l].row != 0, "codes",
                     codes);
}

/* ---- the model ---- */

static json_t *model_json(const explanation *e)
{
    json_t *tasks = json_array();
    json_t *types = json_array();
    json_t *sizes = json_array();
    json_t *decay = json_array();
    json_t *weights = json_array();
    for (uint32_t t = 0; t < e->shape->tasks; t++)
        (void)json_array_append_new(tasks, json_string(vql_model_task(e->model, t)));
    for (uint32_t a = 0; a < e->shape->event_types; a++)
        (void)json_array_append_new(types, json_string(vql_model_event_type(e->model, a)));
    for (uint32_t g = 0; g < e->shape->groups; g++)
        (void)json_array_append_new(sizes, json_integer(vql_model_codewords(e->model, g)));
    for (uint32_t r = 0; r < e->shape->kernels; r++)
        (void)json_array_append_new(decay, number_json(vql_model_decay(e->model, r)));
    for (uint32_t h = 0; h < e->shape->heads; h++) {
        double head[VQL_MAX_KERNELS];
        for (uint32_t r = 0; r < e->shape->kernels; r++)
            head[r] = vql_model_kernel_weight(e->model, h, r);
        (void)json_array_append_new(weights, numbers_json(head, e->shape->kernels));
    }
    return json_pack("{s:s, s:i, s:i, s:o, s:o, s:o, s:o, s:o}", "name", e->of->version->name,
                     "heads", (int)e->shape->heads, "groups", (int)e->shape->groups, "codewords",
                     sizes, "tasks", tasks, "event_types", types, "decay_per_hour", decay,
                     "kernel_weights", weights);
}

/* ---- the cache ---- */

static json_t *cache_json(const explanation *e)
{
    static const char *const forms[] = {
        [VQL_FORM_EVENTS] = "events", [VQL_FORM_ITEMS] = "items", [VQL_FORM_ROWS] = "rows"};
    static const char *const formats[] = {
        [VQL_CACHE_FP32] = "fp32",
        [VQL_CACHE_BF16] = "bf16",
        [VQL_CACHE_INT16] = "int16",
        [VQL_CACHE_INT8] = "int8",
    };
    return json_pack(
        "{s:I, s:I, s:I, s:s, s:s, s:o}", "events", (json_int_t)vql_cache_events(e->cache), "bytes",
        (json_int_t)e->of->memory_bytes, "reference_ms", (json_int_t)e->reference_ms, "form",
        forms[vql_cache_form_of(e->cache)], "format", formats[vql_cache_format_of(e->cache)],
        "sequence", id_json(e->of->cache_sequence));
}

/* The time of the last of the events that has a codeword; -1: none has it. */
static int64_t last_event_ms(const explanation *e, const vql_occupied *codeword)
{
    int64_t last_ms = -1;
    for (size_t l = 0; l < e->of->job.event_count; l++) {
        const vql_cache_event *one = &e->events[l];
        const uint16_t *codes = vql_catalog_codes(e->catalog, one->row, one->event_type);
        if (codes[codeword->group] == codeword->code && one->time_ms > last_ms)
            last_ms = one->time_ms;
    }
    return last_ms;
}

static json_t *codeword_json(const explanation *e, size_t i, const double *memories,
                             const double *logits, const double *weights)
{
    const vql_occupied *codeword = &e->occupancy->codewords[i];
    const size_t heads = e->shape->heads / e->shape->groups;
    json_t *made = json_pack(
        "{s:i, s:i, s:I, s:I, s:o, s:o}", "group", (int)codeword->group, "code",
        (int)codeword->code, "events", (json_int_t)codeword->events, "last_ms",
        (json_int_t)last_event_ms(e, codeword), "masses",
        numbers_json(e->occupancy->masses + i * e->occupancy->kernels, e->occupancy->kernels),
        "memories", numbers_json(memories + i * heads, heads));
    if (e->asked->has_candidate) {
        (void)json_object_set_new(made, "logits", numbers_json(logits + i * heads, heads));
        (void)json_object_set_new(made, "weights", numbers_json(weights + i * heads, heads));
    }
    return made;
}

/* False: no memory. */
static bool add_codewords(explanation *e, uint32_t row)
{
    const size_t heads = e->shape->heads / e->shape->groups;
    const size_t count = e->occupancy->count * heads;
    double *numbers = calloc(3 * count + 1, sizeof *numbers);
    if (!numbers)
        return false;
    json_t *list = json_array();
    double *logits = numbers + count;
    double *weights = logits + count;
    vql_occupancy_weigh(e->occupancy, e->catalog, row, e->reference_ms, e->asked->time_ms, numbers,
                        logits, weights);
    for (size_t i = 0; i < e->occupancy->count && i < LIMIT_INSPECT_CODEWORDS; i++)
        (void)json_array_append_new(list, codeword_json(e, i, numbers, logits, weights));
    free(numbers);
    (void)json_object_set_new(e->out, "codewords", list);
    return json_object_set_new(e->out, "codewords_in_use",
                               json_integer((json_int_t)e->occupancy->count)) == 0;
}

/* ---- the candidate ---- */

static json_t *head_json(const vql_compared_head *head)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "epsilon", number_json(head->epsilon),
                     "shift", number_json(head->shift), "shift_bound",
                     number_json(head->shift_bound), "error", number_json(head->error),
                     "error_bound", number_json(head->error_bound), "diameter",
                     number_json(head->diameter));
}

static json_t *top_json(const explanation *e, const vql_comparison *c, size_t i)
{
    const size_t heads = e->shape->heads;
    json_t *made = event_json(e, c->top[i].index);
    (void)json_object_set_new(made, "exact", number_json(c->top[i].exact));
    (void)json_object_set_new(made, "quantized", number_json(c->top[i].quantized));
    (void)json_object_set_new(made, "key_error", number_json(c->top[i].key_error));
    (void)json_object_set_new(made, "heads_exact", numbers_json(c->top_exact + i * heads, heads));
    (void)json_object_set_new(made, "heads_quantized",
                              numbers_json(c->top_quantized + i * heads, heads));
    return made;
}

static json_t *comparison_json(const explanation *e, vql_scorer *scorer, const vql_comparison *c)
{
    const uint64_t events = vql_cache_events(e->cache);
    float logits[VQL_MAX_TASKS];
    json_t *heads = json_array();
    json_t *top = json_array();
    for (uint32_t h = 0; h < e->shape->heads; h++)
        (void)json_array_append_new(heads, head_json(&c->heads[h]));
    for (size_t i = 0; i < c->top_count; i++)
        (void)json_array_append_new(top, top_json(e, c, i));
    json_t *made = json_pack("{s:I, s:b, s:o, s:o}", "events", (json_int_t)e->of->job.event_count,
                             "whole", e->of->job.event_count == events, "heads", heads, "top", top);
    vql_scorer_apply_head(scorer, e->asked->candidate, c->quantized, logits);
    (void)json_object_set_new(made, "quantized_scores",
                              probabilities_json(logits, e->shape->tasks));
    (void)json_object_set_new(made, "quantized_logits", floats_json(logits, e->shape->tasks));
    vql_scorer_apply_head(scorer, e->asked->candidate, c->exact, logits);
    (void)json_object_set_new(made, "exact_scores", probabilities_json(logits, e->shape->tasks));
    (void)json_object_set_new(made, "exact_logits", floats_json(logits, e->shape->tasks));
    return made;
}

/* What was served, and what exact attention would have. False: no memory. */
static bool add_candidate(explanation *e, uint32_t row)
{
    const vql_comparison_request request = {
        .row = row,
        .time_ms = e->asked->time_ms > e->reference_ms ? e->asked->time_ms : e->reference_ms,
        .events = e->events,
        .event_count = e->of->job.event_count,
        .top_count = LIMIT_INSPECT_TOP,
    };
    float scores[VQL_MAX_TASKS];
    float logits[VQL_MAX_TASKS];
    vql_scorer *scorer;
    vql_comparison *compared = NULL;
    if (vql_scorer_new(e->catalog, NULL, &scorer) != VQL_OK)
        return false;
    vql_scorer_begin(scorer, e->cache, e->asked->time_ms);
    (void)vql_scorer_run(scorer, &e->asked->candidate, 1, scores);
    (void)vql_scorer_logits(scorer, &e->asked->candidate, 1, logits);
    const bool ok = vql_comparison_new(e->catalog, &request, NULL, &compared) == VQL_OK;
    if (ok) {
        (void)json_object_set_new(e->out, "candidate",
                                  json_pack("{s:o, s:b, s:o, s:o}", "item",
                                            id_json(e->asked->candidate), "known", row != 0,
                                            "scores", floats_json(scores, e->shape->tasks),
                                            "logits", floats_json(logits, e->shape->tasks)));
        (void)json_object_set_new(e->out, "comparison", comparison_json(e, scorer, compared));
    }
    vql_comparison_free(compared);
    vql_scorer_free(scorer);
    return ok;
}

/* ---- all of it ---- */

static json_t *recent_json(const explanation *e)
{
    const size_t count = e->of->job.event_count;
    json_t *list = json_array();
    for (size_t i = 0; i < count && i < LIMIT_INSPECT_RECENT; i++)
        (void)json_array_append_new(list, event_json(e, count - 1 - i));
    return list;
}

/* Reads the copies back. */
static vql_code open_copies(explanation *e, vql_error *error)
{
    const job *j = &e->of->job;
    vql_code code =
        vql_cache_parse(e->catalog, e->of->cache, e->of->cache_bytes, NULL, &e->cache, error);
    if (code != VQL_OK)
        return code;
    e->reference_ms = vql_cache_reference_ms(e->cache);
    e->events = calloc(j->event_count + 1, sizeof *e->events);
    code = e->events ? vql_occupancy_new(e->cache, NULL, &e->occupancy) : VQL_NO_MEMORY;
    for (size_t l = 0; code == VQL_OK && l < j->event_count; l++)
        e->events[l] = (vql_cache_event){
            .time_ms = j->events[l].time_ms,
            .row = vql_catalog_row(e->catalog, j->events[l].item_id),
            .event_type = j->events[l].type,
        };
    return code;
}

static bool explain(explanation *e)
{
    const uint32_t row =
        e->asked->has_candidate ? vql_catalog_row(e->catalog, e->asked->candidate) : 0;
    e->out = json_pack("{s:o, s:I, s:o, s:o, s:o}", "user", id_json(e->of->job.user_id), "time_ms",
                       (json_int_t)e->asked->time_ms, "model", model_json(e), "cache",
                       cache_json(e), "recent", recent_json(e));
    return e->out && add_codewords(e, row) && (!e->asked->has_candidate || add_candidate(e, row));
}

json_t *explained_user(const inspection *i, const explained_request *asked, vql_error *error)
{
    explanation e = {.of = i, .asked = asked, .catalog = i->version->catalog};
    e.model = vql_catalog_model(e.catalog);
    e.shape = vql_model_shape(e.model);
    const vql_code code = open_copies(&e, error);
    if (code == VQL_NO_MEMORY || (code == VQL_OK && !explain(&e))) {
        (void)vql_fail(error, VQL_NO_MEMORY, "the server is out of memory");
        json_decref(e.out);
        e.out = NULL;
    }
    vql_occupancy_free(e.occupancy);
    free(e.events);
    vql_cache_free(e.cache);
    return e.out;
}

uint32_t explained_events(const vql_model *model)
{
    const vql_shape *shape = vql_model_shape(model);
    const uint64_t key = (uint64_t)shape->width * (shape->x_width + shape->type_width);
    const uint64_t by_keys = LIMIT_INSPECT_WORK / key;
    const uint64_t by_pairs = (uint64_t)sqrt((double)LIMIT_INSPECT_WORK / shape->width);
    uint64_t most = by_keys < by_pairs ? by_keys : by_pairs;
    most = most < LIMIT_INSPECT_EVENTS ? most : LIMIT_INSPECT_EVENTS;
    return most > 0 ? (uint32_t)most : 1;
}
