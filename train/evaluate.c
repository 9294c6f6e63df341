/*
 * vql-train evaluate: a model file judged by what the serving core makes of it.
 */
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "metrics_text.h"
#include "model_load.h"
#include "new_file.h"
#include "progress.h"
#include "serving.h"

enum { MAX_MODEL_GIB = 1024 };

typedef struct evaluate_fields {
    char *config_file;
    char *data;
    char *scores;   /* NULL: none */
    uint32_t split; /* a train_split */
    uint32_t max_history;
    uint32_t cache_format;   /* a vql_cache_format */
    uint32_t scoring_format; /* of scoring_formats */
    uint32_t threads;
    bool json;
} evaluate_fields;

static const char *const splits[] = {"train", "valid", "test", NULL};
static const char *const cache_formats[] = {
    [VQL_CACHE_FP32] = "fp32",
    [VQL_CACHE_BF16] = "bf16",
    [VQL_CACHE_INT16] = "int16",
    [VQL_CACHE_INT8] = "int8",
    NULL,
};
static const char *const scoring_formats[] = {"f32", "int16", NULL};

#define FIELD(name) offsetof(evaluate_fields, name)

static const option options[] = {
    {"data", OPTION_FILE, FIELD(data), NULL, 0, 0, NULL,
     "The folder of events, impressions and items. Required."},
    {"split", OPTION_CHOICE, FIELD(split), "test", 0, 0, splits, "Which impressions are scored."},
    {"max-history", OPTION_COUNT, FIELD(max_history), "0", 0, DATASET_MAX_HISTORY, NULL,
     "The last events that an impression sees; older ones are removed from the cache. 0: all."},
    {"cache-format", OPTION_CHOICE, FIELD(cache_format), "int8", 0, 0, cache_formats,
     "The numbers in users' caches, as vqld has it."},
    {"scoring-format", OPTION_CHOICE, FIELD(scoring_format), "int16", 0, 0, scoring_formats,
     "The numbers that attention is computed with, as vqld has it."},
    {"threads", OPTION_COUNT, FIELD(threads), "0", 0, 256, NULL, "0: one for each core."},
    {"scores", OPTION_FILE, FIELD(scores), NULL, 0, 0, NULL,
     "A file to write each impression's probabilities to, tab separated."},
    {"json", OPTION_FLAG, FIELD(json), "false", 0, 0, NULL, "Print one JSON object, not a table."},
    {"config", OPTION_FILE, FIELD(config_file), NULL, 0, 0, NULL,
     "A file of lines \"name = value\" for any of these options but this one."},
};

static const command_usage usage = {
    "Usage: vql-train evaluate MODEL --data FOLDER [--option value | --option=value]...\n"
    "Scores impressions with a model file through the serving core itself, and says how good the\n"
    "scores are: by task, and by the length of the histories.\n\n",
    {options, sizeof options / sizeof options[0]},
    "MODEL",
};

/* What the progress bar is told. */
typedef struct watch {
    progress bar;
    size_t count;
} watch;

static void show_progress(void *context, size_t scored)
{
    watch *w = context;
    progress_update(&w->bar, command_now_ns(), scored, (double)scored / (double)w->count);
}

static command_status print_json(const char *path, const evaluate_fields *fields,
                                 const metrics_report *report, const char *const *names,
                                 double seconds)
{
    json_t *json = json_pack("{s:s, s:s, s:I, s:f, s:o}", "model", path, "split",
                             splits[fields->split], "max_history", (json_int_t)fields->max_history,
                             "seconds", seconds, "tasks", metrics_json(report, names));
    if (json == NULL)
        return command_fail("no memory for the figures, or %.255s is not UTF-8", path);
    (void)json_dumpf(json, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(7));
    (void)putchar('\n');
    json_decref(json);
    return COMMAND_DONE;
}

/* Writes the probabilities of all impressions. */
static command_status write_scores(const evaluate_fields *fields, const dataset *data,
                                   const serving_match *match, const float *logits)
{
    new_file out;
    const train_impressions *split = &data->splits[fields->split];
    int failure = new_file_open(&out, fields->scores);
    if (failure == 0) {
        (void)fputs("user_id\titem_id\ttimestamp_ms", out.stream);
        for (uint32_t t = 0; t < match->tasks; t++)
            (void)fprintf(out.stream, "\t%s", data->task_names[match->columns[t]]);
        for (size_t i = 0; i < split->count; i++) {
            const train_impression *at = &split->at[i];
            (void)fprintf(out.stream, "\n%" PRIu64 "\t%" PRIu64 "\t%" PRId64,
                          data->user_ids[at->user], data->item_ids[at->row], at->time_ms);
            for (uint32_t t = 0; t < match->tasks; t++)
                (void)fprintf(out.stream, "\t%.9g",
                              1.0 / (1.0 + exp(-(double)logits[i * match->tasks + t])));
        }
        (void)fputc('\n', out.stream);
        failure = new_file_close(&out, true);
    }
    return failure == 0 ? COMMAND_DONE
                        : command_fail("scores: %s: %s", fields->scores, strerror(failure));
}

/* Judges the logits and prints the figures. */
static command_status print_figures(const char *path, const evaluate_fields *fields,
                                    const dataset *data, const serving_match *match,
                                    const float *logits, double seconds)
{
    metrics_report report;
    const char *names[DATASET_MAX_TASKS];
    const train_impressions *split = &data->splits[fields->split];
    if (metrics_judge(split->at, split->count, match->tasks, match->columns, logits, &report) !=
        VQL_OK)
        return command_fail("no memory to judge %zu impressions", split->count);
    for (uint32_t t = 0; t < match->tasks; t++)
        names[t] = data->task_names[match->columns[t]];
    if (fields->json)
        return print_json(path, fields, &report, names, seconds);
    metrics_print(&report, names, stdout);
    (void)printf("%zu impressions in %.1f s, %.0f a second\n", split->count, seconds,
                 (double)split->count / seconds);
    return COMMAND_DONE;
}

/* Scores the split and prints the figures. */
static command_status evaluate(const char *path, const evaluate_fields *fields, const dataset *data,
                               const vql_catalog *catalog)
{
    vql_error error;
    serving_match match = {0};
    const train_impressions *split = &data->splits[fields->split];
    watch w = {.count = split->count};
    if (split->count == 0)
        return command_fail("%s: no impressions of split %s", fields->data, splits[fields->split]);
    if (serving_match_make(data, catalog, &match, &error) != VQL_OK)
        return command_fail("%s: %s", path, error.text);
    command_status status = COMMAND_FAILED;
    float *logits = calloc(split->count, match.tasks * sizeof *logits);
    const serving_options serving = {.format = (vql_cache_format)fields->cache_format,
                                     .max_history = fields->max_history,
                                     .threads = command_threads(fields->threads),
                                     .progress = show_progress,
                                     .context = &w};
    const uint64_t start_ns = command_now_ns();
    progress_start(&w.bar, stderr, isatty(STDERR_FILENO) == 1, "impressions", start_ns);
    if (logits != NULL && serving_score(data, (train_split)fields->split, catalog, &match, &serving,
                                        logits) == VQL_OK) {
        progress_end(&w.bar);
        status = print_figures(path, fields, data, &match, logits,
                               (double)(command_now_ns() - start_ns) / 1e9);
        if (status == COMMAND_DONE && fields->scores != NULL)
            status = write_scores(fields, data, &match, logits);
    } else {
        (void)command_fail("no memory to score %zu impressions", split->count);
    }
    free(logits);
    serving_match_free(&match);
    return status;
}

/* Reads the model and the data. */
static command_status run(const char *path, const evaluate_fields *fields)
{
    vql_error error;
    dataset *data;
    loaded_model model;
    if (fields->data == NULL)
        return command_fail("data: required: --data FOLDER");
    const vql_catalog_options catalog = {.table_bytes = (size_t)1 << 30,
                                         .format = fields->scoring_format == 0 ? VQL_SCORING_F32
                                                                               : VQL_SCORING_INT16};
    if (model_load(path, MAX_MODEL_GIB, &catalog, &model, &error) != VQL_OK)
        return command_fail("%s", error.text);
    command_status status = COMMAND_FAILED;
    if (dataset_read(fields->data, 0, &data, &error) == VQL_OK) {
        status = evaluate(path, fields, data, model.catalog);
        dataset_free(data);
    } else {
        (void)command_fail("%s", error.text);
    }
    model_unload(&model);
    return status;
}

command_status command_evaluate(int argc, char *const *argv)
{
    evaluate_fields fields = {0};
    const char *path = NULL;
    command_status status;
    if (!command_begin(&usage, argc, argv, &fields, &path, &status))
        return status;
    status = run(path, &fields);
    settings_free(&usage.table, &fields);
    return status;
}
