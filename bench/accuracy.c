/*
 * What the formats of caches' rows, and of attention, cost in accuracy: scores of a split's
 * impressions with each format against float32's, and the AUC.
 *
 *   bench_accuracy MODEL EVENTS.tsv.gz IMPRESSIONS.tsv.gz [SPLIT]
 *
 * Impressions are in order of time, as are each user's events: a user's cache is appended to up to
 * the impression's time.
 */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "log_file.h"
#include "model_file.h"
#include "vql/scorer.h"

/* What is compared with the first of them. */
typedef struct variant {
    const char *name;
    vql_cache_format cache_format;
    vql_scoring_format scoring_format;
} variant;

static const variant VARIANTS[] = {
    {"float32", VQL_CACHE_FP32, VQL_SCORING_F32},
    {"caches in bf16", VQL_CACHE_BF16, VQL_SCORING_F32},
    {"caches in int16", VQL_CACHE_INT16, VQL_SCORING_F32},
    {"caches in int8", VQL_CACHE_INT8, VQL_SCORING_F32},
    {"attention in int16", VQL_CACHE_FP32, VQL_SCORING_INT16},
};

typedef struct scored {
    float score;
    int label;
} scored;

static int by_score(const void *a, const void *b)
{
    const float left = ((const scored *)a)->score;
    const float right = ((const scored *)b)->score;
    return (left > right) - (left < right);
}

/* The area under a task's ROC curve, of scores [count, tasks]; equal scores share their ranks. */
static double auc_of(const bench_impression *impressions, const float *scores, size_t count,
                     uint32_t task, uint32_t tasks)
{
    scored *sorted = malloc(count * sizeof *sorted);
    double ranks = 0.0;
    double positives = 0.0;
    for (size_t i = 0; i < count; i++)
        sorted[i] = (scored){scores[i * tasks + task], impressions[i].labels[task]};
    qsort(sorted, count, sizeof *sorted, by_score);
    for (size_t first = 0, last; first < count; first = last) {
        double here = 0.0;
        for (last = first; last < count && sorted[last].score == sorted[first].score; last++)
            here += sorted[last].label;
        ranks += here * (double)(first + 1 + last) / 2.0;
        positives += here;
    }
    free(sorted);
    return (ranks - positives * (positives + 1.0) / 2.0) /
           (positives * ((double)count - positives));
}

static size_t user_index(const bench_histories *histories, uint64_t user_id)
{
    size_t first = 0;
    size_t left = histories->users;
    while (left > 0) {
        const size_t half = left / 2;
        if (histories->user_ids[first + half] < user_id) {
            first += half + 1;
            left -= half + 1;
        } else {
            left = half;
        }
    }
    return first;
}

/* Scores all impressions with a variant, to scores [count, T]. */
static void score_all(const vql_model *model, const bench_histories *histories,
                      const bench_impression *impressions, size_t count, const variant *with,
                      float *scores)
{
    const vql_catalog_options table = {.table_bytes = SIZE_MAX / 2, .format = with->scoring_format};
    vql_catalog *catalog;
    vql_cache **caches = calloc(histories->users, sizeof *caches);
    size_t *done = calloc(histories->users, sizeof *done);
    vql_scorer *scorer;
    if (caches == NULL || done == NULL ||
        vql_catalog_create(model, &table, &catalog, NULL) != VQL_OK ||
        vql_scorer_new(catalog, NULL, &scorer) != VQL_OK)
        bench_fail("no memory");
    for (size_t i = 0; i < count; i++) {
        const bench_impression *at = &impressions[i];
        const size_t u = user_index(histories, at->user_id);
        const vql_cache_options options = {with->cache_format, at->user_id};
        if (caches[u] == NULL && vql_cache_new_with(catalog, &options, NULL, &caches[u]) != VQL_OK)
            bench_fail("no memory");
        const vql_cache_event *events = histories->events + histories->starts[u];
        const size_t events_count = histories->starts[u + 1] - histories->starts[u];
        while (done[u] < events_count && events[done[u]].time_ms < at->time_ms)
            vql_cache_append(caches[u], &events[done[u]++], 1);
        const bool same = i > 0 && impressions[i - 1].user_id == at->user_id &&
                          impressions[i - 1].time_ms == at->time_ms;
        if (!same)
            vql_scorer_begin(scorer, caches[u], at->time_ms);
        vql_scorer_run(scorer, &at->item_id, 1, &scores[i * vql_model_shape(model)->tasks]);
    }
    vql_scorer_free(scorer);
    for (size_t u = 0; u < histories->users; u++)
        vql_cache_free(caches[u]);
    vql_catalog_free(catalog);
    free(caches);
    free(done);
}

/* Prints how far a task's scores are from the exact ones, and their AUC from exact_auc. */
static void print_variant(const char *name, const char *task, const float *scores,
                          const float *exact, size_t count, size_t stride, double auc,
                          double exact_auc)
{
    double sum = 0.0;
    scored *differences = calloc(count, sizeof *differences);
    if (differences == NULL)
        bench_fail("no memory");
    for (size_t i = 0; i < count; i++) {
        differences[i].score = fabsf(scores[i * stride] - exact[i * stride]);
        sum += (double)differences[i].score;
    }
    qsort(differences, count, sizeof *differences, by_score);
    printf("| %s | %s | %.5f | %+.5f | %.2g | %.2g | %.2g |\n", name, task, auc, auc - exact_auc,
           sum / (double)count, (double)differences[count - 1 - count / 1000].score,
           (double)differences[count - 1].score);
    (void)fflush(stdout);
    free(differences);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        bench_fail("usage: bench_accuracy MODEL EVENTS.tsv.gz IMPRESSIONS.tsv.gz [SPLIT]");
    bench_model model = bench_model_read(argv[1], SIZE_MAX / 2);
    bench_histories histories = bench_histories_read(argv[2], model.catalog);
    const uint32_t tasks = vql_model_shape(model.model)->tasks;
    size_t count;
    bench_impression *impressions =
        bench_impressions_read(argv[3], argc > 4 ? argv[4] : "test", tasks, &count);
    float *exact = calloc(count * tasks, sizeof *exact);
    float *scores = calloc(count * tasks, sizeof *scores);
    if (exact == NULL || scores == NULL)
        bench_fail("no memory");
    printf(
        "%zu impressions\n| format | task | AUC | AUC - float32's | mean difference of a score | "
        "99.9 %% | largest |\n| --- | --- | --- | --- | --- | --- | --- |\n",
        count);
    for (size_t v = 0; v < sizeof VARIANTS / sizeof *VARIANTS; v++) {
        float *into = v == 0 ? exact : scores;
        score_all(model.model, &histories, impressions, count, &VARIANTS[v], into);
        for (uint32_t t = 0; t < tasks; t++)
            print_variant(VARIANTS[v].name, vql_model_task(model.model, t), into + t, exact + t,
                          count, tasks, auc_of(impressions, into, count, t, tasks),
                          auc_of(impressions, exact, count, t, tasks));
    }
    free(impressions);
    free(exact);
    free(scores);
    bench_histories_free(&histories);
    bench_model_free(&model);
    return 0;
}
