/*
 * Line charts with logarithmic axes, written as SVG.
 */
#ifndef VQL_BENCH_PLOT_H
#define VQL_BENCH_PLOT_H

#include <stddef.h>

enum {
    PLOT_SERIES = 6,
    PLOT_POINTS = 16,
};

typedef struct plot_series {
    const char *name;
    size_t count;
    double x[PLOT_POINTS];
    double y[PLOT_POINTS];
} plot_series;

typedef struct plot {
    const char *title, *x_name, *y_name;
    size_t count;
    plot_series series[PLOT_SERIES];
} plot;

/* Adds a point to a series; positive numbers. */
void plot_add(plot_series *series, double x, double y);

/* Writes the chart; aborts with a message when the file cannot be written. */
void plot_write(const plot *chart, const char *path);

#endif
