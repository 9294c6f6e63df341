/*
 * Metrics in Prometheus' text format, version 0.0.4: families of samples, each with its HELP and
 * TYPE once.
 * https://github.com/prometheus/docs/blob/main/docs/instrumenting/exposition_formats.md
 */
#ifndef VQL_SERVER_EXPOSITION_H
#define VQL_SERVER_EXPOSITION_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "histogram.h"

extern const char exposition_type[]; /* Content-Type */

/* A label of a sample. */
typedef struct exposition_label {
    const char *name, *value;
} exposition_label;

/* Labels of one sample, count of them; value: any bytes of UTF-8. */
typedef struct exposition_labels {
    size_t count;
    exposition_label all[4];
} exposition_labels;

/* Begins a family; type is "counter", "gauge" or "histogram". */
void exposition_family(FILE *out, const char *name, const char *type, const char *help);

/* A sample of the family; labels may be NULL. */
void exposition_number(FILE *out, const char *name, const exposition_labels *labels,
                       uint64_t value);
void exposition_real(FILE *out, const char *name, const exposition_labels *labels, double value);

/* A histogram's samples. */
void exposition_histogram(FILE *out, const char *name, const exposition_labels *labels,
                          const histogram_scale *scale, const histogram_total *total);

/* A family of one sample without labels. */
void exposition_gauge(FILE *out, const char *name, const char *help, double value);

#endif
