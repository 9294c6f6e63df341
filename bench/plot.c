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
};

static const char *const COLOURS[PLOT_SERIES] = {"#1b6ca8", "#d1495b", "#66a182",
                                                 "#edae49", "#6a4c93", "#555555"};

/* Whole powers of ten around what is drawn. */
typedef struct axis {
    int first, last;
} axis;

static void widen(axis *a, double value)
{
    const double power = log10(value);
    a->first = floor(power) < a->first ? (int)floor(power) : a->first;
    a->last = ceil(power) > a->last ? (int)ceil(power) : a->last;
}

static double place(axis a, double value, double low, double high)
{
    return low + (high - low) * (log10(value) - a.first) / (a.last - a.first);
}

static double across(axis x, double value)
{
    return place(x, value, LEFT, WIDTH - RIGHT);
}

static double up(axis y, double value)
{
    return place(y, value, HEIGHT - BOTTOM, TOP);
}

void plot_add(plot_series *series, double x, double y)
{
    if (series->count == PLOT_POINTS)
        abort();
    series->x[series->count] = x;
    series->y[series->count++] = y;
}

static void write_axes(FILE *file, const plot *chart, axis x, axis y)
{
    for (int power = x.first; power <= x.last; power++) {
        const double at = across(x, pow(10, power));
        fprintf(file, "<path d='M%.1f %d V%d' stroke='#ddd'/>", at, TOP, HEIGHT - BOTTOM);
        fprintf(file, "<text x='%.1f' y='%d' text-anchor='middle'>%g</text>\n", at,
                HEIGHT - BOTTOM + 20, pow(10, power));
    }
    for (int power = y.first; power <= y.last; power++) {
        const double at = up(y, pow(10, power));
        fprintf(file, "<path d='M%d %.1f H%d' stroke='#ddd'/>", LEFT, at, WIDTH - RIGHT);
        fprintf(file, "<text x='%d' y='%.1f' text-anchor='end'>%g</text>\n", LEFT - 8, at + 4,
                pow(10, power));
    }
    fprintf(file, "<text x='%d' y='%d' font-size='15'>%s</text>\n", LEFT, TOP - 16, chart->title);
    fprintf(file, "<text x='%d' y='%d' text-anchor='middle'>%s</text>\n",
            (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, chart->x_name);
    fprintf(file, "<text transform='translate(20 %d) rotate(-90)' text-anchor='middle'>%s</text>\n",
            (TOP + HEIGHT - BOTTOM) / 2, chart->y_name);
}

static void write_series(FILE *file, const plot *chart, size_t index, axis x, axis y)
{
    const plot_series *series = &chart->series[index];
    fprintf(file, "<g stroke='%s' fill='none' stroke-width='2'><path d='", COLOURS[index]);
    for (size_t i = 0; i < series->count; i++)
        fprintf(file, "%c%.1f %.1f ", i == 0 ? 'M' : 'L', across(x, series->x[i]),
                up(y, series->y[i]));
    fprintf(file, "'/>");
    for (size_t i = 0; i < series->count; i++)
        fprintf(file, "<circle cx='%.1f' cy='%.1f' r='3'/>", across(x, series->x[i]),
                up(y, series->y[i]));
    fprintf(file, "</g>\n<text x='%d' y='%zu' fill='%s'>%s</text>\n", WIDTH - RIGHT + 10,
            TOP + 20 * (index + 1), COLOURS[index], series->name);
}

void plot_write(const plot *chart, const char *path)
{
    FILE *file = fopen(path, "w");
    if (file == NULL) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    axis x = {99, -99};
    axis y = {99, -99};
    for (size_t s = 0; s < chart->count; s++) {
        for (size_t i = 0; i < chart->series[s].count; i++) {
            widen(&x, chart->series[s].x[i]);
            widen(&y, chart->series[s].y[i]);
        }
    }
    fprintf(file,
            "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %d %d' font-family='sans-serif' "
            "font-size='12'><rect width='%d' height='%d' fill='white'/>\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT);
    write_axes(file, chart, x, y);
    for (size_t s = 0; s < chart->count; s++)
        write_series(file, chart, s, x, y);
    fprintf(file, "</svg>\n");
    if (fclose(file) != 0) {
        perror(path);
        exit(EXIT_FAILURE);
    }
}
