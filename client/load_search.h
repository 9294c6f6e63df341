/*
 * The search for the highest rate that holds: it doubles or halves the rate until it has one that
 * holds and one that does not, and then tries between them.
 */
#ifndef VQL_CLIENT_LOAD_SEARCH_H
#define VQL_CLIENT_LOAD_SEARCH_H

#include <stdbool.h>

enum { LOAD_MAX_TRIALS = 40 };

typedef struct load_search {
    double holds; /* the highest rate that held; 0: none has */
    double fails; /* the lowest that did not; 0: none */
    double next;  /* the rate to try; 0: the search is over */
    double step;  /* how near holds and fails must come: 0.05 for 5 % */
    unsigned trials;
} load_search;

void load_search_init(load_search *s, double first, double step);

/* Says whether the rate `next` held, and sets the next one. */
void load_search_tell(load_search *s, bool held);

#endif
