#include "journal.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

/*
 * Takes the lines of an event out that are not before `number` by that key: a resumed training
 * comes to them again. The file keeps them.
 */
static void forget(journal *j, const char *event, json_int_t number)
{
    for (size_t i = json_array_size(j->lines); i > 0; i--) {
        const json_t *line = json_array_get(j->lines, i - 1);
        const char *found = json_string_value(json_object_get(line, "event"));
        if (found == NULL || strcmp(found, event) != 0)
            continue;
        if (json_integer_value(json_object_get(line, event)) < number)
            return;
        (void)json_array_remove(j->lines, i - 1);
    }
}

/* Adds a line, which it takes over; NULL, for no memory, adds none. */
static void add(journal *j, json_t *line)
{
    if (line == NULL)
        return;
    if (j->file != NULL) {
        (void)json_dumpf(line, j->file, JSON_COMPACT | JSON_REAL_PRECISION(9));
        (void)fputc('\n', j->file);
        (void)fflush(j->file);
    }
    (void)json_array_append_new(j->lines, line);
}

/* Reads the lines that are there, up to one that is none. */
static void read_lines(journal *j)
{
    json_error_t problem;
    for (json_t *line; (line = json_loadf(j->file, JSON_DISABLE_EOF_CHECK, &problem)) != NULL;)
        (void)json_array_append_new(j->lines, line);
}

vql_code journal_open(journal *j, const char *path, bool resume, vql_error *error)
{
    *j = (journal){.lines = json_array()};
    if (j->lines == NULL)
        return vql_fail(error, VQL_NO_MEMORY, "no memory for figures");
    if (path == NULL)
        return VQL_OK;
    j->file = resume ? fopen(path, "r") : NULL;
    if (j->file != NULL) {
        read_lines(j);
        (void)fclose(j->file);
    }
    j->file = fopen(path, resume ? "a" : "w");
    if (j->file != NULL)
        return VQL_OK;
    json_decref(j->lines);
    return vql_fail(error, VQL_FORMAT, "metrics: %s: %s", path, strerror(errno));
}

bool journal_close(journal *j)
{
    const bool failed = j->file != NULL && ferror(j->file) != 0;
    json_decref(j->lines);
    return (j->file == NULL || fclose(j->file) == 0) && !failed;
}

static json_t *shown_options(const train_fields *fields)
{
    json_t *options = json_object();
    const char *name;
    char value[OPTIONS_TEXT_BYTES];
    for (size_t i = 0; options_shown(fields, i, &name, value); i++)
        (void)json_object_set_new(options, name, json_string(value));
    return options;
}

void journal_start(journal *j, const train_fields *fields, const dataset *data)
{
    add(j, json_pack("{s:s, s:s, s:o, s:I, s:{s:I, s:I, s:I, s:I, s:I, s:I}}", "event",
                     fields->resume ? "resume" : "start", "data", fields->data, "options",
                     shown_options(fields), "threads", (json_int_t)fields->config.threads, "size",
                     "users", (json_int_t)data->users, "events",
                     (json_int_t)data->starts[data->users], "rows", (json_int_t)data->rows, "train",
                     (json_int_t)data->splits[SPLIT_TRAIN].count, "valid",
                     (json_int_t)data->splits[SPLIT_VALID].count, "test",
                     (json_int_t)data->splits[SPLIT_TEST].count));
}

void journal_steps(journal *j, const trainer_step *step, double loss, double commitment_loss,
                   double rate)
{
    forget(j, "step", (json_int_t)step->step);
    add(j, json_pack("{s:s, s:I, s:I, s:I, s:o, s:o, s:f, s:f}", "event", "step", "step",
                     (json_int_t)step->step, "steps", (json_int_t)step->steps, "epoch",
                     (json_int_t)step->epoch, "loss", metrics_number(loss), "commitment_loss",
                     metrics_number(commitment_loss), "rate", step->rate, "impressions_per_second",
                     rate));
}

static json_t *reals(const float *numbers, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        (void)json_array_append_new(list, metrics_number((double)numbers[i]));
    return list;
}

static json_t *health(const trainer_epoch *epoch)
{
    json_t *list = json_array();
    for (uint32_t g = 0; g < epoch->groups && epoch->quantized; g++) {
        const trainer_health *h = &epoch->health[g];
        (void)json_array_append_new(
            list, json_pack("{s:o, s:I, s:I, s:o}", "perplexity", metrics_number(h->perplexity),
                            "dead", (json_int_t)h->dead, "reseeded", (json_int_t)h->reseeded,
                            "key_error", metrics_number(h->key_error)));
    }
    return list;
}

void journal_epoch(journal *j, const trainer_epoch *epoch, uint32_t heads,
                   const metrics_report *report, const char *const *tasks)
{
    forget(j, "epoch", (json_int_t)epoch->epoch);
    add(j, json_pack("{s:s, s:I, s:b, s:b, s:o, s:o, s:f, s:f, s:f, s:I, s:o, s:o, s:o, s:o, s:o}",
                     "event", "epoch", "epoch", (json_int_t)epoch->epoch, "quantized",
                     epoch->quantized, "best", epoch->best, "loss", metrics_number(epoch->loss),
                     "commitment_loss", metrics_number(epoch->commitment_loss), "seconds",
                     epoch->seconds, "gflop", epoch->operations / 1e9, "peak_gflops",
                     epoch->peak / 1e9, "impressions", (json_int_t)epoch->impressions, "validation",
                     metrics_number(epoch->validation), "tasks",
                     report != NULL ? metrics_json(report, tasks) : json_object(), "groups",
                     health(epoch), "decay", reals(epoch->decay, epoch->kernels), "weight",
                     reals(epoch->weight, (size_t)heads * epoch->kernels)));
}

static json_t *error_lines(const journal_error *errors, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const trainer_error *e = &errors[i].error;
        (void)json_array_append_new(list, json_pack("{s:I, s:I, s:o, s:o, s:o, s:o}", "from",
                                                    (json_int_t)METRICS_FIRST[errors[i].bucket],
                                                    "impressions", (json_int_t)errors[i].count,
                                                    "logit_error", metrics_number(e->logit_error),
                                                    "output_error", metrics_number(e->output_error),
                                                    "bound", metrics_number(e->bound), "worst",
                                                    metrics_number(e->worst)));
    }
    return list;
}

void journal_end(journal *j, const char *model, const metrics_report *report,
                 const char *const *tasks, const journal_error *errors, size_t error_count)
{
    add(j, json_pack("{s:s, s:s?, s:o, s:o}", "event", "end", "model", model, "tasks",
                     metrics_json(report, tasks), "attention_error",
                     error_lines(errors, error_count)));
}
