#include "metrics_text.h"

#include <jansson.h>
#include <math.h>

static void print_line(const metrics *m, const char *task, const char *length, FILE *out)
{
    (void)fprintf(out, "%-16s %-16s %12zu %9.4f %9.4f %9.4f %9.4f\n", task, length, m->count,
                  m->count > 0 ? (double)m->positives / (double)m->count : (double)NAN, m->auc,
                  m->gauc, m->log_loss);
}

void metrics_print(const metrics_report *report, const char *const *names, FILE *out)
{
    (void)fprintf(out, "%-16s %-16s %12s %9s %9s %9s %9s\n", "task", "history", "impressions",
                  "positive", "AUC", "GAUC", "log loss");
    for (uint32_t t = 0; t < report->tasks; t++) {
        print_line(&report->all[t], names[t], "any", out);
        for (uint32_t b = 0; b < METRICS_BUCKETS; b++) {
            char length[32];
            metrics_bucket_name(b, length, sizeof length);
            if (report->by_length[t][b].count > 0)
                print_line(&report->by_length[t][b], "", length, out);
        }
    }
}

json_t *metrics_number(double number)
{
    return isfinite(number) ? json_real(number) : json_null();
}

static json_t *figures(const metrics *m)
{
    return json_pack("{s:I, s:I, s:o, s:o, s:o}", "impressions", (json_int_t)m->count, "positives",
                     (json_int_t)m->positives, "auc", metrics_number(m->auc), "gauc",
                     metrics_number(m->gauc), "log_loss", metrics_number(m->log_loss));
}

/* Adds the bucket's figures to an array. */
static int add_bucket(json_t *list, const metrics_report *report, uint32_t task, uint32_t bucket)
{
    json_t *entry = figures(&report->by_length[task][bucket]);
    const uint32_t next = bucket + 1;
    json_t *end =
        next < METRICS_BUCKETS ? json_integer((json_int_t)METRICS_FIRST[next] - 1) : json_null();
    if (json_object_set_new(entry, "from", json_integer(METRICS_FIRST[bucket])) != 0) {
        json_decref(end);
        json_decref(entry);
        return -1;
    }
    if (json_object_set_new(entry, "to", end) != 0) {
        json_decref(entry);
        return -1;
    }
    return json_array_append_new(list, entry);
}

json_t *metrics_json(const metrics_report *report, const char *const *names)
{
    json_t *tasks = json_object();
    for (uint32_t t = 0; t < report->tasks; t++) {
        json_t *task = figures(&report->all[t]);
        json_t *list = json_array();
        int failed = 0;
        for (uint32_t b = 0; b < METRICS_BUCKETS; b++)
            if (report->by_length[t][b].count > 0)
                failed |= add_bucket(list, report, t, b);
        failed |= json_object_set_new(task, "by_length", list);
        failed |= json_object_set_new(tasks, names[t], task);
        if (failed != 0) {
            json_decref(tasks);
            return NULL;
        }
    }
    return tasks;
}
