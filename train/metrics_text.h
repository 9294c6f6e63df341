/*
 * Figures of metrics.h as a table to read and as JSON.
 */
#ifndef VQL_TRAIN_METRICS_TEXT_H
#define VQL_TRAIN_METRICS_TEXT_H

#include <stdio.h>

#include "metrics.h"

struct json_t;

/* Writes a line for each task, and for each of its lengths that occurs; names [tasks]. */
void metrics_print(const metrics_report *report, const char *const *names, FILE *out);

/*
 * { TASK: { "impressions", "positives", "auc", "gauc", "log_loss", "by_length": [ { "from", "to"
 * and the same }, … ] }, … }, with null for NaN and for no end. The caller owns it; NULL: no
 * memory.
 */
struct json_t *metrics_json(const metrics_report *report, const char *const *names);

/* A number, or null for what is none. */
struct json_t *metrics_number(double number);

#endif
