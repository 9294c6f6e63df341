#include "load_display.h"

#include <inttypes.h>
#include <math.h>

enum {
    LINES = 5,
    HISTORY = 60, /* intervals of the latency's bars */
    BAR = 40,
};

static double ms(uint64_t ns)
{
    return 1e-6 * (double)ns;
}

static void show_line(const load_display *d, const load_point *p)
{
    (void)fprintf(d->out,
                  "%8.1f s%s %10.0f/s OK %8" PRIu64 " failed %8" PRIu64
                  " skipped  p50 %.3f  p99 %.3f  max %.3f ms  in flight %" PRIu64
                  "  waiting %" PRIu64 "\n",
                  p->end_s, p->begin_s < 0 ? " (warm-up)" : "", load_point_rate(p),
                  load_counts_failed(&p->counts), p->counts.skipped, ms(p->p50_ns), ms(p->p99_ns),
                  ms(p->most_ns), p->in_flight, p->waiting);
}

/* The p99 of the last intervals as bars, on a scale of logarithms from the least to the most. */
static void show_bars(const load_display *d, const load_timeline *t)
{
    static const char *const bars[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    const size_t first = t->count > HISTORY ? t->count - HISTORY : 0;
    double least = INFINITY;
    double most = 0;
    for (size_t i = first; i < t->count; i++) {
        least = fmin(least, ms(t->points[i].p99_ns) + 1e-3);
        most = fmax(most, ms(t->points[i].p99_ns) + 1e-3);
    }
    (void)fprintf(d->out, "\x1b[Kp99 %.3f to %.3f ms  ", least, most);
    for (size_t i = first; i < t->count; i++) {
        const double way =
            most > least ? log((ms(t->points[i].p99_ns) + 1e-3) / least) / log(most / least) : 0;
        (void)fputs(bars[(int)fmin(way * 8, 7)], d->out);
    }
    (void)fputc('\n', d->out);
}

static void show_progress(const load_display *d, const load_point *p)
{
    const double done = fmin(fmax(p->end_s / d->duration_s, 0), 1);
    (void)fprintf(d->out, "\x1b[K[");
    for (int i = 0; i < BAR; i++)
        (void)fputc(i < (int)(done * BAR) ? '#' : '.', d->out);
    (void)fprintf(d->out, "] %.0f of %.0f s%s\n", fmax(p->end_s, 0), d->duration_s,
                  p->begin_s < 0 ? ", warm-up" : "");
}

static void show_lines(load_display *d, const load_timeline *t, const load_point *p)
{
    if (d->drawn)
        (void)fprintf(d->out, "\x1b[%dA", LINES);
    show_progress(d, p);
    (void)fprintf(d->out, "\x1b[K%.0f/s answered with OK", load_point_rate(p));
    if (p->rate > 0)
        (void)fprintf(d->out, " of %.0f/s due", p->rate);
    (void)fprintf(d->out,
                  "\n\x1b[K%" PRIu64 " failed, %" PRIu64 " skipped; %" PRIu64 " in flight, %" PRIu64
                  " waiting\n",
                  load_counts_failed(&p->counts), p->counts.skipped, p->in_flight, p->waiting);
    (void)fprintf(d->out, "\x1b[Kp50 %.3f  p90 %.3f  p99 %.3f  p99.9 %.3f  max %.3f ms\n",
                  ms(p->p50_ns), ms(p->p90_ns), ms(p->p99_ns), ms(p->p999_ns), ms(p->most_ns));
    show_bars(d, t);
    d->drawn = true;
}

void load_display_show(load_display *d, const load_timeline *t)
{
    const load_point *p = &t->points[t->count - 1];
    if (d->terminal)
        show_lines(d, t, p);
    else
        show_line(d, p);
    (void)fflush(d->out);
}

void load_display_end(load_display *d)
{
    for (int i = 0; i < LINES && d->drawn; i++)
        (void)fprintf(d->out, "\x1b[A\x1b[2K");
    (void)fflush(d->out);
    d->drawn = false;
}
