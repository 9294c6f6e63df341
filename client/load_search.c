#include "load_search.h"

#include <math.h>

#define LEAST_RATE 1.0
#define MOST_RATE  1e8

void load_search_init(load_search *s, double first, double step)
{
    *s = (load_search){.next = first, .step = step};
}

static double choose(const load_search *s)
{
    if (s->trials == LOAD_MAX_TRIALS)
        return 0;
    if (s->fails == 0)
        return s->holds * 2 <= MOST_RATE ? s->holds * 2 : 0;
    if (s->holds == 0)
        return s->fails / 2 >= LEAST_RATE ? s->fails / 2 : 0;
    return s->fails > s->holds * (1 + s->step) ? sqrt(s->holds * s->fails) : 0;
}

void load_search_tell(load_search *s, bool held)
{
    s->trials++;
    *(held ? &s->holds : &s->fails) = s->next;
    s->next = choose(s);
}
