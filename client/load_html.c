#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "load_print.h"
#include "load_report.h"
#include "plot.h"

enum { PERCENTILE_POINTS = 100 };

static double ms(uint64_t ns)
{
    return 1e-6 * (double)ns;
}

/* Text of any origin. */
static void write_text(FILE *file, const char *text)
{
    for (; *text != '\0'; text++)
        if (*text == '<' || *text == '>' || *text == '&' || *text == '\'' || *text == '"')
            (void)fprintf(file, "&#%d;", *text);
        else
            (void)fputc(*text, file);
}

static void write_row(FILE *file, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void write_row(FILE *file, const char *name, const char *format, ...)
{
    char value[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(value, sizeof value, format, arguments);
    va_end(arguments);
    (void)fprintf(file, "<tr><th>%s</th><td>", name);
    write_text(file, value);
    (void)fputs("</td></tr>\n", file);
}

static void write_settings(const load_report *r, FILE *file)
{
    const load_settings *s = r->settings;
    (void)fputs("<table>\n", file);
    write_row(file, "server", "%s", s->server);
    write_row(file, "connections × streams", "%u × %u", s->connections, s->streams);
    write_row(file, "mix", "%s", s->mix);
    write_row(file, "users", "%s", s->users);
    write_row(file, "candidates", "%u", s->candidates);
    write_row(file, "warm-up, measured", "%g s, %g s", s->warmup, s->duration);
    if (s->search > 0)
        write_row(file, "search", "p99 within %g ms, to %g %%", s->search, s->search_step);
    if (r->verify != NULL)
        write_row(file, "verified",
                  "%" PRIu64 " answers, %" PRIu64 " of them compared, %" PRIu64 " wrong",
                  load_verify_seen(r->verify), load_verify_compared(r->verify),
                  load_verify_wrong(r->verify));
    (void)fputs("</table>\n", file);
}

static void write_counts(FILE *file, const load_result *r)
{
    const load_counts *c = &r->outcome.tally->counts;
    (void)fputs("<table>\n", file);
    write_row(file, "rate due", "%.0f/s", (double)c->due / fmax(r->outcome.measured_s, 1e-9));
    write_row(file, "answered with OK", "%.0f/s", load_result_rate(r));
    write_row(file, "calls",
              "%" PRIu64 " due, %" PRIu64 " sent, %" PRIu64 " skipped, %" PRIu64 " not answered",
              c->due, c->sent, c->skipped, c->unanswered);
    for (int i = 0; i < LOAD_STATUSES; i++)
        if (c->statuses[i] > 0)
            write_row(file, vqlc_status_name((vqlc_status)i), "%" PRIu64 " %s", c->statuses[i],
                      r->outcome.texts[i]);
    (void)fputs("</table>\n", file);
}

static void write_latencies(FILE *file, const load_result *r)
{
    const load_histogram *const rows[] = {&r->due, &r->sent};
    static const char *const names[] = {"since due", "since sent"};
    (void)fputs("<table><tr><th>latency, ms</th>", file);
    for (int i = 0; i < LOAD_QUANTILES; i++)
        (void)fprintf(file, "<th>%s %%</th>", load_quantile_names[i]);
    (void)fputs("</tr>\n", file);
    for (size_t row = 0; row < 2; row++) {
        (void)fprintf(file, "<tr><th>%s</th>", names[row]);
        for (int i = 0; i < LOAD_QUANTILES; i++)
            (void)fprintf(file, "<td>%.3f</td>",
                          ms(load_histogram_quantile(rows[row], load_quantiles[i])));
        (void)fputs("</tr>\n", file);
    }
    (void)fputs("</table>\n", file);
}

/* A plot takes positive numbers where it is logarithmic. */
static void add(plot_series *series, double x, double y)
{
    plot_add(series, x, fmax(y, 1e-6));
}

/* Latency against 1 / (1 - quantile), so that 99.9 % is as far from 99 % as that from 90 %. */
static void draw_percentiles(plot *p, FILE *file, const load_result *r)
{
    *p = (plot){.title = "Latency by percentile",
                .x_name = "1 / (1 - percentile): 10 is 90 %, 100 is 99 %, 1000 is 99.9 %",
                .y_name = "ms",
                .count = 2,
                .series = {{.name = "since due"}, {.name = "since sent"}}};
    const double most = fmin(fmax((double)r->due.total, 10), 1e6);
    for (int i = 0; i <= PERCENTILE_POINTS; i++) {
        const double x = pow(most, (double)i / PERCENTILE_POINTS);
        add(&p->series[0], x, ms(load_histogram_quantile(&r->due, 1 - 1 / x)));
        add(&p->series[1], x, ms(load_histogram_quantile(&r->sent, 1 - 1 / x)));
    }
    plot_draw(p, file);
}

/* Every so many points are one in a plot. */
static size_t stride(const load_timeline *t)
{
    return t->count / PLOT_POINTS + 1;
}

static void draw_latency_line(plot *p, FILE *file, const load_timeline *t)
{
    *p = (plot){.title = "Latency since due, over time",
                .x_name = "seconds",
                .y_name = "ms",
                .x_linear = true,
                .count = 4,
                .series = {{.name = "p50"}, {.name = "p99"}, {.name = "p99.9"}, {.name = "max"}}};
    for (size_t i = 0; i < t->count; i += stride(t)) {
        const load_point *at = &t->points[i];
        if (at->begin_s < 0 || at->counts.statuses[VQLC_OK] == 0)
            continue;
        add(&p->series[0], at->end_s, ms(at->p50_ns));
        add(&p->series[1], at->end_s, ms(at->p99_ns));
        add(&p->series[2], at->end_s, ms(at->p999_ns));
        add(&p->series[3], at->end_s, ms(at->most_ns));
    }
    plot_draw(p, file);
}

static void draw_rate_line(plot *p, FILE *file, const load_timeline *t)
{
    *p = (plot){.title = "Calls, over time",
                .x_name = "seconds",
                .y_name = "a second",
                .x_linear = true,
                .y_linear = true,
                .count = 3,
                .series = {{.name = "due"}, {.name = "answered with OK"}, {.name = "failed"}}};
    for (size_t i = 0; i < t->count; i += stride(t)) {
        const load_point *at = &t->points[i];
        const double seconds = at->end_s - at->begin_s;
        if (at->begin_s < 0 || !(seconds > 0))
            continue;
        plot_add(&p->series[0], at->end_s, (double)at->counts.due / seconds);
        plot_add(&p->series[1], at->end_s, load_point_rate(at));
        plot_add(&p->series[2], at->end_s, (double)load_counts_failed(&at->counts) / seconds);
    }
    plot_draw(p, file);
}

static int by_rate(const void *left, const void *right)
{
    const load_result *const *a = left;
    const load_result *const *b = right;
    return ((*a)->rate > (*b)->rate) - ((*a)->rate < (*b)->rate);
}

/* The trials of a search, or a ramp's or steps' intervals. */
static void draw_against_rate(plot *p, FILE *file, const load_report *r)
{
    *p = (plot){.title = "Latency since due, against the rate",
                .x_name = "calls due a second",
                .y_name = "ms",
                .x_linear = true,
                .count = 3,
                .series = {{.name = "p50"}, {.name = "p99"}, {.name = "p99.9"}}};
    const load_result *sorted[LOAD_MAX_TRIALS];
    memcpy(sorted, r->results, r->count * sizeof(load_result *));
    qsort(sorted, r->count, sizeof(load_result *), by_rate);
    for (size_t i = 0; i < r->count && r->settings->search > 0; i++) {
        add(&p->series[0], sorted[i]->rate, ms(load_histogram_quantile(&sorted[i]->due, 0.5)));
        add(&p->series[1], sorted[i]->rate, ms(load_histogram_quantile(&sorted[i]->due, 0.99)));
        add(&p->series[2], sorted[i]->rate, ms(load_histogram_quantile(&sorted[i]->due, 0.999)));
    }
    const load_timeline *t = r->results[0]->timeline;
    for (size_t i = 0; i < t->count && r->settings->rate_end > 0; i += stride(t)) {
        const load_point *at = &t->points[i];
        if (at->begin_s < 0 || !(at->rate > 0) || at->counts.statuses[VQLC_OK] == 0)
            continue;
        add(&p->series[0], at->rate, ms(at->p50_ns));
        add(&p->series[1], at->rate, ms(at->p99_ns));
        add(&p->series[2], at->rate, ms(at->p999_ns));
    }
    plot_draw(p, file);
}

static void write_trials(FILE *file, const load_report *r)
{
    (void)fputs("<table><tr><th>rate</th><th>answered with OK</th><th>p50, ms</th><th>p99, ms</th>"
                "<th>failed</th><th>skipped</th></tr>\n",
                file);
    for (size_t i = 0; i < r->count; i++) {
        const load_result *t = r->results[i];
        const load_counts *c = &t->outcome.tally->counts;
        (void)fprintf(file,
                      "<tr><td>%.0f/s%s</td><td>%.0f/s</td><td>%.3f</td><td>%.3f</td><td>%" PRIu64
                      "</td><td>%" PRIu64 "</td></tr>\n",
                      t->rate, t == r->chosen ? " ←" : "", load_result_rate(t),
                      ms(load_histogram_quantile(&t->due, 0.5)),
                      ms(load_histogram_quantile(&t->due, 0.99)),
                      load_counts_failed(c) + c->unanswered, c->skipped);
    }
    (void)fputs("</table>\n", file);
}

static void write_result(FILE *file, const load_report *r, plot *p)
{
    const load_result *chosen = r->chosen;
    write_counts(file, chosen);
    write_latencies(file, chosen);
    draw_percentiles(p, file, chosen);
    draw_latency_line(p, file, chosen->timeline);
    draw_rate_line(p, file, chosen->timeline);
}

bool load_report_html(const load_report *r, FILE *file)
{
    plot *p = malloc(sizeof *p);
    if (p == NULL)
        return false;
    (void)fputs("<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'><title>vqlbench"
                "</title><style>body{font-family:sans-serif;max-width:760px;margin:2em auto}"
                "table{border-collapse:collapse;margin:1em 0}th,td{padding:.2em .8em;"
                "text-align:left;border-bottom:1px solid #ddd}svg{margin:1em 0}</style></head>"
                "<body>\n<h1>vqlbench</h1>\n",
                file);
    write_settings(r, file);
    if (r->settings->search > 0)
        write_trials(file, r);
    if (r->settings->search > 0 || r->settings->rate_end > 0)
        draw_against_rate(p, file, r);
    if (r->chosen != NULL)
        write_result(file, r, p);
    (void)fputs("</body></html>\n", file);
    free(p);
    return ferror(file) == 0;
}
