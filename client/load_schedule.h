/*
 * When calls are due: an open loop's schedule, which no answer changes. Its rate is constant, rises
 * or falls in a line, or in steps; calls come at even distances, or as a Poisson process.
 */
#ifndef VQL_CLIENT_LOAD_SCHEDULE_H
#define VQL_CLIENT_LOAD_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "load_random.h"

enum { LOAD_MAX_STEPS = 1000 };

typedef struct load_plan {
    double rate;     /* calls a second at the start, above 0 */
    double rate_end; /* … and at the end, above 0 */
    uint32_t steps; /* of equal length in which it gets there, up to LOAD_MAX_STEPS; 0: in a line */
    double warmup_s; /* before that, at the first rate */
    double duration_s;
    bool poisson;
    uint64_t seed;
} load_plan;

typedef struct load_schedule {
    load_plan plan;
    load_random random;
    uint32_t part; /* 0: the warm-up, then the steps, or the line */
    double count;  /* of calls since then, as the rate has it */
} load_schedule;

void load_schedule_init(load_schedule *s, const load_plan *plan);

/* When the next call is due, in nanoseconds from the start; UINT64_MAX: there is none. */
uint64_t load_schedule_next(load_schedule *s);

/* The rate at a time in seconds from the start; 0 behind the end. */
double load_plan_rate(const load_plan *plan, double at_s);

#endif
