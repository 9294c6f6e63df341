#include "serving.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "vql/scorer.h"

enum { MAX_THREADS = 256, BATCH = 256 };

/* ---- names and rows ---- */

static vql_code match_types(const dataset *data, const vql_model *model, serving_match *match,
                            vql_error *error)
{
    const uint32_t count = vql_model_shape(model)->event_types;
    for (uint32_t i = 0; i < data->event_types; i++) {
        uint32_t type = 0;
        while (type < count &&
               strcmp(vql_model_event_type(model, type), data->event_type_names[i]) != 0)
            type++;
        if (type == count)
            return vql_fail(error, VQL_MISMATCH, "the model has no event type %s, the events do",
                            data->event_type_names[i]);
        match->types[i] = type;
    }
    return VQL_OK;
}

static vql_code match_tasks(const dataset *data, const vql_model *model, serving_match *match,
                            vql_error *error)
{
    match->tasks = vql_model_shape(model)->tasks;
    for (uint32_t t = 0; t < match->tasks; t++) {
        uint32_t column = 0;
        while (column < data->tasks &&
               strcmp(vql_model_task(model, t), data->task_names[column]) != 0)
            column++;
        if (column == data->tasks || t == DATASET_MAX_TASKS)
            return vql_fail(error, VQL_MISMATCH,
                            "the impressions have no column %s, a task of "
                            "the model",
                            vql_model_task(model, t));
        match->columns[t] = column;
    }
    return VQL_OK;
}

vql_code serving_match_make(const dataset *data, const vql_catalog *catalog, serving_match *out,
                            vql_error *error)
{
    const vql_model *model = vql_catalog_model(catalog);
    serving_match match = {0};
    vql_code code = match_types(data, model, &match, error);
    if (code == VQL_OK)
        code = match_tasks(data, model, &match, error);
    if (code != VQL_OK)
        return code;
    match.rows = malloc(data->rows * sizeof *match.rows);
    if (match.rows == NULL)
        return vql_fail(error, VQL_NO_MEMORY, "no memory for %u rows", data->rows);
    match.rows[0] = 0;
    for (uint32_t row = 1; row < data->rows; row++)
        match.rows[row] = vql_catalog_row(catalog, data->item_ids[row]);
    *out = match;
    return VQL_OK;
}

void serving_match_free(serving_match *match)
{
    free(match->rows);
    match->rows = NULL;
}

/* ---- scoring ---- */

/* What the threads share: each takes the impressions of one user after the other. */
typedef struct work {
    const dataset *data;
    const train_impressions *impressions;
    const vql_catalog *catalog;
    const serving_match *match;
    const serving_options *options;
    float *logits;
    pthread_mutex_t lock; /* of next */
    size_t next;          /* the first impression that nobody has taken */
    atomic_size_t done;
    atomic_bool failed; /* no memory */
} work;

/* Takes the next user's impressions; false when there are none left. */
static bool take_user(work *w, size_t *first, size_t *last)
{
    const train_impression *at = w->impressions->at;
    (void)pthread_mutex_lock(&w->lock);
    *first = w->next;
    while (w->next < w->impressions->count && at[w->next].user == at[*first].user)
        w->next++;
    *last = w->next;
    (void)pthread_mutex_unlock(&w->lock);
    return *first < *last;
}

static vql_cache_event translate(const work *w, size_t index)
{
    const train_event *event = &w->data->events[index];
    return (vql_cache_event){.time_ms = event->time_ms,
                             .row = w->match->rows[event->row],
                             .event_type = w->match->types[event->type]};
}

/* Brings the cache from the events begin … end to those before an impression. */
static vql_code advance(const work *w, const train_impression *at, vql_cache *cache, size_t *begin,
                        size_t *end)
{
    const size_t start = w->data->starts[at->user];
    const uint32_t most = w->options->max_history;
    for (; *end < start + at->history; (*end)++) {
        const vql_cache_event event = translate(w, *end);
        const vql_code code = vql_cache_append(cache, &event, 1);
        if (code != VQL_OK)
            return code;
    }
    for (; most > 0 && *end - *begin > most; (*begin)++) {
        const vql_cache_event event = translate(w, *begin);
        const vql_code code = vql_cache_remove(cache, &event);
        if (code != VQL_OK)
            return code;
    }
    return VQL_OK;
}

/* Scores impressions of one user and one time. */
static void score_together(const work *w, vql_scorer *scorer, size_t first, size_t last)
{
    uint64_t ids[BATCH];
    while (first < last) {
        size_t count = 0;
        while (count < BATCH && first + count < last) {
            ids[count] = w->data->item_ids[w->impressions->at[first + count].row];
            count++;
        }
        (void)vql_scorer_logits(scorer, ids, count, w->logits + first * w->match->tasks);
        first += count;
    }
}

static vql_code score_user(work *w, vql_scorer *scorer, size_t first, size_t last)
{
    const train_impression *at = w->impressions->at;
    const uint32_t user = at[first].user;
    const vql_cache_options options = {w->options->format, w->data->user_ids[user]};
    vql_cache *cache;
    vql_code code = vql_cache_new_with(w->catalog, &options, NULL, &cache);
    if (code != VQL_OK)
        return code;
    size_t begin = w->data->starts[user];
    size_t end = begin;
    for (size_t next; code == VQL_OK && first < last; first = next) {
        for (next = first + 1; next < last && at[next].time_ms == at[first].time_ms; next++)
            continue;
        code = advance(w, &at[first], cache, &begin, &end);
        if (code == VQL_OK) {
            vql_scorer_begin(scorer, cache, at[first].time_ms);
            score_together(w, scorer, first, next);
            atomic_fetch_add(&w->done, next - first);
        }
    }
    vql_cache_free(cache);
    return code;
}

/* Scores users until none is left, telling of progress if `leads`. */
static void score_users(work *w, bool leads)
{
    vql_scorer *scorer;
    if (vql_scorer_new(w->catalog, NULL, &scorer) != VQL_OK) {
        atomic_store(&w->failed, true);
        return;
    }
    size_t first;
    size_t last;
    while (!atomic_load(&w->failed) && take_user(w, &first, &last)) {
        if (score_user(w, scorer, first, last) != VQL_OK)
            atomic_store(&w->failed, true);
        if (leads && w->options->progress != NULL)
            w->options->progress(w->options->context, atomic_load(&w->done));
    }
    vql_scorer_free(scorer);
}

static void *run_thread(void *context)
{
    score_users(context, false);
    return NULL;
}

vql_code serving_score(const dataset *data, train_split split, const vql_catalog *catalog,
                       const serving_match *match, const serving_options *options, float *logits)
{
    work w = {.data = data,
              .impressions = &data->splits[split],
              .catalog = catalog,
              .match = match,
              .options = options,
              .lock = PTHREAD_MUTEX_INITIALIZER};
    w.logits = logits;
    pthread_t threads[MAX_THREADS];
    uint32_t started = 0;
    while (started + 1 < options->threads && started < MAX_THREADS &&
           pthread_create(&threads[started], NULL, run_thread, &w) == 0)
        started++;
    score_users(&w, true);
    while (started > 0)
        (void)pthread_join(threads[--started], NULL);
    (void)pthread_mutex_destroy(&w.lock);
    return atomic_load(&w.failed) ? VQL_NO_MEMORY : VQL_OK;
}
