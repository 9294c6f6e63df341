#include "plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Pixels. */
enum {
    WIDTH = 720,
    HEIGHT = 420,
    LEFT = 80,
    RIGHT = 180,
    TOP = 40,
    BOTTOM = 60,
    MOST_DOTS = 64, /* a series of more points is a line without them */
};

static const char *const COLOURS[PLOT_SERIES] = {"#1b6ca8", "#d1495b", "#66a182", "#edae49",
                                                 "#6a4c93", "#555555", "#00a6a6", "#a44a3f"};

enum { LINEAR_TICKS = 5 };

/* What an axis shows: low and high are ticks, and so is every low + i · step between them. */
typedef struct axis {
    bool linear;
    double low, high, step; /* of logarithms to base 10 unless linear */
} axis;

static double position(const axis *a, double value)
{
    return a->linear ? value : log10(value);
}

static void widen(axis *a, double value)
{
    const double at = position(a, value);
    a->low = fmin(a->low, at);
    a->high = fmax(a->high, at);
}

/* The least of 1, 2, 5, 10 … that makes at most LINEAR_TICKS of a span. */
static double choose_step(double span)
{
    const double power = pow(10.0, floor(log10(span / LINEAR_TICKS)));
    const double part = span / LINEAR_TICKS / power;
    return power * (part <= 1.0 ? 1.0 : part <= 2.0 ? 2.0 : part <= 5.0 ? 5.0 : 10.0);
}

/* Makes the ends ticks. */
static void finish(axis *a)
{
    if (a->low > a->high) {
        a->low = 0.0;
        a->high = 1.0;
    }
    if (a->high - a->low <= 1e-9 * fabs(a->high))
        a->high = a->low + (a->low != 0.0 && a->linear ? fabs(a->low) : 1.0);
    a->step = a->linear ? choose_step(a->high - a->low) : 1.0;
    a->low = floor(a->low / a->step) * a->step;
    a->high = ceil(a->high / a->step) * a->step;
}

static double place(const axis *a, double at, double low, double high)
{
    return low + (high - low) * (at - a->low) / (a->high - a->low);
}

static double across(const axis *x, double value)
{
    return place(x, position(x, value), LEFT, WIDTH - RIGHT);
}

static double up(const axis *y, double value)
{
    return place(y, position(y, value), HEIGHT - BOTTOM, TOP);
}

void plot_add(plot_series *series, double x, double y)
{
    if (!isfinite(x) || !isfinite(y))
        return;
    if (series->count == PLOT_POINTS)
        abort();
    series->x[series->count] = x;
    series->y[series->count++] = y;
}

static int tick_count(const axis *a)
{
    return (int)lrint((a->high - a->low) / a->step);
}

/* The value at tick i. */
static double tick_value(const axis *a, int i)
{
    const double at = a->low + i * a->step;
    return a->linear ? (fabs(at) < a->step / 2 ? 0.0 : at) : pow(10, at);
}

static void write_axes(FILE *file, const plot *chart, const axis *x, const axis *y)
{
    for (int i = 0; i <= tick_count(x); i++) {
        const double value = tick_value(x, i);
        const double at = across(x, value);
        fprintf(file, "<path d='M%.1f %d V%d' stroke='#ddd'/>", at, TOP, HEIGHT - BOTTOM);
        fprintf(file, "<text x='%.1f' y='%d' text-anchor='middle'>%.6g</text>\n", at,
                HEIGHT - BOTTOM + 20, value);
    }
    for (int i = 0; i <= tick_count(y); i++) {
        const double value = tick_value(y, i);
        const double at = up(y, value);
        fprintf(file, "<path d='M%d %.1f H%d' stroke='#ddd'/>", LEFT, at, WIDTH - RIGHT);
        fprintf(file, "<text x='%d' y='%.1f' text-anchor='end'>%.6g</text>\n", LEFT - 8, at + 4,
                value);
    }
    fprintf(file, "<text x='%d' y='%d' font-size='15'>%s</text>\n", LEFT, TOP - 16, chart->title);
    fprintf(file, "<text x='%d' y='%d' text-anchor='middle'>%s</text>\n",
            (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, chart->x_name);
    fprintf(file, "<text transform='translate(20 %d) rotate(-90)' text-anchor='middle'>%s</text>\n",
            (TOP + HEIGHT - BOTTOM) / 2, chart->y_name);
}

static void write_series(FILE *file, const plot *chart, size_t index, const axis *x, const axis *y)
{
    const plot_series *series = &chart->series[index];
    fprintf(file, "<g stroke='%s' fill='none' stroke-width='2'><path d='", COLOURS[index]);
    for (size_t i = 0; i < series->count; i++)
        fprintf(file, "%c%.1f %.1f ", i == 0 ? 'M' : 'L', across(x, series->x[i]),
                up(y, series->y[i]));
    fprintf(file, "'/>");
    for (size_t i = 0; i < series->count && series->count <= MOST_DOTS; i++)
        fprintf(file, "<circle cx='%.1f' cy='%.1f' r='3'/>", across(x, series->x[i]),
                up(y, series->y[i]));
    fprintf(file, "</g>\n<text x='%d' y='%zu' fill='%s'>%s</text>\n", WIDTH - RIGHT + 10,
            TOP + 20 * (index + 1), COLOURS[index], series->name);
}

void plot_draw(const plot *chart, FILE *file)
{
    axis x = {.linear = chart->x_linear, .low = INFINITY, .high = -INFINITY};
    axis y = {.linear = chart->y_linear, .low = INFINITY, .high = -INFINITY};
    for (size_t s = 0; s < chart->count; s++) {
        for (size_t i = 0; i < chart->series[s].count; i++) {
            widen(&x, chart->series[s].x[i]);
            widen(&y, chart->series[s].y[i]);
        }
    }
    finish(&x);
    finish(&y);
    fprintf(file,
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' font-family='sans-serif' "
            "font-size='12'><rect width='%d' height='%d' fill='white'/>\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT);
    write_axes(file, chart, &x, &y);
    for (size_t s = 0; s < chart->count; s++)
        write_series(file, chart, s, &x, &y);
    fprintf(file, "</svg>\n");
}

void plot_write(const plot *chart, const char *path)
{
    FILE *file = fopen(path, "w");
    if (file != NULL)
        plot_draw(chart, file);
    if (file == NULL || fclose(file) != 0) {
        perror(path);
        exit(EXIT_FAILURE);
    }
}
