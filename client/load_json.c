#include <jansson.h>

#include "load_print.h"
#include "load_report.h"

static json_int_t whole(uint64_t number)
{
    return (json_int_t)number;
}

static json_t *counts_json(const load_counts *c)
{
    json_t *statuses = json_object();
    for (int i = 0; i < LOAD_STATUSES; i++)
        if (c->statuses[i] > 0)
            (void)json_object_set_new(statuses, vqlc_status_name((vqlc_status)i),
                                      json_integer(whole(c->statuses[i])));
    return json_pack("{sI sI sI sI so}", "due", whole(c->due), "sent", whole(c->sent), "skipped",
                     whole(c->skipped), "unanswered", whole(c->unanswered), "statuses", statuses);
}

static json_t *histogram_json(const load_histogram *h)
{
    json_t *percentiles = json_object();
    for (int i = 0; i < LOAD_QUANTILES && h->total > 0; i++)
        (void)json_object_set_new(
            percentiles, load_quantile_names[i],
            json_integer(whole(load_histogram_quantile(h, load_quantiles[i]))));
    return json_pack("{sI sf sI so}", "count", whole(h->total), "mean", load_histogram_mean(h),
                     "max", whole(h->most_ns), "percentiles", percentiles);
}

static json_t *timeline_json(const load_timeline *t)
{
    json_t *points = json_array();
    for (size_t i = 0; i < t->count; i++) {
        const load_point *p = &t->points[i];
        (void)json_array_append_new(
            points, json_pack("{sf sf sf sf so sI sI sI sI sI sI sI}", "begin_s", p->begin_s,
                              "end_s", p->end_s, "rate", p->rate, "ok_per_s", load_point_rate(p),
                              "calls", counts_json(&p->counts), "p50_ns", whole(p->p50_ns),
                              "p90_ns", whole(p->p90_ns), "p99_ns", whole(p->p99_ns), "p999_ns",
                              whole(p->p999_ns), "max_ns", whole(p->most_ns), "waiting",
                              whole(p->waiting), "in_flight", whole(p->in_flight)));
    }
    return points;
}

static json_t *kinds_json(const load_tally *t)
{
    json_t *kinds = json_object();
    for (int kind = 0; kind < LOAD_KIND_COUNT; kind++)
        if (t->due[kind].total > 0)
            (void)json_object_set_new(kinds, load_kind_name((load_kind)kind),
                                      json_pack("{so so}", "since_due",
                                                histogram_json(&t->due[kind]), "since_sent",
                                                histogram_json(&t->sent[kind])));
    return kinds;
}

static json_t *result_json(const load_result *r)
{
    const load_outcome *o = &r->outcome;
    json_t *latency = json_pack("{so so so so}", "since_due", histogram_json(&r->due), "since_sent",
                                histogram_json(&r->sent), "failed_since_due",
                                histogram_json(&o->tally->failed), "kinds", kinds_json(o->tally));
    return json_pack("{sf sf sf sf sf sb sI sf ss so so so}", "rate", r->rate, "start_s",
                     o->start_s, "measured_s", o->measured_s, "answered_s", o->answered_s,
                     "ok_per_s", load_result_rate(r), "interrupted", (int)o->interrupted,
                     "connections", whole(o->connects), "client_cpu_s", o->cpu_s, "last_error",
                     o->error, "calls", counts_json(&o->tally->counts), "latency_ns", latency,
                     "timeline", timeline_json(r->timeline));
}

static json_t *settings_json(const load_settings *s)
{
    return json_pack("{ss ss sI sI sI ss sI ss sI sf sf}", "server", s->server, "arrivals",
                     s->arrivals == LOAD_CLOSED    ? "closed"
                     : s->arrivals == LOAD_POISSON ? "poisson"
                                                   : "constant",
                     "connections", whole(s->connections), "streams", whole(s->streams),
                     "candidates", whole(s->candidates), "users", s->users, "seed", whole(s->seed),
                     "mix", s->mix, "deadline_ms", whole(s->deadline_ms), "warmup_s", s->warmup,
                     "duration_s", s->duration);
}

static json_t *verify_json(const load_verify *v)
{
    return json_pack("{sI sI sI ss}", "seen", whole(load_verify_seen(v)), "compared",
                     whole(load_verify_compared(v)), "wrong", whole(load_verify_wrong(v)),
                     "first_wrong", load_verify_text(v));
}

bool load_report_json(const load_report *r, FILE *file)
{
    json_t *all =
        json_pack("{ss so}", "vqlbench", VQLC_VERSION, "settings", settings_json(r->settings));
    json_t *trials = json_array();
    for (size_t i = 0; i < r->count && r->settings->search > 0; i++)
        (void)json_array_append_new(trials, result_json(r->results[i]));
    if (r->chosen != NULL)
        (void)json_object_set_new(all, "result", result_json(r->chosen));
    if (r->settings->search > 0)
        (void)json_object_set_new(all, "trials", json_incref(trials));
    json_decref(trials);
    if (r->verify != NULL)
        (void)json_object_set_new(all, "verify", verify_json(r->verify));
    const bool written = json_dumpf(all, file, JSON_INDENT(2) | JSON_REAL_PRECISION(15)) == 0;
    json_decref(all);
    return written && fputc('\n', file) != EOF;
}
