#include "load_schedule.h"

#include <math.h>

/* A part of the plan: the rate goes in a line from the one to the other. */
typedef struct part {
    double begin_s, length_s, first, last;
} part;

/* Part i of the plan; false behind the last. */
static bool part_at(const load_plan *p, uint32_t i, part *out)
{
    if (i == 0) {
        *out = (part){0, p->warmup_s, p->rate, p->rate};
        return true;
    }
    if (p->steps == 0) {
        *out = (part){p->warmup_s, p->duration_s, p->rate, p->rate_end};
        return i == 1;
    }
    const double length_s = p->duration_s / p->steps;
    const double way = p->steps > 1 ? (double)(i - 1) / (p->steps - 1) : 0;
    const double rate = p->rate + (p->rate_end - p->rate) * way;
    *out = (part){p->warmup_s + (i - 1) * length_s, length_s, rate, rate};
    return i <= p->steps;
}

/* How many calls a part has. */
static double part_count(const part *p)
{
    return (p->first + p->last) / 2 * p->length_s;
}

/*
 * After how many seconds of a part so many of its calls are due: the root of
 * first · t + (last - first) / (2 · length) · t² = count.
 */
static double part_time(const part *p, double count)
{
    const double slope = 2 * (p->last - p->first) / p->length_s;
    return 2 * count / (p->first + sqrt(fmax(p->first * p->first + slope * count, 0)));
}

/* How much of the rate's sum passes until the next call. */
static double draw_gap(load_schedule *s)
{
    return s->plan.poisson ? -log(load_random_unit(&s->random)) : 1;
}

void load_schedule_init(load_schedule *s, const load_plan *plan)
{
    *s = (load_schedule){.plan = *plan, .random = {plan->seed}};
    s->count = plan->poisson ? draw_gap(s) : 0;
}

uint64_t load_schedule_next(load_schedule *s)
{
    part now;
    for (;; s->part++) {
        if (!part_at(&s->plan, s->part, &now))
            return UINT64_MAX;
        if (s->count < part_count(&now))
            break;
        s->count -= part_count(&now);
    }
    const double at_s = now.begin_s + part_time(&now, s->count);
    s->count += draw_gap(s);
    return (uint64_t)(at_s * 1e9);
}

double load_plan_rate(const load_plan *plan, double at_s)
{
    part p;
    for (uint32_t i = 0; part_at(plan, i, &p); i++)
        if (at_s >= p.begin_s && at_s < p.begin_s + p.length_s)
            return p.first + (p.last - p.first) * (at_s - p.begin_s) / p.length_s;
    return 0;
}
