#include "load_timeline.h"

#include <stdlib.h>

#include "load_log.h"

load_timeline *load_timeline_new(bool keeps_histograms)
{
    load_timeline *t = calloc(1, sizeof *t);
    if (t != NULL)
        t->keeps_histograms = keeps_histograms;
    return t;
}

void load_timeline_free(load_timeline *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->count; i++) {
        free(t->points[i].due);
        free(t->points[i].sent);
    }
    free(t->points);
    free(t);
}

static void merge_kinds(load_histogram *out, const load_histogram kinds[LOAD_KIND_COUNT])
{
    load_histogram_clear(out);
    for (int kind = 0; kind < LOAD_KIND_COUNT; kind++)
        load_histogram_merge(out, &kinds[kind]);
}

static bool keep(load_timeline *t, load_point *p)
{
    p->due_most_ms = 1e-6 * (double)t->due.most_ns;
    p->sent_most_ms = 1e-6 * (double)t->sent.most_ns;
    p->due = load_log_encode(&t->due, &p->due_bytes);
    p->sent = load_log_encode(&t->sent, &p->sent_bytes);
    return p->due != NULL && p->sent != NULL;
}

bool load_timeline_add(load_timeline *t, const load_interval *interval)
{
    load_point *points = realloc(t->points, (t->count + 1) * sizeof *points);
    if (points == NULL)
        return false;
    t->points = points;
    merge_kinds(&t->due, interval->tally->due);
    merge_kinds(&t->sent, interval->tally->sent);
    load_point *p = &points[t->count++];
    *p = (load_point){
        .begin_s = interval->begin_s,
        .end_s = interval->end_s,
        .rate = interval->rate,
        .counts = interval->tally->counts,
        .p50_ns = load_histogram_quantile(&t->due, 0.5),
        .p90_ns = load_histogram_quantile(&t->due, 0.9),
        .p99_ns = load_histogram_quantile(&t->due, 0.99),
        .p999_ns = load_histogram_quantile(&t->due, 0.999),
        .most_ns = t->due.most_ns,
        .waiting = interval->waiting,
        .in_flight = interval->in_flight,
    };
    return !t->keeps_histograms || keep(t, p);
}

double load_point_rate(const load_point *p)
{
    const double seconds = p->end_s - p->begin_s;
    return seconds > 0 ? (double)p->counts.statuses[VQLC_OK] / seconds : 0;
}
