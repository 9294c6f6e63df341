#include "report.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "new_file.h"
#include "plot.h"

enum { NAME_BYTES = 6 * DATASET_NAME_BYTES, KERNEL_POINTS = 60 };

/* ---- what a journal says ---- */

static bool is_event(const json_t *line, const char *event)
{
    const char *found = json_string_value(json_object_get(line, "event"));
    return found != NULL && strcmp(found, event) == 0;
}

/* The last line of an event; NULL: there is none. */
static const json_t *last_line(const journal *j, const char *event)
{
    for (size_t i = json_array_size(j->lines); i > 0; i--)
        if (is_event(json_array_get(j->lines, i - 1), event))
            return json_array_get(j->lines, i - 1);
    return NULL;
}

/* A number of an object; NaN when it has none. */
static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

/* The next line of an event from *i on; NULL at the end. */
static const json_t *next_line(const journal *j, const char *event, size_t *i)
{
    while (*i < json_array_size(j->lines)) {
        const json_t *line = json_array_get(j->lines, (*i)++);
        if (is_event(line, event))
            return line;
    }
    return NULL;
}

/* ---- text ---- */

/* Writes a text for HTML, cut off where it does not fit. */
static void escape(const char *text, char *out, size_t capacity)
{
    size_t used = 0;
    for (; *text != '\0'; text++) {
        const char *as = *text == '<'    ? "&lt;"
                         : *text == '>'  ? "&gt;"
                         : *text == '&'  ? "&amp;"
                         : *text == '\'' ? "&#39;"
                                         : NULL;
        const size_t length = as != NULL ? strlen(as) : 1;
        if (used + length >= capacity)
            break;
        memcpy(out + used, as != NULL ? as : text, length);
        used += length;
    }
    out[used] = '\0';
}

static void put_escaped(const char *text, FILE *file)
{
    char escaped[6 * OPTIONS_TEXT_BYTES];
    escape(text != NULL ? text : "", escaped, sizeof escaped);
    (void)fputs(escaped, file);
}

static void put_number(double value, int digits, FILE *file)
{
    (void)fputs("<td>", file);
    if (!isnan(value))
        (void)fprintf(file, "%.*g", digits, value);
    (void)fputs("</td>", file);
}

/* ---- plots ---- */

/* Adds a series to a chart that has fewer than PLOT_SERIES. */
static plot_series *add_series(plot *chart, const char *name)
{
    assert(chart->count < PLOT_SERIES);
    plot_series *series = &chart->series[chart->count++];
    *series = (plot_series){.name = name};
    return series;
}

static void draw(const plot *chart, FILE *file)
{
    (void)fputs("<figure>", file);
    plot_draw(chart, file);
    (void)fputs("</figure>\n", file);
}

/* Losses by step, neighbours joined where there are more than a plot has points. */
static void draw_losses(const journal *j, plot *chart, FILE *file)
{
    size_t total = 0;
    for (size_t i = 0; next_line(j, "step", &i) != NULL;)
        total++;
    const size_t each = total / PLOT_POINTS + 1;
    *chart = (plot){.title = "Training loss",
                    .x_name = "step",
                    .y_name = "loss",
                    .x_linear = true,
                    .y_linear = true};
    plot_series *series = add_series(chart, "loss");
    double sum = 0.0;
    size_t joined = 0;
    const json_t *line;
    for (size_t i = 0; (line = next_line(j, "step", &i)) != NULL;) {
        sum += number(line, "loss");
        if (++joined == each) {
            plot_add(series, number(line, "step"), sum / (double)each);
            joined = 0;
            sum = 0.0;
        }
    }
    draw(chart, file);
}

/* A figure of every task by epoch. */
static void draw_epochs(const journal *j, const char *title, const char *key, plot *chart,
                        FILE *file)
{
    char names[PLOT_SERIES][NAME_BYTES];
    const json_t *last = last_line(j, "epoch");
    json_t *tasks = json_object_get(last, "tasks");
    const char *task;
    json_t *figures;
    *chart = (plot){
        .title = title, .x_name = "epoch", .y_name = key, .x_linear = true, .y_linear = true};
    json_object_foreach(tasks, task, figures)
    {
        escape(task, names[chart->count], NAME_BYTES);
        plot_series *series = add_series(chart, names[chart->count]);
        const json_t *line;
        for (size_t i = 0;
             series->count < PLOT_POINTS && (line = next_line(j, "epoch", &i)) != NULL;)
            plot_add(series, number(line, "epoch") + 1,
                     number(json_object_get(json_object_get(line, "tasks"), task), key));
        if (chart->count == PLOT_SERIES)
            break;
    }
    draw(chart, file);
}

/* A figure of every group by epoch. */
static void draw_groups(const journal *j, const char *title, const char *key, plot *chart,
                        FILE *file)
{
    static const char *const names[PLOT_SERIES] = {"group 0", "group 1", "group 2", "group 3",
                                                   "group 4", "group 5", "group 6", "group 7"};
    const size_t groups = json_array_size(json_object_get(last_line(j, "epoch"), "groups"));
    *chart = (plot){
        .title = title, .x_name = "epoch", .y_name = key, .x_linear = true, .y_linear = true};
    for (size_t g = 0; g < groups && g < PLOT_SERIES; g++) {
        plot_series *series = add_series(chart, names[g]);
        const json_t *line;
        for (size_t i = 0;
             series->count < PLOT_POINTS && (line = next_line(j, "epoch", &i)) != NULL;)
            plot_add(series, number(line, "epoch") + 1,
                     number(json_array_get(json_object_get(line, "groups"), g), key));
    }
    if (groups > 0)
        draw(chart, file);
}

/* AUC by length of history; a history of none stands at 1. */
static void draw_lengths(const journal *j, plot *chart, FILE *file)
{
    char names[PLOT_SERIES][NAME_BYTES];
    json_t *tasks = json_object_get(last_line(j, "end"), "tasks");
    const char *task;
    json_t *figures;
    *chart = (plot){.title = "AUC by length of history, test split",
                    .x_name = "events in the history, from",
                    .y_name = "AUC",
                    .y_linear = true};
    json_object_foreach(tasks, task, figures)
    {
        if (chart->count == PLOT_SERIES)
            break;
        escape(task, names[chart->count], NAME_BYTES);
        plot_series *series = add_series(chart, names[chart->count]);
        size_t b;
        json_t *bucket;
        json_array_foreach(json_object_get(figures, "by_length"), b, bucket)
        {
            plot_add(series, fmax(1.0, number(bucket, "from")), number(bucket, "auc"));
        }
    }
    draw(chart, file);
}

/* κ_h by the age of an event, as the best epoch learned it. */
static void draw_kernel(const journal *j, plot *chart, FILE *file)
{
    static const char *const names[PLOT_SERIES] = {"head 0", "head 1", "head 2", "head 3",
                                                   "head 4", "head 5", "head 6", "head 7"};
    const json_t *line;
    const json_t *best = NULL;
    for (size_t i = 0; (line = next_line(j, "epoch", &i)) != NULL;)
        best = json_is_true(json_object_get(line, "best")) || best == NULL ? line : best;
    const json_t *decay = json_object_get(best, "decay");
    const json_t *weight = json_object_get(best, "weight");
    const size_t kernels = json_array_size(decay);
    *chart = (plot){.title = "Temporal kernel",
                    .x_name = "age of an event in hours",
                    .y_name = "weight",
                    .y_linear = true};
    for (size_t h = 0; kernels > 0 && h < json_array_size(weight) / kernels && h < PLOT_SERIES;
         h++) {
        plot_series *series = add_series(chart, names[h]);
        for (size_t i = 0; i <= KERNEL_POINTS; i++) {
            const double hours = pow(10.0, -1.0 + 6.0 * (double)i / KERNEL_POINTS);
            double sum = 0.0;
            for (size_t r = 0; r < kernels; r++)
                sum += json_number_value(json_array_get(weight, h * kernels + r)) *
                       exp(-json_number_value(json_array_get(decay, r)) * hours);
            plot_add(series, hours, sum);
        }
    }
    if (chart->count > 0)
        draw(chart, file);
}

/* What attention over codewords does to its output, beside what it may do (vql.md §9). */
static void draw_errors(const journal *j, plot *chart, FILE *file)
{
    const json_t *errors = json_object_get(last_line(j, "end"), "attention_error");
    if (json_array_size(errors) == 0)
        return;
    *chart =
        (plot){.title = "Attention over codewords against exact, parts of the values' diameter",
               .x_name = "events in the history, from",
               .y_name = "difference of the outputs",
               .y_linear = true};
    plot_series *found = add_series(chart, "found");
    plot_series *bound = add_series(chart, "bound, tanh(ε/2)");
    size_t b;
    json_t *bucket;
    json_array_foreach(errors, b, bucket)
    {
        const double from = fmax(1.0, number(bucket, "from"));
        plot_add(found, from, number(bucket, "output_error"));
        plot_add(bound, from, number(bucket, "bound"));
    }
    draw(chart, file);
}

/* ---- tables ---- */

static void put_options(const journal *j, FILE *file)
{
    json_t *options = json_object_get(json_array_get(j->lines, 0), "options");
    const char *name;
    json_t *value;
    (void)fputs("<details><summary>Options</summary><table>\n", file);
    json_object_foreach(options, name, value)
    {
        (void)fprintf(file, "<tr><th>%s</th><td>", name);
        put_escaped(json_string_value(value), file);
        (void)fputs("</td></tr>\n", file);
    }
    (void)fputs("</table></details>\n", file);
}

static void put_results(const journal *j, FILE *file)
{
    json_t *tasks = json_object_get(last_line(j, "end"), "tasks");
    const char *task;
    json_t *figures;
    (void)fputs("<table><tr><th>test split</th><th>impressions</th><th>AUC</th><th>GAUC</th>"
                "<th>log loss</th></tr>\n",
                file);
    json_object_foreach(tasks, task, figures)
    {
        (void)fputs("<tr><th>", file);
        put_escaped(task, file);
        (void)fputs("</th>", file);
        put_number(number(figures, "impressions"), 12, file);
        put_number(number(figures, "auc"), 5, file);
        put_number(number(figures, "gauc"), 5, file);
        put_number(number(figures, "log_loss"), 5, file);
        (void)fputs("</tr>\n", file);
    }
    (void)fputs("</table>\n", file);
}

static void put_epochs(const journal *j, FILE *file)
{
    const json_t *line;
    (void)fputs("<table><tr><th>epoch</th><th>attention over</th><th>loss</th><th>mean AUC, "
                "validation</th><th>seconds</th><th>GFLOP</th><th>part of the machine's peak</th>"
                "<th></th></tr>\n",
                file);
    for (size_t i = 0; (line = next_line(j, "epoch", &i)) != NULL;) {
        (void)fprintf(file, "<tr><th>%.0f</th><td>%s</td>", number(line, "epoch") + 1,
                      json_is_true(json_object_get(line, "quantized")) ? "codewords" : "keys");
        put_number(number(line, "loss"), 5, file);
        put_number(number(line, "validation"), 5, file);
        put_number(number(line, "seconds"), 5, file);
        put_number(number(line, "gflop"), 5, file);
        put_number(number(line, "gflop") / number(line, "seconds") / number(line, "peak_gflops"), 2,
                   file);
        (void)fprintf(file, "<td>%s</td></tr>\n",
                      json_is_true(json_object_get(line, "best")) ? "best so far" : "");
    }
    (void)fputs("</table>\n", file);
}

int report_write(const journal *j, const char *path)
{
    static const char head[] =
        "<!DOCTYPE html><html lang='en'><head><meta charset='utf-8'><title>vql-train</title><style>"
        "body{font-family:sans-serif;max-width:80em;margin:2em auto;padding:0 1em}"
        "figure{display:inline-block;width:36em;max-width:100%;margin:.5em}"
        "table{border-collapse:collapse;margin:1em 0}td,th{padding:.2em .8em;text-align:left;"
        "border-bottom:1px solid #ddd}</style></head><body>\n<h1>";
    new_file out;
    plot *chart = malloc(sizeof *chart);
    if (chart == NULL)
        return ENOMEM;
    const int error = new_file_open(&out, path);
    if (error != 0) {
        free(chart);
        return error;
    }
    FILE *file = out.stream;
    (void)fputs(head, file);
    put_escaped(json_string_value(json_object_get(last_line(j, "end"), "model")), file);
    (void)fputs("</h1>\n", file);
    put_results(j, file);
    put_epochs(j, file);
    draw_losses(j, chart, file);
    draw_epochs(j, "AUC by epoch, validation split", "auc", chart, file);
    draw_epochs(j, "Log loss by epoch, validation split", "log_loss", chart, file);
    draw_lengths(j, chart, file);
    draw_groups(j, "Codewords in use (perplexity)", "perplexity", chart, file);
    draw_groups(j, "Relative error of keys", "key_error", chart, file);
    draw_kernel(j, chart, file);
    draw_errors(j, chart, file);
    put_options(j, file);
    (void)fputs("</body></html>\n", file);
    free(chart);
    return new_file_close(&out, true);
}
