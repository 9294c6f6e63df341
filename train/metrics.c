#include "metrics.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

const uint32_t METRICS_FIRST[METRICS_BUCKETS] = {0, 1, 10, 50, 200, 1000, 5000, 20000};

/* A logit and its label. */
typedef struct scored {
    float logit;
    uint32_t user;
    uint8_t label;
} scored;

static int compare_logits(const void *a, const void *b)
{
    const float left = ((const scored *)a)->logit;
    const float right = ((const scored *)b)->logit;
    return (left > right) - (left < right);
}

/* Sorts the scored, and finds the area by the ranks of the positives; equal ones share theirs. */
static double find_auc(scored *all, size_t count)
{
    double ranks = 0.0;
    double positives = 0.0;
    qsort(all, count, sizeof *all, compare_logits);
    for (size_t first = 0, last; first < count; first = last) {
        double here = 0.0;
        for (last = first; last < count && all[last].logit == all[first].logit; last++)
            here += all[last].label;
        ranks += here * (double)(first + 1 + last) / 2.0;
        positives += here;
    }
    const double pairs = positives * ((double)count - positives);
    return pairs > 0.0 ? (ranks - positives * (positives + 1.0) / 2.0) / pairs : (double)NAN;
}

/* The users' AUC; the scored are in order of user. */
static double find_gauc(scored *all, size_t count)
{
    double sum = 0.0;
    double weights = 0.0;
    for (size_t first = 0, last; first < count; first = last) {
        const uint32_t user = all[first].user;
        last = first + 1;
        while (last < count && all[last].user == user)
            last++;
        const double auc = find_auc(all + first, last - first);
        if (!isnan(auc)) {
            sum += auc * (double)(last - first);
            weights += (double)(last - first);
        }
    }
    return weights > 0.0 ? sum / weights : (double)NAN;
}

/* -log of the probability that a logit gives to a label. */
static double find_loss(double logit, bool label)
{
    const double against = label ? -logit : logit;
    return fmax(against, 0.0) + log1p(exp(-fabs(logit)));
}

static metrics judge(scored *all, size_t count)
{
    metrics found = {.count = count, .auc = (double)NAN, .gauc = (double)NAN};
    double loss = 0.0;
    for (size_t i = 0; i < count; i++) {
        found.positives += all[i].label;
        loss += find_loss((double)all[i].logit, all[i].label);
    }
    found.log_loss = count > 0 ? loss / (double)count : (double)NAN;
    if (!isnan(loss)) {
        found.gauc = find_gauc(all, count);
        found.auc = find_auc(all, count);
    }
    return found;
}

/* Judges a task by the impressions whose histories have first to last events. */
static metrics judge_task(const train_impression *impressions, size_t count, uint32_t column,
                          const float *logits, uint32_t tasks, uint32_t first, uint32_t last,
                          scored *scratch)
{
    size_t chosen = 0;
    for (size_t i = 0; i < count; i++) {
        const train_impression *at = &impressions[i];
        if (at->history >= first && at->history <= last)
            scratch[chosen++] = (scored){logits[i * tasks], at->user, at->labels[column]};
    }
    return judge(scratch, chosen);
}

vql_code metrics_judge(const train_impression *impressions, size_t count, uint32_t tasks,
                       const uint32_t *columns, const float *logits, metrics_report *out)
{
    scored *scratch = malloc((count + 1) * sizeof *scratch);
    if (scratch == NULL)
        return VQL_NO_MEMORY;
    *out = (metrics_report){.tasks = tasks};
    for (uint32_t t = 0; t < tasks; t++) {
        const uint32_t column = columns != NULL ? columns[t] : t;
        out->all[t] =
            judge_task(impressions, count, column, logits + t, tasks, 0, UINT32_MAX, scratch);
        for (uint32_t b = 0; b < METRICS_BUCKETS; b++) {
            const uint32_t last = b + 1 < METRICS_BUCKETS ? METRICS_FIRST[b + 1] - 1 : UINT32_MAX;
            out->by_length[t][b] = judge_task(impressions, count, column, logits + t, tasks,
                                              METRICS_FIRST[b], last, scratch);
        }
    }
    free(scratch);
    return VQL_OK;
}

double metrics_mean_auc(const metrics_report *report)
{
    double sum = 0.0;
    for (uint32_t t = 0; t < report->tasks; t++)
        sum += report->all[t].auc;
    return sum / report->tasks;
}

void metrics_bucket_name(uint32_t bucket, char *out, size_t capacity)
{
    const uint32_t first = METRICS_FIRST[bucket];
    if (bucket + 1 == METRICS_BUCKETS)
        (void)snprintf(out, capacity, "%u and more", first);
    else if (METRICS_FIRST[bucket + 1] - 1 == first)
        (void)snprintf(out, capacity, "%u", first);
    else
        (void)snprintf(out, capacity, "%u - %u", first, METRICS_FIRST[bucket + 1] - 1);
}
