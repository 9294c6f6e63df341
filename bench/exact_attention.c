#include "exact_attention.h"

#include <cblas.h>
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "catalog_data.h"
#include "kernels.h"
#include "model_data.h"

enum {
    CANDIDATES = 64, /* a block of logits is [CANDIDATES, EVENTS]: it stays in the second cache */
    EVENTS = 2048,
    MOST_KEPT = 64,
};

struct exact_attention {
    const vql_catalog *catalog;
    const vql_kernels *kernels;
    size_t events;
    float *keys;    /* [H, L, d]: k̂ / sqrt(d) */
    float *values;  /* [H, L, d + 1]: κ v ‖ κ */
    float *queries; /* [CANDIDATES, D] */
    float *logits;  /* [CANDIDATES, EVENTS] */
    float *sums;    /* [CANDIDATES, d + 1] */
};

static void *allocate(size_t count, size_t number_bytes)
{
    void *block = aligned_alloc(64, (count * number_bytes + 63) / 64 * 64);
    if (block == NULL)
        abort();
    return block;
}

/* κ_h(t, t_l). */
static float temporal_kernel(const vql_model *model, uint32_t head, double hours)
{
    double sum = 0.0;
    for (uint32_t r = 0; r < model->shape.kernels; r++)
        sum += (double)model->kernel_weight[head * model->shape.kernels + r] *
               exp(-(double)model->decay[r] * hours);
    return (float)sum;
}

static void prepare_event(exact_attention *exact, size_t l, const vql_cache_event *event,
                          int64_t time_ms)
{
    const vql_model *model = exact->catalog->tables->model;
    const vql_shape *shape = &model->shape;
    const size_t d = shape->head_width;
    const double hours = (double)(time_ms - event->time_ms) / 3.6e6;
    const uint16_t *codes = vql_catalog_codes(exact->catalog, event->row, event->event_type);
    float value[VQL_MAX_WIDTH];
    vql_catalog_value(exact->catalog, event->row, event->event_type, value);
    for (uint32_t h = 0; h < shape->heads; h++) {
        const size_t group = h * d / shape->group_width;
        const float *codeword = model->codebooks[group] + codes[group] * shape->group_width +
                                h * d % shape->group_width;
        const float kernel = temporal_kernel(model, h, hours);
        float *key = exact->keys + (h * exact->events + l) * d;
        float *weighted = exact->values + (h * exact->events + l) * (d + 1);
        for (size_t j = 0; j < d; j++) {
            key[j] = codeword[j] / sqrtf((float)d);
            weighted[j] = kernel * value[h * d + j];
        }
        weighted[d] = kernel;
    }
}

exact_attention *exact_attention_new(const vql_catalog *catalog, const vql_cache_event *events,
                                     size_t count, int64_t time_ms)
{
    const vql_shape *shape = &catalog->tables->model->shape;
    exact_attention *exact = allocate(1, sizeof *exact);
    *exact = (exact_attention){
        .catalog = catalog,
        .kernels = vql_kernels_active(),
        .events = count,
        .keys = allocate(count * shape->width, sizeof(float)),
        .values = allocate(count * (shape->width + shape->heads), sizeof(float)),
        .queries = allocate(CANDIDATES * (size_t)shape->width, sizeof(float)),
        .logits = allocate(CANDIDATES * (size_t)EVENTS, sizeof(float)),
        .sums = allocate(CANDIDATES * (size_t)(shape->head_width + 1), sizeof(float)),
    };
    for (size_t l = 0; l < count; l++)
        prepare_event(exact, l, &events[l], time_ms);
    return exact;
}

void exact_attention_free(exact_attention *exact)
{
    free(exact->sums);
    free(exact->logits);
    free(exact->queries);
    free(exact->values);
    free(exact->keys);
    free(exact);
}

/* Logits of a block of candidates and a block of events, [count, EVENTS]. */
static void block_logits(exact_attention *exact, uint32_t head, size_t count, size_t first,
                         size_t events)
{
    const vql_shape *shape = &exact->catalog->tables->model->shape;
    const int d = (int)shape->head_width;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)count, (int)events, d, 1.0f,
                exact->queries + head * shape->head_width, (int)shape->width,
                exact->keys + (head * exact->events + first) * shape->head_width, d, 0.0f,
                exact->logits, EVENTS);
}

static void attend_head(exact_attention *exact, uint32_t head, size_t count)
{
    const int columns = (int)exact->catalog->tables->model->shape.head_width + 1;
    for (size_t first = 0; first < exact->events; first += EVENTS) {
        const size_t left = exact->events - first;
        const size_t events = left < EVENTS ? left : EVENTS;
        block_logits(exact, head, count, first, events);
        for (size_t n = 0; n < count; n++)
            exact->kernels->exponential(events, exact->logits + n * EVENTS);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)count, columns, (int)events,
                    1.0f, exact->logits, EVENTS,
                    exact->values + (head * exact->events + first) * (size_t)columns, columns,
                    first == 0 ? 0.0f : 1.0f, exact->sums, columns);
    }
}

static void write_output(const exact_attention *exact, uint32_t head, size_t count, float *o)
{
    const vql_shape *shape = &exact->catalog->tables->model->shape;
    const size_t d = shape->head_width;
    for (size_t n = 0; n < count; n++)
        for (size_t j = 0; j < d; j++)
            o[n * shape->width + head * d + j] =
                exact->sums[n * (d + 1) + j] / exact->sums[n * (d + 1) + d];
}

/* Queries of the next block of candidates; how many. */
static size_t load_queries(exact_attention *exact, const uint64_t *item_ids, size_t count)
{
    const size_t width = exact->catalog->tables->model->shape.width;
    const size_t block = count < CANDIDATES ? count : CANDIDATES;
    for (size_t n = 0; n < block; n++) {
        const uint32_t row = vql_catalog_row(exact->catalog, item_ids[n]);
        memcpy(exact->queries + n * width, vql_catalog_query(exact->catalog, row),
               width * sizeof(float));
    }
    return block;
}

void exact_attention_run(exact_attention *exact, const uint64_t *item_ids, size_t count, float *o)
{
    const vql_shape *shape = &exact->catalog->tables->model->shape;
    openblas_set_num_threads(1);
    for (size_t first = 0; first < count; first += CANDIDATES) {
        const size_t block = load_queries(exact, item_ids + first, count - first);
        for (uint32_t h = 0; h < shape->heads; h++) {
            attend_head(exact, h, block);
            write_output(exact, h, block, o + first * shape->width);
        }
    }
}

/* The events of largest logit so far, the least of them first: a heap. */
typedef struct best_events {
    size_t count;
    float logits[MOST_KEPT];
    size_t events[MOST_KEPT];
} best_events;

/* Puts an event in place of the least. */
static void replace_least(best_events *best, float logit, size_t event)
{
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= best->count)
            break;
        child += child + 1 < best->count && best->logits[child + 1] < best->logits[child];
        if (best->logits[child] >= logit)
            break;
        best->logits[at] = best->logits[child];
        best->events[at] = best->events[child];
        at = child;
    }
    best->logits[at] = logit;
    best->events[at] = event;
}

static void sum_best(const exact_attention *exact, uint32_t head, const best_events *best,
                     float *sums)
{
    const size_t columns = exact->catalog->tables->model->shape.head_width + 1;
    memset(sums, 0, columns * sizeof *sums);
    for (size_t i = 0; i < best->count; i++) {
        if (best->logits[i] == -FLT_MAX)
            continue;
        const float *values = exact->values + (head * exact->events + best->events[i]) * columns;
        const float weight = expf(best->logits[i]);
        for (size_t j = 0; j < columns; j++)
            sums[j] += weight * values[j];
    }
}

static void retrieve_head(exact_attention *exact, uint32_t head, size_t count, best_events *best)
{
    for (size_t first = 0; first < exact->events; first += EVENTS) {
        const size_t left = exact->events - first;
        const size_t events = left < EVENTS ? left : EVENTS;
        block_logits(exact, head, count, first, events);
        for (size_t n = 0; n < count; n++) {
            const float *logits = exact->logits + n * EVENTS;
            for (size_t l = 0; l < events; l++)
                if (logits[l] > best[n].logits[0])
                    replace_least(&best[n], logits[l], first + l);
        }
    }
    for (size_t n = 0; n < count; n++)
        sum_best(exact, head, &best[n],
                 exact->sums + n * (exact->catalog->tables->model->shape.head_width + 1));
}

void exact_attention_top(exact_attention *exact, const uint64_t *item_ids, size_t count,
                         size_t kept, float *o)
{
    static best_events best[CANDIDATES];
    const vql_shape *shape = &exact->catalog->tables->model->shape;
    openblas_set_num_threads(1);
    for (size_t first = 0; first < count; first += CANDIDATES) {
        const size_t block = load_queries(exact, item_ids + first, count - first);
        for (uint32_t h = 0; h < shape->heads; h++) {
            for (size_t n = 0; n < block; n++) {
                best[n].count = kept;
                for (size_t i = 0; i < kept; i++)
                    best[n].logits[i] = -FLT_MAX;
            }
            retrieve_head(exact, h, block, best);
            write_output(exact, h, block, o + first * shape->width);
        }
    }
}
