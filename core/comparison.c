#include "vql/comparison.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "allocation.h"
#include "cache_data.h"
#include "catalog_data.h"
#include "quantizer.h"

/* How far a value is from the mean of all, for one head. */
typedef struct spread_value {
    double radius;
    size_t index;
} spread_value;

/* An event by its item and type, which have the value. */
typedef struct value_source {
    uint64_t item;
    size_t index;
} value_source;

typedef struct work {
    const vql_catalog *catalog;
    const vql_model *model;
    const vql_comparison_request *request;
    int64_t time_ms; /* the request's, or the latest event's */
    vql_quantizer quantizer;
    double *part;          /* [D] */
    double *x;             /* [X] */
    double *key;           /* [D] */
    double *key_errors;    /* [L] */
    double *exact;         /* [L, H]: logits with log κ, then α */
    double *quantized;     /* [L, H]: the same of α̂ */
    float *values;         /* [L, D] */
    spread_value *spread;  /* [L] */
    value_source *sources; /* [source_count], of [L]: one event of each item and type */
    size_t source_count;
    vql_comparison *out;
} work;

/* ---- logits ---- */

/* log κ_h (vql.md §5), `hours` after the event. */
static double log_kernel(const vql_model *model, uint32_t head, double hours)
{
    double terms[VQL_MAX_KERNELS];
    double most = -INFINITY;
    double sum = 0.0;
    for (uint32_t r = 0; r < model->shape.kernels; r++) {
        terms[r] = log(vql_model_kernel_weight(model, head, r)) - vql_model_decay(model, r) * hours;
        most = fmax(most, terms[r]);
    }
    for (uint32_t r = 0; r < model->shape.kernels && most > -INFINITY; r++)
        sum += exp(terms[r] - most);
    return most + log(sum);
}

/* Event l's logits by its key, and by the codewords in the key's place. */
static void compare_key(work *w, size_t l)
{
    const vql_shape *shape = &w->model->shape;
    const vql_cache_event *event = &w->request->events[l];
    const uint16_t *codes = vql_catalog_codes(w->catalog, event->row, event->event_type);
    const float *query = vql_catalog_query(w->catalog, w->request->row);
    const double hours = vql_cache_hours(w->time_ms, event->time_ms);
    double lengths = 0.0;
    double distances = 0.0;
    for (uint32_t h = 0; h < shape->heads; h++) {
        const uint32_t first = h * shape->head_width;
        const uint32_t group = first / shape->group_width;
        const float *codeword = w->model->codebooks[group] +
                                (size_t)codes[group] * shape->group_width +
                                (first - group * shape->group_width);
        double exact = 0.0;
        double difference = 0.0;
        for (uint32_t j = 0; j < shape->head_width; j++) {
            const double key = w->key[first + j];
            const double moved = (double)codeword[j] - key;
            exact += (double)query[first + j] * key;
            difference += (double)query[first + j] * moved;
            lengths += key * key;
            distances += moved * moved;
        }
        const double root = sqrt((double)shape->head_width);
        const double kernel = log_kernel(w->model, h, hours);
        vql_compared_head *head = &w->out->heads[h];
        head->epsilon = fmax(head->epsilon, fabs(difference) / root);
        w->exact[l * shape->heads + h] = exact / root + kernel;
        w->quantized[l * shape->heads + h] = (exact + difference) / root + kernel;
    }
    w->key_errors[l] = lengths > 0.0 ? sqrt(distances / lengths) : 0.0;
}

static void compare_keys(work *w)
{
    for (size_t l = 0; l < w->request->event_count; l++) {
        const vql_cache_event *event = &w->request->events[l];
        vql_tables_item(w->catalog->tables, event->row, w->x);
        vql_quantizer_item_part(&w->quantizer, w->x, w->part);
        vql_quantizer_key(&w->quantizer, w->part, event->event_type, w->key);
        vql_catalog_value(w->catalog, event->row, event->event_type,
                          w->values + l * w->model->shape.width);
        compare_key(w, l);
    }
}

/* ---- weights and outputs ---- */

/* Makes a head's logits weights that sum to 1. */
static void soften(double *logits, size_t count, size_t stride)
{
    double most = -INFINITY;
    double sum = 0.0;
    for (size_t l = 0; l < count; l++)
        most = fmax(most, logits[l * stride]);
    for (size_t l = 0; l < count; l++) {
        logits[l * stride] = most > -INFINITY ? exp(logits[l * stride] - most) : 0.0;
        sum += logits[l * stride];
    }
    for (size_t l = 0; l < count && sum > 0.0; l++)
        logits[l * stride] /= sum;
}

/* The mean of the values of number j by weights that are H apart. */
static double mean_value(const work *w, const double *weights, uint32_t j)
{
    const vql_shape *shape = &w->model->shape;
    double sum = 0.0;
    for (size_t l = 0; l < w->request->event_count; l++)
        sum += weights[l * shape->heads] * (double)w->values[l * shape->width + j];
    return sum;
}

static void compare_outputs(work *w, uint32_t h)
{
    const vql_shape *shape = &w->model->shape;
    double squares = 0.0;
    for (uint32_t j = h * shape->head_width; j < (h + 1) * shape->head_width; j++) {
        const double exact = mean_value(w, w->exact + h, j);
        const double quantized = mean_value(w, w->quantized + h, j);
        w->out->exact[j] = (float)exact;
        w->out->quantized[j] = (float)quantized;
        squares += (quantized - exact) * (quantized - exact);
    }
    w->out->heads[h].error = sqrt(squares);
}

/* ---- the diameter ---- */

static int by_item(const void *a, const void *b)
{
    const uint64_t one = ((const value_source *)a)->item;
    const uint64_t other = ((const value_source *)b)->item;
    return (one > other) - (one < other);
}

/* Finds the events whose values are all that there are. */
static void find_sources(work *w)
{
    const size_t count = w->request->event_count;
    for (size_t l = 0; l < count; l++) {
        const vql_cache_event *event = &w->request->events[l];
        const uint64_t item = (uint64_t)event->row * w->model->shape.event_types;
        w->sources[l] = (value_source){item + event->event_type, l};
    }
    qsort(w->sources, count, sizeof *w->sources, by_item);
    w->source_count = 0;
    for (size_t l = 0; l < count; l++)
        if (l == 0 || w->sources[l].item != w->sources[w->source_count - 1].item)
            w->sources[w->source_count++] = w->sources[l];
}

static double distance(const work *w, uint32_t h, const float *one, const double *other)
{
    const uint32_t head_width = w->model->shape.head_width;
    double squares = 0.0;
    for (uint32_t j = 0; j < head_width; j++) {
        const double difference = (double)one[h * head_width + j] - other[j];
        squares += difference * difference;
    }
    return sqrt(squares);
}

static int by_radius(const void *a, const void *b)
{
    const double one = ((const spread_value *)a)->radius;
    const double other = ((const spread_value *)b)->radius;
    return (one < other) - (one > other);
}

/* A head's part of event l's value, in w->key. */
static const double *widen_value(const work *w, uint32_t h, size_t l)
{
    const vql_shape *shape = &w->model->shape;
    for (uint32_t j = 0; j < shape->head_width; j++)
        w->key[j] = (double)w->values[l * shape->width + h * shape->head_width + j];
    return w->key;
}

/* The radii of a head's values around their mean, descending. */
static void sort_values(work *w, uint32_t h)
{
    const vql_shape *shape = &w->model->shape;
    const size_t count = w->source_count;
    memset(w->key, 0, shape->head_width * sizeof *w->key);
    for (size_t i = 0; i < count; i++)
        for (uint32_t j = 0; j < shape->head_width; j++)
            w->key[j] +=
                (double)w->values[w->sources[i].index * shape->width + h * shape->head_width + j];
    for (uint32_t j = 0; j < shape->head_width; j++)
        w->key[j] /= (double)count;
    for (size_t i = 0; i < count; i++) {
        const size_t l = w->sources[i].index;
        w->spread[i] = (spread_value){distance(w, h, w->values + l * shape->width, w->key), l};
    }
    qsort(w->spread, count, sizeof *w->spread, by_radius);
}

/* Two values are at most the sum of their radii apart, so that few pairs need to be looked at. */
static double diameter(work *w, uint32_t h)
{
    const size_t count = w->source_count;
    double most = 0.0;
    if (count == 0)
        return most;
    sort_values(w, h);
    for (size_t a = 0; a < count && 2.0 * w->spread[a].radius > most; a++) {
        const double *value = widen_value(w, h, w->spread[a].index);
        for (size_t b = a + 1; b < count; b++) {
            if (w->spread[a].radius + w->spread[b].radius <= most)
                break;
            const float *other = w->values + w->spread[b].index * w->model->shape.width;
            most = fmax(most, distance(w, h, other, value));
        }
    }
    return most;
}

static void compare_head(work *w, uint32_t h)
{
    const size_t heads = w->model->shape.heads;
    const size_t count = w->request->event_count;
    vql_compared_head *head = &w->out->heads[h];
    soften(w->exact + h, count, heads);
    soften(w->quantized + h, count, heads);
    for (size_t l = 0; l < count; l++)
        head->shift += fabs(w->quantized[l * heads + h] - w->exact[l * heads + h]);
    compare_outputs(w, h);
    head->diameter = diameter(w, h);
    head->shift_bound = 2.0 * tanh(head->epsilon / 2.0);
    head->error_bound = tanh(head->epsilon / 2.0) * head->diameter;
}

/* ---- the top ---- */

static double mean(const double *numbers, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++)
        sum += numbers[i];
    return sum / (double)count;
}

static void name_top(work *w)
{
    const size_t heads = w->model->shape.heads;
    const size_t most = w->out->top_count;
    vql_compared_event *top = w->out->top;
    size_t named = 0;
    for (size_t l = 0; l < w->request->event_count && most > 0; l++) {
        const double exact = mean(w->exact + l * heads, heads);
        if (named == most && exact <= top[most - 1].exact)
            continue;
        size_t at = named < most ? named++ : most - 1;
        for (; at > 0 && top[at - 1].exact < exact; at--)
            top[at] = top[at - 1];
        top[at] = (vql_compared_event){
            .index = l,
            .exact = exact,
            .quantized = mean(w->quantized + l * heads, heads),
            .key_error = w->key_errors[l],
        };
    }
    for (size_t i = 0; i < named; i++) {
        const size_t bytes = heads * sizeof *w->exact;
        memcpy(w->out->top_exact + i * heads, w->exact + top[i].index * heads, bytes);
        memcpy(w->out->top_quantized + i * heads, w->quantized + top[i].index * heads, bytes);
    }
}

/* ---- memory ---- */

static void release_work(const vql_allocator *allocator, work *w)
{
    void *const arrays[] = {w->part,      w->x,      w->key,    w->key_errors, w->exact,
                            w->quantized, w->values, w->spread, w->sources};
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        vql_release(allocator, arrays[i]);
}

/* False: no memory; what there is can be released. */
static bool allocate_work(const vql_allocator *allocator, work *w)
{
    const vql_shape *shape = &w->model->shape;
    const uint64_t count = w->request->event_count;
    w->part = vql_allocate_array(allocator, shape->width, sizeof *w->part, NULL);
    w->x = vql_allocate_array(allocator, shape->x_width, sizeof *w->x, NULL);
    w->key = vql_allocate_array(allocator, shape->width, sizeof *w->key, NULL);
    w->key_errors = vql_allocate_array(allocator, count, sizeof *w->key_errors, NULL);
    w->exact = vql_allocate_array(allocator, count, shape->heads * sizeof *w->exact, NULL);
    w->quantized = vql_allocate_array(allocator, count, shape->heads * sizeof *w->quantized, NULL);
    w->values = vql_allocate_array(allocator, count, shape->width * sizeof *w->values, NULL);
    w->spread = vql_allocate_array(allocator, count, sizeof *w->spread, NULL);
    w->sources = vql_allocate_array(allocator, count, sizeof *w->sources, NULL);
    return w->part != NULL && w->x != NULL && w->key != NULL && w->key_errors != NULL &&
           w->exact != NULL && w->quantized != NULL && w->values != NULL && w->spread != NULL &&
           w->sources != NULL;
}

/* Of zeros. NULL: no memory. */
static void *allocate_zeros(const vql_allocator *allocator, uint64_t count, size_t element_bytes)
{
    void *made = vql_allocate_array(allocator, count, element_bytes, NULL);
    if (made != NULL)
        memset(made, 0, count * element_bytes);
    return made;
}

static vql_comparison *allocate_comparison(const vql_allocator *allocator, const vql_shape *shape,
                                           size_t top_count)
{
    vql_comparison *made = allocate_zeros(allocator, 1, sizeof *made);
    if (made == NULL)
        return NULL;
    made->allocator = *allocator;
    made->top_count = top_count;
    made->exact = allocate_zeros(allocator, shape->width, sizeof *made->exact);
    made->quantized = allocate_zeros(allocator, shape->width, sizeof *made->quantized);
    made->heads = allocate_zeros(allocator, shape->heads, sizeof *made->heads);
    made->top = allocate_zeros(allocator, top_count, sizeof *made->top);
    made->top_exact = allocate_zeros(allocator, top_count, shape->heads * sizeof *made->top_exact);
    made->top_quantized =
        allocate_zeros(allocator, top_count, shape->heads * sizeof *made->top_quantized);
    if (made->exact != NULL && made->quantized != NULL && made->heads != NULL &&
        made->top != NULL && made->top_exact != NULL && made->top_quantized != NULL)
        return made;
    vql_comparison_free(made);
    return NULL;
}

void vql_comparison_free(vql_comparison *comparison)
{
    if (comparison == NULL)
        return;
    const vql_allocator allocator = comparison->allocator;
    vql_release(&allocator, comparison->top_quantized);
    vql_release(&allocator, comparison->top_exact);
    vql_release(&allocator, comparison->top);
    vql_release(&allocator, comparison->heads);
    vql_release(&allocator, comparison->quantized);
    vql_release(&allocator, comparison->exact);
    vql_release(&allocator, comparison);
}

static void compare(work *w)
{
    compare_keys(w);
    find_sources(w);
    for (uint32_t h = 0; h < w->model->shape.heads; h++)
        compare_head(w, h);
    name_top(w);
}

vql_code vql_comparison_new(const vql_catalog *catalog, const vql_comparison_request *request,
                            const vql_allocator *allocator, vql_comparison **out)
{
    if (allocator == NULL)
        allocator = vql_allocator_default();
    const vql_model *model = vql_catalog_model(catalog);
    const size_t count = request->event_count;
    work w = {.catalog = catalog, .model = model, .request = request, .time_ms = request->time_ms};
    for (size_t l = 0; l < count; l++)
        w.time_ms = request->events[l].time_ms > w.time_ms ? request->events[l].time_ms : w.time_ms;
    vql_code code = vql_quantizer_init(allocator, model, &w.quantizer);
    if (code != VQL_OK)
        return code;
    w.out = allocate_comparison(allocator, &model->shape,
                                request->top_count < count ? request->top_count : count);
    if (w.out != NULL && allocate_work(allocator, &w)) {
        compare(&w);
        *out = w.out;
    } else {
        vql_comparison_free(w.out);
        code = VQL_NO_MEMORY;
    }
    release_work(allocator, &w);
    vql_quantizer_release(allocator, &w.quantizer);
    return code;
}
