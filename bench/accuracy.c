/*
 * What the formats of caches' rows cost in accuracy: scores of a split's impressions with each
 * format against float32's, and the AUC.
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

#include "model_file.h"
#include "retail.h"
#include "vql/scorer.h"

static const char *const FORMAT_NAMES[] = {"fp32", "bf16", "int16", "int8"};

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

/* The area under the ROC curve; equal scores share their ranks. */
static double auc_of(const bench_impression *impressions, const float *scores, size_t count)
{
    scored *sorted = malloc(count * sizeof *sorted);
    double ranks = 0.0;
    double positives = 0.0;
    for (size_t i = 0; i < count; i++)
        sorted[i] = (scored){scores[i], impressions[i].label};
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

/* Scores all impressions with caches of a format. */
static void score_all(const bench_model *model, const bench_histories *histories,
                      const bench_impression *impressions, size_t count, vql_cache_format format,
                      float *scores)
{
    vql_cache **caches = calloc(histories->users, sizeof *caches);
    size_t *done = calloc(histories->users, sizeof *done);
    vql_scorer *scorer;
    if (caches == NULL || done == NULL || vql_scorer_new(model->catalog, NULL, &scorer) != VQL_OK)
        bench_fail("no memory");
    for (size_t i = 0; i < count; i++) {
        const bench_impression *at = &impressions[i];
        const size_t u = user_index(histories, at->user_id);
        const vql_cache_options options = {format, at->user_id};
        if (caches[u] == NULL &&
            vql_cache_new_with(model->catalog, &options, NULL, &caches[u]) != VQL_OK)
            bench_fail("no memory");
        const vql_cache_event *events = histories->events + histories->starts[u];
        const size_t events_count = histories->starts[u + 1] - histories->starts[u];
        while (done[u] < events_count && events[done[u]].time_ms < at->time_ms)
            vql_cache_append(caches[u], &events[done[u]++], 1);
        const bool same = i > 0 && impressions[i - 1].user_id == at->user_id &&
                          impressions[i - 1].time_ms == at->time_ms;
        if (!same)
            vql_scorer_begin(scorer, caches[u], at->time_ms);
        vql_scorer_run(scorer, &at->item_id, 1, &scores[i]);
    }
    vql_scorer_free(scorer);
    for (size_t u = 0; u < histories->users; u++)
        vql_cache_free(caches[u]);
    free(caches);
    free(done);
}

int main(int argc, char **argv)
{
    if (argc < 4)
        bench_fail("usage: bench_accuracy MODEL EVENTS.tsv.gz IMPRESSIONS.tsv.gz [SPLIT]");
    bench_model model = bench_model_read(argv[1], SIZE_MAX / 2);
    bench_histories histories = bench_histories_read(argv[2], model.catalog);
    size_t count;
    bench_impression *impressions =
        bench_impressions_read(argv[3], argc > 4 ? argv[4] : "test", &count);
    float *exact = malloc(count * sizeof *exact);
    float *scores = malloc(count * sizeof *scores);
    printf(
        "%zu impressions\n| format | AUC | AUC - fp32's | mean difference of a score | 99.9 %% | "
        "largest |\n| --- | --- | --- | --- | --- | --- |\n",
        count);
    double exact_auc = 0.0;
    for (int format = 0; format < VQL_CACHE_FORMATS; format++) {
        score_all(&model, &histories, impressions, count, (vql_cache_format)format,
                  format == 0 ? exact : scores);
        const double auc = auc_of(impressions, format == 0 ? exact : scores, count);
        exact_auc = format == 0 ? auc : exact_auc;
        double sum = 0.0;
        scored *differences = calloc(count, sizeof *differences);
        for (size_t i = 0; i < count && format > 0; i++) {
            differences[i].score = fabsf(scores[i] - exact[i]);
            sum += (double)differences[i].score;
        }
        qsort(differences, count, sizeof *differences, by_score);
        printf("| %s | %.5f | %+.5f | %.2g | %.2g | %.2g |\n", FORMAT_NAMES[format], auc,
               auc - exact_auc, sum / (double)count,
               (double)differences[count - 1 - count / 1000].score,
               (double)differences[count - 1].score);
        fflush(stdout);
        free(differences);
    }
    free(impressions);
    free(exact);
    free(scores);
    bench_histories_free(&histories);
    bench_model_free(&model);
    return 0;
}
