/*
 * How a run goes on, on standard error: on a terminal a few lines that are drawn over and over,
 * elsewhere a line for each interval.
 */
#ifndef VQL_CLIENT_LOAD_DISPLAY_H
#define VQL_CLIENT_LOAD_DISPLAY_H

#include <stdbool.h>
#include <stdio.h>

#include "load_timeline.h"

typedef struct load_display {
    FILE *out;
    bool terminal;
    double duration_s; /* that is measured */
    bool drawn;        /* there are lines to draw over */
} load_display;

/* Shows the last of the timeline's points. */
void load_display_show(load_display *d, const load_timeline *t);

/* Takes what is drawn away. */
void load_display_end(load_display *d);

#endif
