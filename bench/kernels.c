/*
 * Scoring against the limits of one core, measured in the same run: prints tables in Markdown and,
 * with --plots FOLDER, writes charts. --quick leaves out histories above 100,000 events.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exact_attention.h"
#include "huge_pages.h"
#include "machine.h"
#include "plot.h"
#include "scene.h"
#include "timing.h"
#include "vql/kernels.h"
#include "vql/scorer.h"

enum {
    RUNS = 41,
    CANDIDATES = 1000,
    MOST_CANDIDATES = 10000,
    TOP = 50,
    EVENTS = 1000, /* of the user in the first tables */
};

/* 2·N·H·K·(d + 1). */
static const double USEFUL_FLOPS =
    2.0 * CANDIDATES * SCENE_HEADS * SCENE_CODEWORDS * (SCENE_HEAD_WIDTH + 1);

typedef struct subject {
    const char *name;
    vql_catalog *catalog;
    vql_scorer *scorer;
} subject;

static float output[MOST_CANDIDATES * SCENE_WIDTH];

static subject subject_new(const vql_model *model, const char *name, vql_scoring_format format,
                           const vql_allocator *allocator)
{
    subject made = {.name = name};
    const vql_catalog_options options = {
        .table_bytes = SIZE_MAX, .format = format, .allocator = allocator};
    if (vql_catalog_create(model, &options, &made.catalog, NULL) != VQL_OK ||
        vql_scorer_new(made.catalog, allocator, &made.scorer) != VQL_OK)
        abort();
    return made;
}

static void subject_free(subject *s)
{
    vql_scorer_free(s->scorer);
    vql_catalog_free(s->catalog);
}

static vql_cache *user_of(const subject *s, const vql_cache_event *events, size_t count)
{
    vql_cache *cache;
    if (vql_cache_new(s->catalog, NULL, &cache) != VQL_OK ||
        vql_cache_append(cache, events, count) != VQL_OK)
        abort();
    for (uint32_t g = 0; g < SCENE_HEADS; g++)
        if (vql_cache_occupied(cache, g) != SCENE_CODEWORDS)
            abort();
    return cache;
}

/* The stages of a request. */
typedef enum stage { FOLD, ATTEND, SCORE, FOLD_AND_ATTEND, FOLD_AND_SCORE } stage;

static timing measure(const subject *s, const vql_cache *cache, stage what, size_t candidates,
                      size_t runs)
{
    timing t = {.count = 0};
    for (size_t run = 0; run <= runs; run++) {
        uint64_t *ids = scene_candidates(vql_catalog_model(s->catalog), candidates, run);
        const double start = timing_now();
        if (what == FOLD || what == FOLD_AND_ATTEND || what == FOLD_AND_SCORE)
            vql_scorer_begin(s->scorer, cache, SCENE_NOW_MS);
        if (what == ATTEND || what == FOLD_AND_ATTEND)
            vql_scorer_attentions(s->scorer, ids, candidates, output);
        if (what == SCORE || what == FOLD_AND_SCORE)
            vql_scorer_run(s->scorer, ids, candidates, output);
        if (run > 0)
            timing_add(&t, timing_now() - start);
        free(ids);
    }
    return t;
}

/* ---- the shape of the target ---- */

static void print_subject(const subject *s, const vql_cache *cache, double peak)
{
    const timing fold = measure(s, cache, FOLD, CANDIDATES, RUNS);
    const timing attend = measure(s, cache, ATTEND, CANDIDATES, RUNS);
    const timing score = measure(s, cache, SCORE, CANDIDATES, RUNS);
    const double median = USEFUL_FLOPS / timing_median(&attend);
    printf("| %s | %.1f | %.1f ± %.0f %% | %.0f | %.2f | %.2f | %.1f | %.0f %% |\n", s->name,
           timing_median(&fold) * 1e6, timing_median(&attend) * 1e6, 50 * timing_spread(&attend),
           median / 1e9, median / peak, USEFUL_FLOPS / timing_best(&attend) / peak,
           timing_median(&score) * 1e6, 100 * (timing_median(&score) / timing_median(&attend) - 1));
}

static void print_formats(const vql_model *model, double peak)
{
    static const struct {
        const char *name;
        vql_scoring_format format;
        bool huge;
    } KINDS[] = {
        {"float32, pages of 4 KiB", VQL_SCORING_F32, false},
        {"float32, pages of 2 MiB", VQL_SCORING_F32, true},
        {"int16, pages of 4 KiB", VQL_SCORING_INT16, false},
        {"int16, pages of 2 MiB", VQL_SCORING_INT16, true},
    };
    printf("## %d candidates at random of %d items, every codeword in use, kernels %s\n\n",
           CANDIDATES, SCENE_ITEMS, vql_kernels_name());
    printf("| table | fold µs | attention µs | useful GFLOP/s | of FMA peak | at best | "
           "with head µs | head adds |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n");
    vql_cache_event *events = scene_history(EVENTS);
    for (size_t i = 0; i < sizeof KINDS / sizeof KINDS[0]; i++) {
        subject s = subject_new(model, KINDS[i].name, KINDS[i].format,
                                KINDS[i].huge ? huge_pages_allocator() : NULL);
        vql_cache *cache = user_of(&s, events, EVENTS);
        print_subject(&s, cache, peak);
        vql_cache_free(cache);
        subject_free(&s);
    }
    free(events);
    printf("\n");
}

/* ---- histories ---- */

typedef struct length_times {
    double vql, exact, top;
} length_times;

static length_times measure_length(const subject *s, size_t length)
{
    vql_cache_event *events = scene_history(length);
    vql_cache *cache = user_of(s, events, length);
    const timing own = measure(s, cache, FOLD_AND_ATTEND, CANDIDATES, RUNS);
    length_times found = {.vql = timing_median(&own)};
    vql_cache_free(cache);
    exact_attention *exact = exact_attention_new(s->catalog, events, length, SCENE_NOW_MS);
    uint64_t *ids = scene_candidates(vql_catalog_model(s->catalog), CANDIDATES, 1);
    timing all = {.count = 0};
    timing best = {.count = 0};
    const size_t runs = length < 100000 ? 5 : length < 1000000 ? 3 : 1;
    for (size_t run = 0; run < runs; run++) {
        const double start = timing_now();
        exact_attention_run(exact, ids, CANDIDATES, output);
        const double middle = timing_now();
        exact_attention_top(exact, ids, CANDIDATES, TOP, output);
        timing_add(&all, middle - start);
        timing_add(&best, timing_now() - middle);
    }
    found.exact = timing_median(&all);
    found.top = timing_median(&best);
    free(ids);
    exact_attention_free(exact);
    free(events);
    return found;
}

static void print_lengths(const vql_model *model, size_t longest, const char *folder)
{
    subject s = subject_new(model, NULL, VQL_SCORING_DEFAULT, huge_pages_allocator());
    plot chart = {.title = "1,000 candidates against a history of L events, one core",
                  .x_name = "L",
                  .y_name = "ms",
                  .count = 3,
                  .series = {{.name = "VQL, fold included"},
                             {.name = "exact attention"},
                             {.name = "top 50 by logit"}}};
    printf("## %d candidates against a history of L events\n\n", CANDIDATES);
    printf("| L | VQL, fold included, µs | exact µs | top 50 µs | exact / VQL | top 50 / VQL |\n"
           "| --- | --- | --- | --- | --- | --- |\n");
    for (size_t length = 1000; length <= longest; length *= 10) {
        const length_times t = measure_length(&s, length);
        printf("| %zu | %.1f | %.0f | %.0f | %.0f | %.0f |\n", length, t.vql * 1e6, t.exact * 1e6,
               t.top * 1e6, t.exact / t.vql, t.top / t.vql);
        (void)fflush(stdout);
        plot_add(&chart.series[0], (double)length, t.vql * 1e3);
        plot_add(&chart.series[1], (double)length, t.exact * 1e3);
        plot_add(&chart.series[2], (double)length, t.top * 1e3);
    }
    printf("\n");
    if (folder != NULL) {
        char path[4096];
        snprintf(path, sizeof path, "%s/time-against-length.svg", folder);
        plot_write(&chart, path);
    }
    subject_free(&s);
}

/* The same user's time at L = 1,000 and 1,000,000, run by run in turn. */
static void print_independence(const vql_model *model)
{
    subject s = subject_new(model, NULL, VQL_SCORING_DEFAULT, huge_pages_allocator());
    static const size_t LENGTHS[] = {1000, 1000000};
    vql_cache *caches[2];
    timing times[2] = {{.count = 0}, {.count = 0}};
    for (size_t i = 0; i < 2; i++) {
        vql_cache_event *events = scene_history(LENGTHS[i]);
        caches[i] = user_of(&s, events, LENGTHS[i]);
        free(events);
    }
    for (size_t run = 0; run < TIMING_RUNS; run++) {
        for (size_t i = 0; i < 2; i++) {
            const timing one = measure(&s, caches[i], FOLD_AND_SCORE, CANDIDATES, 5);
            timing_add(&times[i], timing_median(&one));
        }
    }
    printf("Scoring with equal occupancy: %.1f µs at L = %zu, %.1f µs at L = %zu: %+.1f %%.\n\n",
           timing_median(&times[0]) * 1e6, LENGTHS[0], timing_median(&times[1]) * 1e6, LENGTHS[1],
           100 * (timing_median(&times[1]) / timing_median(&times[0]) - 1));
    for (size_t i = 0; i < 2; i++)
        vql_cache_free(caches[i]);
    subject_free(&s);
}

/* ---- candidates ---- */

static void print_candidates(const vql_model *model, const char *folder)
{
    plot chart = {.title = "One request, fold and head included, one core",
                  .x_name = "candidates",
                  .y_name = "µs",
                  .count = 2};
    static const vql_scoring_format FORMATS[] = {VQL_SCORING_F32, VQL_SCORING_INT16};
    static const char *const NAMES[] = {"float32", "int16"};
    vql_cache_event *events = scene_history(EVENTS);
    printf("## One request of N candidates, fold and head included\n\n"
           "| table | N | µs | ns a candidate |\n| --- | --- | --- | --- |\n");
    for (size_t f = 0; f < 2; f++) {
        subject s = subject_new(model, NAMES[f], FORMATS[f], huge_pages_allocator());
        vql_cache *cache = user_of(&s, events, EVENTS);
        chart.series[f].name = NAMES[f];
        for (size_t count = 1; count <= MOST_CANDIDATES; count *= 10) {
            const timing t = measure(&s, cache, FOLD_AND_SCORE, count, RUNS);
            const double median = timing_median(&t);
            printf("| %s | %zu | %.1f | %.0f |\n", NAMES[f], count, median * 1e6,
                   median * 1e9 / (double)count);
            plot_add(&chart.series[f], (double)count, median * 1e6);
        }
        vql_cache_free(cache);
        subject_free(&s);
    }
    printf("\n");
    free(events);
    if (folder != NULL) {
        char path[4096];
        snprintf(path, sizeof path, "%s/time-against-candidates.svg", folder);
        plot_write(&chart, path);
    }
}

int main(int argc, char **argv)
{
    const char *folder = NULL;
    bool quick = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--quick") == 0) {
            quick = true;
        } else if (strcmp(argv[i], "--plots") == 0 && i + 1 < argc) {
            folder = argv[++i];
        } else if (strcmp(argv[i], "--kernels") == 0 && i + 1 < argc) {
            vql_error error;
            if (vql_kernels_select(argv[++i], &error) != VQL_OK) {
                fprintf(stderr, "%s\n", error.text);
                return EXIT_FAILURE;
            }
        } else {
            fprintf(stderr, "usage: bench_kernels [--quick] [--plots FOLDER] [--kernels LEVEL]\n");
            return EXIT_FAILURE;
        }
    }
    const machine m = machine_measure();
    machine_print(&m);
    vql_model *model = scene_model();
    print_formats(model, machine_peak(&m));
    print_candidates(model, folder);
    if (!quick)
        print_independence(model);
    print_lengths(model, quick ? 100000 : 1000000, folder);
    vql_model_free(model);
    return EXIT_SUCCESS;
}
