#include "load_print.h"

#include <inttypes.h>

const double load_quantiles[LOAD_QUANTILES] = {0.5, 0.9, 0.95, 0.99, 0.999, 0.9999, 0.99999, 1};
const char *const load_quantile_names[LOAD_QUANTILES] = {"50",   "90",    "95",     "99",
                                                         "99.9", "99.99", "99.999", "100"};

double load_result_rate(const load_result *r)
{
    const double seconds = r->outcome.answered_s;
    return seconds > 0 ? (double)r->outcome.tally->counts.statuses[VQLC_OK] / seconds : 0;
}

static void print_counts(FILE *file, const load_outcome *o)
{
    const load_counts *c = &o->tally->counts;
    (void)fprintf(file,
                  "calls       %" PRIu64 " due = %" PRIu64 " sent + %" PRIu64 " skipped; %" PRIu64
                  " not answered\n",
                  c->due, c->sent, c->skipped, c->unanswered);
    for (int i = 0; i < LOAD_STATUSES; i++)
        if (c->statuses[i] > 0)
            (void)fprintf(file, "  %-20s %12" PRIu64 "  %s\n", vqlc_status_name((vqlc_status)i),
                          c->statuses[i], o->texts[i]);
}

static void print_row(FILE *file, const char *name, const load_histogram *h)
{
    if (h->total == 0)
        return;
    (void)fprintf(file, "%-22s", name);
    for (int i = 0; i < LOAD_QUANTILES; i++)
        (void)fprintf(file, " %9.3f", 1e-6 * (double)load_histogram_quantile(h, load_quantiles[i]));
    (void)fprintf(file, " %9.3f\n", 1e-6 * load_histogram_mean(h));
}

static void print_latencies(FILE *file, const load_result *r)
{
    (void)fprintf(file, "\nlatency in ms, %%    ");
    for (int i = 0; i < LOAD_QUANTILES; i++)
        (void)fprintf(file, " %9s", load_quantile_names[i]);
    (void)fprintf(file, "      mean\n");
    print_row(file, "since due", &r->due);
    print_row(file, "since sent", &r->sent);
    const load_tally *t = r->outcome.tally;
    for (int kind = 0; kind < LOAD_KIND_COUNT; kind++)
        if (t->due[kind].total < r->due.total)
            print_row(file, load_kind_name((load_kind)kind), &t->due[kind]);
    print_row(file, "failed, since due", &t->failed);
}

void load_print_table(FILE *file, const load_result *r)
{
    const load_outcome *o = &r->outcome;
    const load_counts *c = &o->tally->counts;
    const double seconds = o->measured_s > 0 ? o->measured_s : 1;
    (void)fprintf(file, "measured    %.2f s%s\n", o->measured_s,
                  o->interrupted ? ", interrupted" : "");
    (void)fprintf(file, "rate        %.0f/s due, %.0f/s sent, %.0f/s answered with OK\n",
                  (double)c->due / seconds, (double)c->sent / seconds, load_result_rate(r));
    print_counts(file, o);
    print_latencies(file, r);
    (void)fprintf(file,
                  "\nclient      %.0f %% of a core, %.2f µs a call; %" PRIu64 " connections%s%s\n",
                  100 * o->cpu_s / seconds, c->sent > 0 ? 1e6 * o->cpu_s / (double)c->sent : 0,
                  o->connects, o->error[0] != '\0' ? ", the last that was lost: " : "", o->error);
}
