/*
 * What the formats of caches' rows, and of attention, cost in accuracy: scores of a split's
 * impressions with each format against float32's, and the AUC.
 *
 *   bench_accuracy MODEL FOLDER [SPLIT]
 *
 * The folder has the files of a data set; docs/TRAINING.md says which.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"
#include "model_file.h"
#include "serving.h"

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

/* What every variant scores. */
typedef struct scene {
    const vql_model *model;
    const dataset *data;
    train_split split;
    uint32_t tasks;
    size_t count;
} scene;

static int compare_floats(const void *a, const void *b)
{
    const float left = *(const float *)a;
    const float right = *(const float *)b;
    return (left > right) - (left < right);
}

/* Scores all impressions with a variant, to logits [count, T]. */
static metrics_report score_all(const scene *s, const variant *with, float *logits)
{
    const vql_catalog_options table = {.table_bytes = SIZE_MAX / 2, .format = with->scoring_format};
    const serving_options serving = {.format = with->cache_format, .threads = 1};
    const train_impressions *split = &s->data->splits[s->split];
    vql_catalog *catalog;
    vql_error error = {0};
    serving_match match;
    metrics_report report;
    if (vql_catalog_create(s->model, &table, &catalog, &error) != VQL_OK ||
        serving_match_make(s->data, catalog, &match, &error) != VQL_OK)
        bench_fail("%s", error.text);
    if (serving_score(s->data, s->split, catalog, &match, &serving, logits) != VQL_OK ||
        metrics_judge(split->at, s->count, s->tasks, match.columns, logits, &report) != VQL_OK)
        bench_fail("no memory");
    serving_match_free(&match);
    vql_catalog_free(catalog);
    return report;
}

static double probability(float logit)
{
    return 1.0 / (1.0 + exp(-(double)logit));
}

/* Prints how far a task's scores are from the exact ones, and their AUC from the exact ones'. */
static void print_variant(const scene *s, const char *name, uint32_t task, const float *logits,
                          const float *exact, double auc, double exact_auc)
{
    double sum = 0.0;
    float *differences = calloc(s->count, sizeof *differences);
    if (differences == NULL)
        bench_fail("no memory");
    for (size_t i = 0; i < s->count; i++) {
        const size_t at = i * s->tasks + task;
        differences[i] = (float)fabs(probability(logits[at]) - probability(exact[at]));
        sum += (double)differences[i];
    }
    qsort(differences, s->count, sizeof *differences, compare_floats);
    printf("| %s | %s | %.5f | %+.5f | %.2g | %.2g | %.2g |\n", name,
           vql_model_task(s->model, task), auc, auc - exact_auc, sum / (double)s->count,
           (double)differences[s->count - 1 - s->count / 1000], (double)differences[s->count - 1]);
    (void)fflush(stdout);
    free(differences);
}

static train_split find_split(const char *name)
{
    for (size_t split = 0; split < SPLITS; split++)
        if (strcmp(train_split_name((train_split)split), name) == 0)
            return (train_split)split;
    bench_fail("%s: neither train, valid nor test", name);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        bench_fail("usage: bench_accuracy MODEL FOLDER [SPLIT]");
    bench_model model = bench_model_read(argv[1], 0);
    dataset *data;
    vql_error error;
    if (dataset_read(argv[2], 0, &data, &error) != VQL_OK)
        bench_fail("%s", error.text);
    scene s = {
        .model = model.model, .data = data, .split = find_split(argc > 3 ? argv[3] : "test")};
    s.tasks = vql_model_shape(model.model)->tasks;
    s.count = data->splits[s.split].count;
    float *exact = calloc(s.count * s.tasks + 1, sizeof *exact);
    float *logits = calloc(s.count * s.tasks + 1, sizeof *logits);
    metrics_report best = {0};
    if (exact == NULL || logits == NULL || s.count == 0)
        bench_fail("no memory, or no impressions");
    printf(
        "%zu impressions\n| format | task | AUC | AUC - float32's | mean difference of a score | "
        "99.9 %% | largest |\n| --- | --- | --- | --- | --- | --- | --- |\n",
        s.count);
    for (size_t v = 0; v < sizeof VARIANTS / sizeof *VARIANTS; v++) {
        float *into = v == 0 ? exact : logits;
        const metrics_report report = score_all(&s, &VARIANTS[v], into);
        best = v == 0 ? report : best;
        for (uint32_t t = 0; t < s.tasks; t++)
            print_variant(&s, VARIANTS[v].name, t, into, exact, report.all[t].auc, best.all[t].auc);
    }
    free(exact);
    free(logits);
    dataset_free(data);
    bench_model_free(&model);
    return 0;
}
