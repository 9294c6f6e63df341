#include "progress.h"

#include <inttypes.h>
#include <string.h>

#define BAR_CELLS        30
#define LINE_BYTES       120
#define BAR_INTERVAL_NS  UINT64_C(100000000)
#define LINE_INTERVAL_NS UINT64_C(5000000000)

void progress_start(progress *p, FILE *out, bool terminal, const char *unit, uint64_t now_ns)
{
    *p = (progress){
        .out = out, .terminal = terminal, .unit = unit, .start_ns = now_ns, .shown_ns = now_ns};
}

/* Writes how much is done and how long the rest may take: "[###...]  42 %" and "ETA 1:07". */
static void format_fraction(char *bar, size_t bar_capacity, char *eta, size_t eta_capacity,
                            double seconds, double fraction)
{
    char cells[BAR_CELLS + 1];
    const size_t done = (size_t)(fraction * BAR_CELLS);
    memset(cells, '#', done);
    memset(cells + done, '.', BAR_CELLS - done);
    cells[BAR_CELLS] = '\0';
    (void)snprintf(bar, bar_capacity, "[%s] ", cells);

    const double left = fraction > 0 ? seconds / fraction - seconds : 0;
    const uint64_t whole = left < 360000 ? (uint64_t)left : 360000;
    (void)snprintf(eta, eta_capacity, "%3.0f %%, ETA %" PRIu64 ":%02" PRIu64 ", ", 100 * fraction,
                   whole / 60, whole % 60);
}

void progress_format(char *out, size_t capacity, bool bar, const char *unit, double seconds,
                     uint64_t count, double fraction)
{
    char cells[BAR_CELLS + 8] = "";
    char eta[48] = "";
    if (fraction >= 0)
        format_fraction(cells, sizeof cells, eta, sizeof eta, seconds, fraction < 1 ? fraction : 1);
    const double rate = seconds > 0 ? (double)count / seconds : 0;
    (void)snprintf(out, capacity, "%s%s%" PRIu64 " %s, %.0f %s/s", bar ? cells : "", eta, count,
                   unit, rate, unit);
}

void progress_update(progress *p, uint64_t now_ns, uint64_t count, double fraction)
{
    if (now_ns - p->shown_ns < (p->terminal ? BAR_INTERVAL_NS : LINE_INTERVAL_NS))
        return;
    p->shown_ns = now_ns;
    char line[LINE_BYTES];
    const char *note = p->note != NULL ? p->note : "";
    const char *comma = *note != '\0' ? ", " : "";
    progress_format(line, sizeof line, p->terminal, p->unit, (double)(now_ns - p->start_ns) / 1e9,
                    count, fraction);
    if (p->terminal) {
        (void)fprintf(p->out, "\r%s%s%s\033[K", line, comma, note);
        p->drawn = true;
    } else {
        (void)fprintf(p->out, "%s%s%s\n", line, comma, note);
    }
    (void)fflush(p->out);
}

void progress_end(progress *p)
{
    if (p->drawn) {
        (void)fputs("\r\033[K", p->out);
        (void)fflush(p->out);
        p->drawn = false;
    }
}
