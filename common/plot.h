/*
 * Line charts, written as SVG.
 */
#ifndef VQL_COMMON_PLOT_H
#define VQL_COMMON_PLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum {
    PLOT_SERIES = 8,
    PLOT_POINTS = 512,
};

typedef struct plot_series {
    const char *name;
    size_t count;
    double x[PLOT_POINTS];
    double y[PLOT_POINTS];
} plot_series;

typedef struct plot {
    const char *title, *x_name, *y_name;
    bool x_linear, y_linear; /* else logarithmic, of positive numbers */
    size_t count;
    plot_series series[PLOT_SERIES];
} plot;

/* Adds a point to a series, which has room for PLOT_POINTS; what is no number is left out. */
void plot_add(plot_series *series, double x, double y);

/* Writes the chart as an element svg. */
void plot_draw(const plot *chart, FILE *file);

/* Writes the chart as a file; aborts with a message when it cannot be written. */
void plot_write(const plot *chart, const char *path);

#endif
